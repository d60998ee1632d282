"""The decoding pass: the true time and checksum of every frame that is shown, and an index of the packets.

Headers lie about counts and times, so what the decoder gives is what counts. Memory grows by about 30 bytes a frame.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from sr_core.errors import InputError
from sr_core.timestamps import FrameTable
from sr_core.types import VideoInfo
from sr_core.video.frames import from_av
from sr_core.video.open import open_source

NO_TIME = -(1 << 63)
"""Stands for a packet without presentation time."""


@dataclass(slots=True)
class PacketIndex:
    """The video stream's packets in the order of the file, which is the order of decoding."""

    pts: "array[int]" = field(default_factory=lambda: array("q"))
    is_key: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Scan:
    """What the decoding pass found."""

    frames: FrameTable
    packets: PacketIndex
    times_are_exact: bool
    """Every frame had a time of its own, and they were increasing; otherwise some were made from the rate."""
    warnings: tuple[str, ...]


def scan(path: Path, info: VideoInfo, *, on_frame: Callable[[int], None] | None = None) -> Scan:
    """Decodes the whole video stream once. `on_frame` is called with the number of frames so far.

    What does not decode is passed over and counted in the warnings. A missing or backward time is replaced by the
    previous one plus a frame's duration at the average rate.

    Raises InputError: no frame decodes, or the picture changes its size or pixel format on the way.
    """
    frames = FrameTable(time_base=info.time_base)
    packets = PacketIndex()
    nominal = max(1, round(1 / info.rate / info.time_base))
    frames.last_duration = nominal
    undecodable = corrupt = made_times = 0
    truncated = False
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[info.stream_index])
        stream.thread_type = "AUTO"
        demuxer = container.demux(stream)
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                break
            except (av.FFmpegError, EOFError):
                truncated = True
                break
            if packet.size:
                packets.pts.append(NO_TIME if packet.pts is None else packet.pts)
                packets.is_key.append(packet.is_keyframe)
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                undecodable += 1
                continue
            for frame in decoded:
                _check_shape(path, info, frame, len(frames))
                pts = frame.pts
                if pts is None or (frames.pts and pts <= frames.pts[-1]):
                    pts = frames.pts[-1] + nominal if frames.pts else 0
                    made_times += 1
                frames.append(pts, from_av(frame).checksum())
                frames.last_duration = frame.duration or nominal
                corrupt += frame.is_corrupt
                if on_frame is not None:
                    on_frame(len(frames))
    if not len(frames):
        raise InputError(f"{path}: no frame decodes; the file is damaged or empty")
    warnings = []
    if truncated:
        warnings.append(f"the file ends early; {len(frames)} frames decode")
    if undecodable or corrupt:
        warnings.append(f"damaged source: {undecodable} packets do not decode, {corrupt} frames decode with errors")
    if made_times:
        warnings.append(f"{made_times} frames had no time of their own; theirs were made from the rate")
    return Scan(frames, packets, times_are_exact=not made_times, warnings=tuple(warnings))


def _check_shape(path: Path, info: VideoInfo, frame: av.VideoFrame, index: int) -> None:
    if (frame.width, frame.height, frame.format.name) != (info.width_px, info.height_px, info.pixel_format):
        raise InputError(
            f"{path}: the picture changes from {info.width_px}×{info.height_px} {info.pixel_format} to "
            f"{frame.width}×{frame.height} {frame.format.name} at frame {index}; split the file there"
        )
