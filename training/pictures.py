"""Pictures to judge by: crops of several methods side by side, and the curve of a training run.

Drawn with Pillow alone. It knows nothing of networks.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

_MARGIN_PX = 6
_LABEL_PX = 14


def sheet(rows: Mapping[str, Mapping[str, Tensor]], *, magnify: int = 2) -> Image.Image:
    """Puts crops, (3, h, w) uint8, into a grid: a row for each subject, a column for each method, both named."""
    crops = [crop for methods in rows.values() for crop in methods.values()]
    width, height = (max(crop.shape[axis] for crop in crops) * magnify for axis in (2, 1))
    columns = max(len(methods) for methods in rows.values())
    cell_width, cell_height = width + _MARGIN_PX, height + _MARGIN_PX + _LABEL_PX
    page = Image.new("RGB", (columns * cell_width + _MARGIN_PX, len(rows) * cell_height + _MARGIN_PX), "white")
    draw = ImageDraw.Draw(page)
    for row, (subject, methods) in enumerate(rows.items()):
        for column, (method, crop) in enumerate(methods.items()):
            x, y = _MARGIN_PX + column * cell_width, _MARGIN_PX + row * cell_height
            draw.text((x, y), f"{subject}: {method}" if column == 0 else method, fill="black")
            small = Image.fromarray(crop.permute(1, 2, 0).contiguous().numpy())
            large = small.resize((small.width * magnify, small.height * magnify), Image.Resampling.NEAREST)
            page.paste(large, (x, y + _LABEL_PX))
    return page


def curve(points: Sequence[tuple[float, float, float]], *, title: str) -> Image.Image:
    """Draws (step, loss, PSNR in dB) as two lines over the same steps.

    Raises ValueError when there are fewer than two points.
    """
    if len(points) < 2:
        raise ValueError(f"{title}: {len(points)} measured steps make no curve; train further, with --stills")
    size, box = (900, 420), (70, 30, 830, 380)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle(box, outline="grey")
    draw.text((box[0], 8), title, fill="black")
    steps = [point[0] for point in points]
    for index, colour, name, x in ((1, "firebrick", "loss", 4), (2, "navy", "PSNR-Y, dB", box[2] + 4)):
        values = [point[index] for point in points]
        low, high = min(values), max(values)
        span = high - low or 1.0
        line = [
            (
                box[0] + (step - steps[0]) / (steps[-1] - steps[0]) * (box[2] - box[0]),
                box[3] - (value - low) / span * (box[3] - box[1]),
            )
            for step, value in zip(steps, values, strict=True)
        ]
        draw.line(line, fill=colour, width=2)
        draw.text((x, box[1]), f"{high:.4g}", fill=colour)
        draw.text((x, box[3] - 12), f"{low:.4g}", fill=colour)
        draw.text((x, (box[1] + box[3]) // 2), name, fill=colour)
    draw.text((box[0], box[3] + 8), f"step {steps[0]:g}", fill="black")
    draw.text((box[2] - 60, box[3] + 8), f"step {steps[-1]:g}", fill="black")
    return page


def read_log(path: Path) -> list[tuple[float, float, float]]:
    """(step, loss, PSNR in dB) of the lines of a run's ``log.jsonl`` that have a PSNR."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["step"], line["loss"], line["psnr_db"]) for line in lines if line["psnr_db"] is not None]


def main(arguments: list[str] | None = None) -> None:
    """Draws the curve of a run: ``python -m training.pictures RUN/log.jsonl -o curve.png``."""
    parser = argparse.ArgumentParser(prog="python -m training.pictures", description=main.__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        curve(read_log(options.log), title=str(options.log)).save(options.output)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
