"""Reading back the frames that were promised: from a chunk file, or from the source itself.

Every frame is held against the record, by order, time and checksum, before anyone sees it.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from sr_core.errors import IntegrityError
from sr_core.timestamps import UNSTEADY, FrameTable
from sr_core.video.frames import Planes, from_av
from sr_core.video.interlace import Deinterlacer
from sr_core.video.open import open_source


class DecodesOtherwise(IntegrityError):
    """A frame is there, and is not the picture that it was when the source was scanned."""


def read_copied(path: Path, frames: FrameTable, start_frame: int, end_frame: int) -> Iterator[Planes]:
    """Frames [start_frame, end_frame) of a packet-copied chunk, in order.

    The chunk's times are the source's. Pre-roll and other frames whose times are not in the record are passed over.

    Raises IntegrityError when a frame is missing or differs from its checksum.
    """
    index = start_frame
    for frame in decoded(path):
        if index == end_frame:
            return
        if frame.pts is None or frame.time_base is None:
            continue
        time = frame.pts * Fraction(frame.time_base) / frames.time_base
        if time < frames.pts[index]:
            continue
        if time > frames.pts[index]:
            break
        yield _checked(frame, frames, index)
        index += 1
    if index != end_frame:
        raise IntegrityError(f"{path.name}: frame {index} of [{start_frame}, {end_frame}) is missing")


def read_lossless(path: Path, frames: FrameTable, start_frame: int, end_frame: int) -> Iterator[Planes]:
    """Frames [start_frame, end_frame) of a chunk that holds exactly them, coded without loss.

    Raises IntegrityError when a frame is missing, extra, or differs from its checksum.
    """
    index = start_frame
    for frame in decoded(path):
        if index == end_frame:
            raise IntegrityError(f"{path.name}: more frames than [{start_frame}, {end_frame})")
        yield _checked(frame, frames, index)
        index += 1
    if index != end_frame:
        raise IntegrityError(f"{path.name}: frame {index} of [{start_frame}, {end_frame}) is missing")


def read_segment(path: Path) -> Iterator[Planes]:
    """All frames of a segment, in order of presentation."""
    for frame in decoded(path):
        yield from_av(frame)


def read_source(
    path: Path, stream_index: int, frames: FrameTable, *, deinterlace: bool = False
) -> Iterator[tuple[int, Planes]]:
    """(index, frame) for every frame of the source, decoded (and deinterlaced) again and held against the record.

    Raises IntegrityError when decoding twice gives two results.
    """
    found = decoded(path, stream_index)
    for index, frame in enumerate(deinterlaced(found) if deinterlace else found):
        yield index, _checked(frame, frames, index)


def decoded(path: Path, stream_index: int = 0) -> Iterator[av.VideoFrame]:
    """Every frame of the stream that decodes, in order of presentation; what does not is passed over."""
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[stream_index])
        stream.thread_type = "AUTO"
        try:
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    continue
        except MemoryError:
            raise  # FFmpeg's is an FFmpegError as well
        except (av.FFmpegError, EOFError):
            return  # the end of a truncated file; a frame that is missing is noticed by the caller


def deinterlaced(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """As many frames at the same times, those that are interlaced made progressive."""
    deinterlacer = Deinterlacer()
    for frame in frames:
        yield from deinterlacer.push(frame)
    yield from deinterlacer.flush()


def _checked(frame: av.VideoFrame, frames: FrameTable, index: int) -> Planes:
    planes = from_av(frame)
    if index >= len(frames) or frames.checksums[index] not in (UNSTEADY, planes.checksum()):
        raise DecodesOtherwise(f"frame {index} does not decode to what it did when the source was scanned")
    return planes
