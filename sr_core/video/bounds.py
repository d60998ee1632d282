"""What reading a video may take, by the size of its picture and the number of its frames."""

import math
from pathlib import Path

from sr_core.media import VideoInfo
from sr_core.video import limits
from sr_core.video.confinement import Bounds
from sr_core.video.formats import target_of

_BASE_MEMORY_BYTES = 1 << 30
"""For the libraries, their threads, and what containers keep of their indexes."""
_FRAMES_IN_MEMORY = 64
"""Of a decoder with 16 references and 16 threads, and of an encoder after it, with something to spare."""
_UNKNOWN_MEMORY_BYTES = 3 << 30
"""Where the size of the picture is not known yet: half a dozen of the largest frames that are let through."""
_BASE_CPU_SECONDS = 900
_CPU_SECONDS_PER_FRAME = 1.0
_CPU_SECONDS_PER_MEGAPIXEL = 2.0
"""For one frame in one pass: ten times what the slowest decoders take on a slow core."""


def bounds_before_probing(*, readable: tuple[Path, ...]) -> Bounds:
    """What looking at a file may take of which nothing is known."""
    highest = limits.current()
    return Bounds(
        memory_bytes=min(_UNKNOWN_MEMORY_BYTES, highest.memory_bytes),
        cpu_seconds=_BASE_CPU_SECONDS,
        silence_seconds=highest.silence_seconds,
        readable=readable,
    )


def bounds_for(
    info: VideoInfo, *, passes: int = 1, readable: tuple[Path, ...] = (), writable: tuple[Path, ...] = ()
) -> Bounds:
    """What reading a video of that size and length may take, `passes` times over."""
    highest = limits.current()
    target = target_of(info.pixel_format)
    picture_px = info.width_px * info.height_px
    frame_bytes = picture_px * 3 * (target.format.bytes_per_sample if target else 2)
    seconds = _CPU_SECONDS_PER_FRAME + _CPU_SECONDS_PER_MEGAPIXEL * picture_px / 1e6
    return Bounds(
        memory_bytes=min(_BASE_MEMORY_BYTES + _FRAMES_IN_MEMORY * frame_bytes, highest.memory_bytes),
        cpu_seconds=_BASE_CPU_SECONDS + math.ceil(passes * seconds * info.frame_count),
        silence_seconds=highest.silence_seconds,
        readable=readable,
        writable=writable,
    )
