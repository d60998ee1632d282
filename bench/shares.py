"""How much of a video changes from frame to frame: ``python -m bench.shares [CLIP …] [--json FILE]``.

No network runs. For each clip, and for the reach of a small network (8 px) and of the compact networks with 16 inner
convolutions (18 px): the part of the frames that equal the one before, and what reuse computes as a part of what whole
frames would take, surroundings included. By default the clips of the reference media, and the made still scenes of
`bench.reuse`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import av
import torch
from torch import Tensor

from bench.clips import reference_media
from bench.machine import describe, machine, write_results
from bench.scenes import fixed_camera, screen_recording
from sr_core.inference.changes import changed_cells
from sr_core.inference.rectangles import Costs, rectangles_to_compute
from sr_core.video.frames import from_av

RADII_PX = (8, 18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What was found in one clip."""

    clip: str
    frames: int
    equal_frames: int
    """Frames without any difference from the one before."""
    computed: dict[int, float]
    """By a network's radius: computed over whole, the first frame left out."""

    def line(self) -> str:
        shares = "".join(f"{self.computed[radius]:>10.1%}" for radius in RADII_PX)
        return f"{self.clip:<28}{self.frames:>8}{self.equal_frames / max(1, self.frames - 1):>10.1%}{shares}"


HEADER = f"{'clip':<28}{'frames':>8}{'equal':>10}" + "".join(f"{f'{radius} px':>10}" for radius in RADII_PX)


def shares_of(clip: Path) -> Shares:
    """Compares every frame of a clip's first video stream with the one before."""
    computed = dict.fromkeys(RADII_PX, 0.0)
    frames, equal = 1, 0
    for before, after in pairwise(_planes(clip)):
        frames += 1
        cells = changed_cells(before, after)
        equal += cells is None
        if cells is None:
            continue
        height, width = after[0].shape[-2:]
        for radius in RADII_PX:
            costs = Costs(width_px=width, height_px=height, halo_px=radius, narrows=True)
            parts = rectangles_to_compute(cells, costs)
            computed[radius] += 1.0 if parts is None else parts.share
    means = {radius: total / max(1, frames - 1) for radius, total in computed.items()}
    return Shares(clip=clip.stem, frames=frames, equal_frames=equal, computed=means)


def _planes(clip: Path) -> Iterator[tuple[Tensor, ...]]:
    with av.open(str(clip)) as container:
        for frame in container.decode(container.streams.video[0]):
            yield tuple(torch.from_numpy(plane).unsqueeze(0) for plane in from_av(frame).planes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
        clips = options.clip or [*sorted((reference_media() / "video").glob("*")), *_made(Path(folder))]
        found = []
        for clip in clips:
            found.append(shares_of(clip))
            print(found[-1].line(), flush=True)
    if options.json:
        write_results(options.json, facts, {"clips": [asdict(each) for each in found]})
    return 0


def _made(folder: Path) -> Iterator[Path]:
    photograph, film = (
        reference_media() / "stills" / "set14" / "barbara.png",
        reference_media() / "video" / "bikes.mp4",
    )
    still, moving = (path if path.is_file() else None for path in (photograph, film))
    yield fixed_camera(folder / "fixed-camera.mp4", still, moving, frames=300)
    yield screen_recording(folder / "screen.mp4", frames=300)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.shares", description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="*", type=Path, metavar="CLIP", help="instead of the usual ones")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    return parser


if __name__ == "__main__":
    sys.exit(main())
