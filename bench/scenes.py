"""Clips in which most of the picture stands still: a fixed camera, and a recorded screen. Knows nothing of measuring.

Both are H.264 at CRF 23, as users' files are; so what stands still in the scene need not stand
still in the decoded samples, where the encoder refines a picture over several frames.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.clips import Picture, drifting_pictures, pictures_of

RATE = Fraction(30)
CRF = 23
MOVING_SHARE = 0.1
"""Of the picture, in the clip of the fixed camera."""
SCREEN_PX = (1280, 720)
_LINE_PX = 24
_TEXT = (
    "def upscale(frames):",
    "    for frame in frames:",
    "        yield network(frame)  # what did not change is taken from before",
    "The quick brown fox jumps over the lazy dog. 0123456789",
    "$ sr run holiday.mp4 -o holiday-2x.mp4 --crf 18",
    "",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor",
)


def fixed_camera(path: Path, still: Path | None, moving: Path | None, *, frames: int, preset: str = "medium") -> Path:
    """Writes a picture of which the middle tenth moves.

    Args:
        still: a photograph of even size, at least as large as what moves; None makes a texture of 640×360.
        moving: the clip that is shown in the middle; None makes a texture that drifts.
        preset: x264's.
    """
    if still is None:
        picture = next(drifting_pictures((640, 360)))
    else:
        with Image.open(still) as image:
            rgb = np.asarray(image.convert("RGB"))
        picture = cast(Picture, av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p").to_ndarray())
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    tall, wide = (round(size * MOVING_SHARE**0.5 / 4) * 4 for size in (height, width))
    pictures = pictures_of(moving)[0] if moving else drifting_pictures((wide, tall))
    top, left = (height - tall) // 4 * 2, (width - wide) // 4 * 2

    def scene() -> Iterator[Picture]:
        for shown in islice(pictures, frames):
            out = picture.copy()
            for index, step in enumerate((1, 2, 2)):
                part = _plane(shown, index)[: tall // step, : wide // step]
                _plane(out, index)[top // step : (top + tall) // step, left // step : (left + wide) // step] = part
            yield out

    return _write(path, scene(), (width, height), preset=preset)


def screen_recording(path: Path, *, frames: int) -> Path:
    """Writes a screen full of text on which a line is typed, the pointer wanders, and the text scrolls now and then."""
    font = ImageFont.load_default(16)
    width, height = SCREEN_PX
    lines = list(islice(cycle(_TEXT), height // _LINE_PX + frames // 20))

    def scene() -> Iterator[Picture]:
        for index in range(frames):
            # Typing for two seconds, then a line's worth of scrolling in four frames.
            since_scroll, scrolled_lines = index % 60, index // 60
            offset_px = scrolled_lines * _LINE_PX + max(0, since_scroll - 55) * _LINE_PX // 4
            screen = Image.new("RGB", SCREEN_PX, "white")
            draw = ImageDraw.Draw(screen)
            draw.rectangle((0, 0, 200, height), fill="#20262e")
            first = offset_px // _LINE_PX
            for row, line in enumerate(lines[first : first + height // _LINE_PX - 1]):
                draw.text((220, row * _LINE_PX - offset_px % _LINE_PX), line, fill="#1a1a1a", font=font)
            typed = _TEXT[2][: since_scroll // 2]
            draw.rectangle((210, height - 30, width, height), fill="#f0f0f0")
            draw.text((220, height - 26), typed, fill="#003080", font=font)
            x, y = 400 + int(300 * np.sin(index / 40)), 300 + int(150 * np.cos(index / 31))
            draw.polygon([(x, y), (x, y + 16), (x + 11, y + 11)], fill="black", outline="white")
            frame = av.VideoFrame.from_ndarray(np.asarray(screen), format="rgb24").reformat(format="yuv420p")
            yield cast(Picture, frame.to_ndarray())

    return _write(path, scene(), SCREEN_PX, preset="medium")


def _plane(picture: Picture, index: int) -> Picture:
    """A view of one plane of a ``yuv420p`` array."""
    width = picture.shape[1]
    height = picture.shape[0] * 2 // 3
    if index == 0:
        return picture[:height]
    quarter = height * width // 4
    flat = picture.reshape(-1)
    start = height * width + (index - 1) * quarter
    return flat[start : start + quarter].reshape(height // 2, width // 2)


def _write(path: Path, pictures: Iterable[Picture], size_px: tuple[int, int], *, preset: str) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        context = video.codec_context
        context.width, context.height = size_px
        context.pix_fmt = "yuv420p"
        context.options = {"crf": str(CRF), "preset": preset}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(cast(Any, picture), format="yuv420p")
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path
