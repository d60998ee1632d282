"""Opening a source file: only from the local disk, only known containers, within the limits, errors in one line.

Playlists and scripts that could make the demuxer read another file or address are not on the list of containers, and
what refers to others inside of those that are (QuickTime's data references) is not followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from sr_core.errors import InputError
from sr_core.media_limits import Limits
from sr_core.video import limits
from sr_core.video.allowed import CONTAINERS, DECODERS, VIDEO_DECODERS

_FFMPEG_MAX_STREAMS = 1000
"""What FFmpeg itself stops at."""


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Opens a media file for reading.

    Raises InputError when it is not a media file of a known container, or over one of the `limits`.
    """
    highest = limits.current()
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": CONTAINERS,
        "codec_whitelist": ",".join(sorted(DECODERS)),
        "max_pixels": str(highest.picture_px),
        "max_streams": str(max(_FFMPEG_MAX_STREAMS, highest.streams)),
        "enable_drefs": "0",
        "use_absolute_path": "0",
    }
    try:
        # The prefix keeps a name such as "pipe:0" or "a:b.mp4" from being taken for an address.
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.error.MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
        raise InputError(
            f"{path} is not a video file that can be read ({reason}); try `sr probe` on a copy made by another tool"
        ) from error
    try:
        _check(path, container, highest)
        yield container
    finally:
        container.close()


def check_decoder(path: Path, stream: Any) -> None:
    """Raises InputError unless the stream's codec is one that may be decoded; others can be carried at most."""
    if stream.codec_context is None or stream.codec_context.name not in VIDEO_DECODERS:
        name = "that is unknown" if stream.codec_context is None else stream.codec_context.name
        raise InputError(f"{path}: video of the codec {name} is not decoded; convert it first, for example to FFV1")


def _check(path: Path, container: InputContainer, highest: Limits) -> None:
    """Holds what the file declares to the limits, and has decoders do the same with what they find."""
    _refuse_over(path, len(container.streams), highest.streams, "streams", "streams")
    if container.duration:
        seconds = container.duration // av.time_base
        _refuse_over(path, seconds, highest.duration_seconds, "duration_seconds", "seconds")
    for stream in container.streams:
        context: Any = stream.codec_context
        if stream.type == "video" and context is not None:
            _refuse_over(path, max(context.width, context.height), highest.side_px, "side_px", "pixels in a row")
            _refuse_over(path, context.width * context.height, highest.picture_px, "picture_px", "pixels")
            context.options = {"max_pixels": str(highest.picture_px)}
        elif stream.type == "audio" and context is not None:
            _refuse_over(path, context.sample_rate, highest.sample_rate_hz, "sample_rate_hz", "samples a second")
            _refuse_over(path, context.channels, highest.audio_channels, "audio_channels", "audio channels")


def _refuse_over(path: Path, found: int, highest: int, name: str, unit: str) -> None:
    if found > highest:
        raise InputError(f"{path} declares {found} {unit}, over the limit of {highest}; {limits.over(name)}")
