"""The decoding pass: the true time and checksum of every frame that is shown, and an index of the packets.

Headers lie about counts and times, so what the decoder gives is what counts. Memory grows by about 30 bytes a frame.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from sr_core.errors import InputError
from sr_core.timestamps import FrameTable
from sr_core.types import VideoInfo
from sr_core.video.damage import UnsteadyFrames
from sr_core.video.frames import TRANSPARENCY_IS_LOST, from_av, is_transparent
from sr_core.video.interlace import Deinterlacer, PulldownDetector, has_soft_pulldown
from sr_core.video.open import open_source

NO_TIME = -(1 << 63)
"""Stands for a packet without presentation time."""

_WITH_DURATION = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv")
"""Containers that declare how long they are; for others the demuxer guesses."""
_MISSING_SECONDS = Fraction(1, 2)
"""By so much a file may be shorter than it says."""


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
    """What one should know about the frames."""
    damage: tuple[str, ...] = ()
    """Those of the warnings that speak of damage."""
    interlaced_count: int = 0
    """Frames that the decoder marks as made of two fields."""
    is_deinterlaced: bool = False
    """Whether the record is of deinterlaced frames: the source's packets alone do not decode to them."""


def scan(
    path: Path, info: VideoInfo, *, deinterlace: bool = False, on_frame: Callable[[int], None] | None = None
) -> Scan:
    """Decodes the whole video stream once. `on_frame` is called with the number of frames so far.

    What does not decode is passed over and counted in the warnings. A missing or backward time is replaced by the
    previous one plus a frame's duration at the average rate.

    Raises InputError: no frame decodes, or the picture changes its size or pixel format on the way.
    """
    scanner = _Scanner(path, info, Deinterlacer() if deinterlace else None, on_frame or (lambda _count: None))
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[info.stream_index])
        stream.thread_type = "AUTO"
        scanner.run(container)
    return scanner.result()


class _Scanner:
    """The pass, and what it has counted so far."""

    def __init__(
        self, path: Path, info: VideoInfo, deinterlacer: Deinterlacer | None, on_frame: Callable[[int], None]
    ) -> None:
        self._path, self._info, self._deinterlacer, self._on_frame = path, info, deinterlacer, on_frame
        self._frames = FrameTable(time_base=info.time_base)
        self._packets = PacketIndex()
        self._nominal = max(1, round(1 / info.rate / info.time_base))
        self._frames.last_duration = self._nominal
        self._pulldown = PulldownDetector()
        self._may_be_telecined = 29 < info.rate < 31
        self._decoded = self._undecodable = self._corrupt = self._interlaced = self._made_times = 0
        self._is_truncated = False
        self._unsteady = UnsteadyFrames()
        self._end_seconds = Fraction(0)
        """Of all streams."""
        self._is_transparent = TRANSPARENCY_IS_LOST in info.warnings

    def run(self, container: InputContainer) -> None:
        packets = container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except MemoryError:
                raise  # FFmpeg's is an FFmpegError as well
            except (av.FFmpegError, EOFError):
                self._is_truncated = True
                break
            self._end_seconds = max(self._end_seconds, _end_seconds(packet))
            if packet.stream.index != self._info.stream_index:  # `stream_index` is not that of flushing packets
                continue
            if packet.size:
                self._packets.pts.append(NO_TIME if packet.pts is None else packet.pts)
                self._packets.is_key.append(packet.is_keyframe)
                self._unsteady.packet(packet.pts, is_key=packet.is_keyframe)
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                self._undecodable += 1
                self._unsteady.error()
                continue
            for frame in decoded:
                self._take(cast(av.VideoFrame, frame))
        if self._deinterlacer is not None:
            for frame in self._deinterlacer.flush():
                self._record(frame)
        if container.format.name in _WITH_DURATION and container.duration is not None:
            start = Fraction(container.start_time or 0, av.time_base)
            declared = Fraction(container.duration, av.time_base)
            self._is_truncated |= declared - (self._end_seconds - start) > _MISSING_SECONDS

    def _take(self, frame: av.VideoFrame) -> None:
        """A frame as it was decoded."""
        check_shape(self._path, self._info, frame, self._decoded)
        self._decoded += 1
        if frame.is_corrupt:
            self._corrupt += 1
            self._unsteady.error(frame.pts)
        self._interlaced += frame.interlaced_frame
        self._is_transparent = self._is_transparent or is_transparent(frame)
        if self._may_be_telecined:
            planes = from_av(frame)
            self._pulldown.add(planes.planes[0], bit_depth=planes.format.bit_depth)
        if self._deinterlacer is None:
            self._record(frame)
        else:
            for done in self._deinterlacer.push(frame):
                self._record(done)

    def _record(self, frame: av.VideoFrame) -> None:
        """A frame as it will be upscaled."""
        frames = self._frames
        pts, duration = _in_units(frame, frames.time_base)
        if pts is None or (frames.pts and pts <= frames.pts[-1]):
            pts = frames.pts[-1] + self._nominal if frames.pts else 0
            self._made_times += 1
        frames.append(pts, from_av(frame).checksum())
        frames.last_duration = duration or self._nominal
        self._on_frame(len(frames))

    def result(self) -> Scan:
        """Raises InputError when no frame was decoded."""
        count = len(self._frames)
        if not count:
            raise InputError(f"{self._path}: no frame decodes; the file is damaged or empty")
        self._unsteady.mark(self._frames, times_are_exact=not self._made_times)
        damage = []
        if self._is_truncated:
            damage.append(f"the file ends early; {count} frames decode")
        if self._undecodable or self._corrupt:
            damage.append(
                f"damaged source: {self._undecodable} packets do not decode, {self._corrupt} frames decode with errors"
            )
        warnings = [*damage]
        if self._made_times:
            warnings.append(f"{self._made_times} frames had no time of their own; theirs were made from the rate")
        if self._is_transparent and TRANSPARENCY_IS_LOST not in self._info.warnings:
            warnings.append(TRANSPARENCY_IS_LOST)
        if self._deinterlacer is not None and self._interlaced:
            warnings.append(f"{self._interlaced} of {count} frames are interlaced; they are deinterlaced (bwdif)")
        if self._pulldown.is_pulldown:
            warnings.append(
                "the video is telecined film (3:2 pulldown): two frames in five are made of two film frames' fields; "
                "undo it first for the film's own frames, for example with ffmpeg's fieldmatch and decimate"
            )
        if has_soft_pulldown(self._frames):
            warnings.append("the video is film with repeated fields (soft telecine); each frame keeps its own time")
        return Scan(
            self._frames,
            self._packets,
            times_are_exact=not self._made_times,
            warnings=tuple(warnings),
            damage=tuple(damage),
            interlaced_count=self._interlaced,
            is_deinterlaced=self._deinterlacer is not None,
        )


def _end_seconds(packet: Any) -> Fraction:
    time = packet.pts if packet.pts is not None else packet.dts
    return Fraction(0) if time is None or not packet.size else (time + (packet.duration or 0)) * packet.time_base


def _in_units(frame: av.VideoFrame, time_base: Fraction) -> tuple[int | None, int]:
    """The frame's time and duration in units of `time_base`: filters count in finer ones."""
    if frame.time_base is None or frame.time_base == time_base:
        return frame.pts, frame.duration
    ratio = frame.time_base / time_base
    return None if frame.pts is None else round(frame.pts * ratio), round(frame.duration * ratio)


def check_shape(path: Path, info: VideoInfo, frame: av.VideoFrame, index: int) -> None:
    """Raises InputError where the picture is not of the size and pixel format that it was."""
    if (frame.width, frame.height, frame.format.name) != (info.width_px, info.height_px, info.pixel_format):
        raise InputError(
            f"{path}: the picture changes from {info.width_px}×{info.height_px} {info.pixel_format} to "
            f"{frame.width}×{frame.height} {frame.format.name} at frame {index}; split the file there"
        )
