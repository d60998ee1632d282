"""Opening a source file: only from the local disk, only known containers, errors in one line.

Playlists and scripts that could make the demuxer read another file or address are not on the list of containers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from sr_core.errors import InputError

_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,nut,flv,gif,apng,asf,mxf,ogg,dv,"
    "h264,hevc,av1,ivf,m4v,yuv4mpegpipe,rm,wtv,swf,vob,mjpeg"
)


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Opens a media file for reading.

    Raises InputError when it is not a media file of a known container.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
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
        yield container
    finally:
        container.close()
