"""Sources and what an upscaler could have made of them, without loss, from pictures that a test describes."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes, to_av

Picture = Callable[[int], Sequence[NDArray[Any]]]
"""The planes of a frame by its number."""
RATE = 10
SIZE = (48, 32)


def write(
    path: Path,
    picture: Picture,
    *,
    times: Sequence[int] = range(12),
    pixel_format: str = "yuv420p",
    matrix: int = 1,
    color_range: int = 1,
    transfer: int = 1,
    sar: Fraction = Fraction(1),
) -> Path:
    """Writes frames as FFV1 (as H.264 without loss where the suffix is .mp4) at `times`, in tenths of a second.

    The picture's number is its place in `times`. `matrix`, `color_range` and `transfer` are FFmpeg's codes.
    """
    codec = "libx264" if path.suffix == ".mp4" else "ffv1"
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=RATE))
        first = picture(0)
        context = stream.codec_context
        context.height, context.width = first[0].shape
        context.pix_fmt = pixel_format
        context.time_base = Fraction(1, 10 * RATE)
        context.colorspace, context.color_range = matrix, color_range
        context.sample_aspect_ratio = sar
        context.color_trc = transfer
        context.options = {"qp": "0", "preset": "ultrafast", "bf": "0"} if codec == "libx264" else {}
        for number, time in enumerate(times):
            frame = to_av(Planes(HANDLED[pixel_format], tuple(picture(number))))
            frame.pts, frame.time_base = 10 * time, context.time_base
            frame.colorspace, frame.color_range, frame.color_trc = matrix, color_range, transfer
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def texture(*, size: tuple[int, int] = SIZE, seed: int = 0) -> Picture:
    """4:2:0 of 8 bits: noise that is another in each frame, and colours that stay."""
    width, height = size

    def picture(number: int) -> Sequence[NDArray[Any]]:
        noise = np.random.default_rng([seed, number])
        luma = noise.integers(16, 236, (height, width)).astype(np.uint8)
        return luma, *(np.full((height // 2, width // 2), code, np.uint8) for code in (100, 150))

    return picture


def blown_up(picture: Picture, scale: int = 2) -> Picture:
    """Each sample `scale` × `scale` times, so that scaling back down gives the very same."""
    return lambda number: [plane.repeat(scale, axis=0).repeat(scale, axis=1) for plane in picture(number)]


def flat(*codes: int, size: tuple[int, int] = SIZE, dtype: Any = np.uint8) -> Picture:
    """4:2:0 of one colour."""
    width, height = size
    sizes = ((height, width), *([(height // 2, width // 2)] * 2))
    return lambda _number: [np.full(shape, code, dtype) for shape, code in zip(sizes, codes, strict=True)]
