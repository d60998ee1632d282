"""A media file as the checker sees it: frames as numbers with a meaning, packets as bytes with a time.

It knows PyAV and ITU-T H.273, and nothing of the pipeline.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

FULL_RANGE = 2
"""H.273's VideoFullRangeFlag as libavutil numbers it."""
_BT709 = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Shown:
    """A decoded frame, upright."""

    seconds: Fraction | None
    luma: Plane
    """Black 0, white 1."""
    chroma: tuple[Plane, ...]
    """Colour differences, −½ to ½; none where the frame is grey."""


@dataclass(frozen=True)
class Picture:
    """What the first frame and its stream say about all of them."""

    width_px: int
    height_px: int
    """As stored."""
    turn_degrees: int
    """Counter-clockwise, to be done before it is shown."""
    sar: Fraction
    pixel_format: str
    matrix: int
    range: int
    primaries: int
    transfer: int
    is_rgb: bool
    side_data: dict[str, bytes]

    @property
    def upright_px(self) -> tuple[int, int]:
        size = (self.width_px, self.height_px)
        return size if self.turn_degrees % 180 == 0 else size[::-1]

    @property
    def upright_sar(self) -> Fraction:
        return self.sar if self.turn_degrees % 180 == 0 else 1 / self.sar


@dataclass
class Stream:
    """A stream and all its packets."""

    index: int
    kind: str
    codec: str
    language: str | None
    title: str | None
    dispositions: frozenset[str]
    is_picture: bool
    sound: tuple[int, int] | None
    """(samples a second, channels)."""
    size_px: int = 0
    """Width × height of a video stream."""
    payloads: list[bytes] = field(default_factory=list)
    times: list[Fraction | None] = field(default_factory=list)

    def digest(self) -> str:
        return hashlib.sha256(b"".join(self.payloads)).hexdigest()[:12]


@dataclass
class File:
    """All that is in a file but the frames."""

    container: str
    start_seconds: Fraction
    """The least time of any packet."""
    streams: list[Stream]
    chapters: list[tuple[Fraction, Fraction, str]]
    tags: dict[str, str]
    timecode: str | None

    @property
    def videos(self) -> list[Stream]:
        return [stream for stream in self.streams if stream.kind == "video" and not stream.is_picture]


_DISPOSITIONS = (
    "default",
    "dub",
    "original",
    "comment",
    "lyrics",
    "karaoke",
    "forced",
    "hearing_impaired",
    "visual_impaired",
    "clean_effects",
    "captions",
    "descriptions",
)
_CODEC_NAMES = {"libdav1d": "av1", "libopus": "opus", "libvorbis": "vorbis", "libvpx": "vp8", "libvpx-vp9": "vp9"}


def read_file(path: Path) -> File:
    """Reads every packet."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        streams = [_stream(stream) for stream in container.streams]
        timecodes = [_lowered(stream.metadata).get("timecode") for stream in container.streams]
        try:
            for packet in container.demux():
                if packet.size:
                    stream = streams[packet.stream_index]
                    stream.payloads.append(bytes(packet))
                    stream.times.append(None if packet.pts is None else packet.pts * Fraction(packet.time_base))
        except (av.FFmpegError, EOFError):
            pass  # a damaged file: what can be read is what there is
        return File(
            container=container.format.name,
            start_seconds=min(
                (time for stream in streams for time in stream.times if time is not None), default=Fraction(0)
            ),
            streams=streams,
            chapters=[
                (
                    chapter["start"] * Fraction(chapter["time_base"] or 0),
                    chapter["end"] * Fraction(chapter["time_base"] or 0),
                    chapter["metadata"].get("title", ""),
                )
                for chapter in container.chapters()
            ],
            tags=_lowered(container.metadata),
            timecode=next(filter(None, [*timecodes, _lowered(container.metadata).get("timecode")]), None),
        )


def _stream(stream: Any) -> Stream:
    flags = stream.disposition
    context = stream.codec_context
    name = context.name if context is not None else str(getattr(stream, "name", None) or stream.type)
    is_sound = stream.type == "audio"
    tags = _lowered(stream.metadata)
    language = tags.get("language")
    return Stream(
        index=stream.index,
        kind=stream.type,
        codec=_CODEC_NAMES.get(name, name),
        language=None if language == "und" else language,
        title=tags.get("title") or tags.get("name"),
        dispositions=frozenset(name for name in _DISPOSITIONS if flags & getattr(type(flags), name)),
        is_picture=stream.type == "video" and bool(flags & type(flags).attached_pic),
        sound=(context.sample_rate, context.layout.nb_channels) if is_sound else None,
        size_px=context.width * context.height if stream.type == "video" else 0,
    )


def _lowered(tags: dict[str, str]) -> dict[str, str]:
    """Matroska writes the names of tags in capitals."""
    return {name.lower(): value for name, value in tags.items()}


def read_frames(path: Path, index: int) -> Iterator[av.VideoFrame]:
    """Every frame that decodes, in order, by one thread."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        stream = container.streams[index]
        stream.codec_context.thread_count = 1
        try:
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()  # type: ignore[misc] # of a video stream: frames
                except av.error.InvalidDataError:
                    continue
        except (av.FFmpegError, EOFError):
            return


def read_picture(path: Path, index: int) -> Picture:
    """Raises StopIteration where no frame decodes."""
    frames = read_frames(path, index)
    frame = next(frames)
    frames.close()  # type: ignore[attr-defined] # it is a generator
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        sar = container.streams.video[0].sample_aspect_ratio
        for stream in container.streams.video:
            if stream.index == index:
                sar = stream.sample_aspect_ratio
    side_data: Any = frame.side_data
    return Picture(
        width_px=frame.width,
        height_px=frame.height,
        turn_degrees=round(frame.rotation / 90) * 90 % 360,
        sar=Fraction(sar or 1),
        pixel_format=frame.format.name,
        matrix=int(frame.colorspace),
        range=FULL_RANGE if frame.format.name.startswith("yuvj") else int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        is_rgb=frame.format.is_rgb or frame.format.name == "pal8",
        side_data={data.type.name: bytes(data) for data in side_data},
    )


def shown(frame: av.VideoFrame) -> Shown:
    """Turns samples into what they stand for, and the picture upright."""
    time_base, turns = frame.time_base, round(frame.rotation / 90)
    seconds = None if frame.pts is None or time_base is None else frame.pts * Fraction(time_base)
    if frame.format.is_rgb or frame.format.name == "pal8":
        luma, chroma = _of_rgb(frame)
    else:
        luma, chroma = _of_yuv(frame)
    return Shown(seconds, np.rot90(luma, turns), tuple(np.rot90(plane, turns) for plane in chroma))


def _of_rgb(frame: av.VideoFrame) -> tuple[Plane, tuple[Plane, ...]]:
    deep = frame.format.components[0].bits > 8
    name, top = ("rgb48le", 65535.0) if deep else ("rgb24", 255.0)
    rgb = frame.reformat(format=name).to_ndarray().astype(np.float32) / top
    luma = rgb @ np.array(_BT709, np.float32)
    red, _, blue = np.moveaxis(rgb, 2, 0)
    return luma, ((blue - luma) / np.float32(1.8556), (red - luma) / np.float32(1.5748))


_UNPACKED = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "y210le": "yuv422p10le",
    "monoblack": "gray",
    "monowhite": "gray",
    "ya8": "gray",
}


def _of_yuv(frame: av.VideoFrame) -> tuple[Plane, tuple[Plane, ...]]:
    is_full = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith(("yuvj", "mono"))
    if frame.format.name in _UNPACKED:
        frame = frame.reformat(format=_UNPACKED[frame.format.name])
    bits = frame.format.components[0].bits
    unit = float(1 << (bits - 8))
    black, span, chroma_span = (0.0, 2**bits - 1.0, 2**bits - 1.0) if is_full else (16 * unit, 219 * unit, 224 * unit)
    planes = [_samples(plane, deep=bits > 8) for plane in frame.planes]
    luma = (planes[0] - black) / span
    is_grey = frame.format.name.startswith("gray")
    return luma, () if is_grey else tuple((plane - 128 * unit) / chroma_span for plane in planes[1:3])


def _samples(plane: Any, *, deep: bool) -> Plane:
    dtype: Any = np.uint16 if deep else np.uint8
    rows = np.frombuffer(plane, dtype=dtype).reshape(-1, plane.line_size // dtype().itemsize)
    return rows[: plane.height, : plane.width].astype(np.float32)
