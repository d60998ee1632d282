"""The clips that are measured: where the reference media lie, and clips of any length made from them or from noise.

Knows nothing of what is measured on them.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

GOP_FRAMES = 48
_SOUND_RATE_HZ = 48_000
_SOUND_BLOCK_SAMPLES = 1024
_HELD_FRAMES = 250
"""Frames of a source that are kept in memory to make a longer clip of."""

Picture = NDArray[np.uint8]
"""A frame as PyAV's ``yuv420p`` array: (height · 3 / 2, width)."""


def reference_media() -> Path:
    """The folder of reference media: ``SR_REFERENCE_MEDIA``, else beside the checkout. May not exist."""
    folder = os.environ.get("SR_REFERENCE_MEDIA")
    return Path(folder) if folder else Path(__file__).parents[2] / "shared" / "media"


def reference_clip(name: str) -> Path | None:
    """A video of the reference media; None when it is not there."""
    path = reference_media() / "video" / name
    return path if path.is_file() else None


def write_clip(
    path: Path,
    source: Path | None,
    *,
    frames: int,
    size_px: tuple[int, int],
    rate: Fraction = Fraction(30),
    sound: bool = False,
    scale: bool = False,
) -> Path:
    """Writes an 8-bit H.264 clip of exactly `frames` frames, and returns its path.

    Args:
        source: played forward and backward until there are enough frames; None makes a picture that drifts.
        size_px: (width, height), both even; what a made picture has, and a source that is to `scale`.
        rate: frames per second; a source keeps its own.
        sound: whether there is a tone, too.
        scale: whether a source is scaled to `size_px` instead of keeping its own size.
    """
    if source is None:
        pictures = drifting_pictures(size_px)
    else:
        pictures, size_px, rate = pictures_of(source, size_px if scale else None)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        tone = container.add_stream("aac", rate=_SOUND_RATE_HZ, layout="mono") if sound else None
        context = video.codec_context
        context.width, context.height = size_px
        context.pix_fmt, context.gop_size = "yuv420p", GOP_FRAMES
        context.options = {"crf": "12", "preset": "veryfast"}
        samples = 0
        for index, picture in enumerate(islice(pictures, frames)):
            frame = av.VideoFrame.from_ndarray(cast(Any, picture), format="yuv420p")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(video.encode(frame))
            while tone is not None and samples < (index + 1) / rate * _SOUND_RATE_HZ:
                container.mux(tone.encode(_tone_block(samples)))
                samples += _SOUND_BLOCK_SAMPLES
        container.mux(video.encode(None))
        if tone is not None:
            container.mux(tone.encode(None))
    return path


def pictures_of(
    source: Path, size_px: tuple[int, int] | None = None
) -> tuple[Iterator[Picture], tuple[int, int], Fraction]:
    """Endless pictures without a cut where the source begins anew; their size in pixels, and the source's rate.

    `size_px` is what they are scaled to; None keeps the source's size.
    """
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        width, height = size_px or (stream.codec_context.width, stream.codec_context.height)
        held = [
            cast(Picture, frame.to_ndarray(format="yuv420p", width=width, height=height))
            for frame in islice(container.decode(stream), _HELD_FRAMES)
        ]
    return cycle(chain(held, held[-2:0:-1])), (width, height), rate


def drifting_pictures(size_px: tuple[int, int]) -> Iterator[Picture]:
    """Endless pictures: a window that moves over smoothed noise, finely textured as a photograph is."""
    width, height = size_px
    noise = np.random.default_rng(1).normal(0, 1, (2 * height, 2 * width))
    texture = sum(
        np.kron(noise[: 2 * height // step, : 2 * width // step], np.ones((step, step))) * step**0.5
        for step in (1, 2, 4, 8)
        if height % step == 0 and width % step == 0
    )
    luma = np.asarray(128 + 12 * texture).clip(16, 235).astype(np.uint8)
    for index in cycle(chain(range(height), range(height - 2, 0, -1))):
        top, left = index, index * width // height
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = luma[top : top + height, left : left + width]
        yield picture


def _tone_block(start: int) -> av.AudioFrame:
    times = np.arange(start, start + _SOUND_BLOCK_SAMPLES) / _SOUND_RATE_HZ
    wave = (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    block = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="fltp", layout="mono")
    block.sample_rate, block.pts, block.time_base = _SOUND_RATE_HZ, start, Fraction(1, _SOUND_RATE_HZ)
    return block
