"""What is in a file: reads headers and packets, and decodes one frame. Nothing is decided about a job here.

Where a file does not say what its colours mean, the usual rule is applied once, here, and noted in `ColorInfo.assumed`:
BT.601 up to 576 lines and 1024 columns, BT.709 above; limited range; chroma to the left.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from sr_core.errors import InputError
from sr_core.types import ColorInfo, StreamInfo, VideoInfo
from sr_core.video.formats import Chroma, target_of
from sr_core.video.frames import TRANSPARENCY_IS_LOST, is_transparent
from sr_core.video.light import dynamic_kinds, light_level, mastering_display
from sr_core.video.open import check_decoder, open_source

_Matrix = Literal["bt601", "bt709", "bt2020nc", "smpte240m", "fcc", "rgb"]
_MATRICES: dict[int, _Matrix] = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020nc",
}
"""H.273 matrix coefficients. YCgCo, constant-luminance BT.2020 and ICtCp are not among them: they are refused."""
_UNSPECIFIED = 2
_FULL_RANGE = 2
"""libavutil's AVCOL_RANGE_JPEG."""
_CENTERED_CHROMA_CODECS = ("mpeg1video", "mjpeg", "theora")
_FIELD_ORDERS: dict[int, Literal["progressive", "top-first", "bottom-first", "unknown"]] = {
    1: "progressive",
    2: "top-first",
    3: "bottom-first",
    4: "top-first",
    5: "bottom-first",
}
_LIVE_CLOCK_CONTAINERS = ("mpeg", "mpegts")
"""Containers whose clock starts anywhere; their times are counted from the first packet."""
_OR_TOO_LARGE = "or larger than the limits (docs/limits.md)"
_DISPOSITIONS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "timed_thumbnails", "captions", "descriptions", "metadata",
)  # fmt: skip


def probe(path: Path) -> VideoInfo:
    """Describes the file and the video stream that would be upscaled: the default one, then the largest.

    Reads every packet of that stream once, without decoding, to count frames and see whether the rate varies.

    Raises InputError: not a media file, no video stream, nothing decodes, unsupported pixel format or colour matrix.
    """
    with open_source(path) as container:
        stream = choose_video(container, path)
        check_decoder(path, stream)
        frame = _first_frame(container, stream, path)
        with open_source(path) as again:
            packets = _packets(again, again.streams[stream.index])
        return _describe(path, stream, frame, packets)


def choose_video(container: InputContainer, path: Path) -> VideoStream:
    """The stream to upscale: never cover art; the default one first, then the one with the most pixels.

    Raises InputError when there is none.
    """
    candidates = [
        stream
        for stream in container.streams.video
        if not stream.disposition & type(stream.disposition).attached_pic
        and cast(Any, stream).codec_context is not None  # FFmpeg knows no decoder for it
    ]
    if not candidates:
        raise InputError(f"{path} has no video stream that can be decoded; give a file with moving pictures")

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        is_default = bool(stream.disposition & type(stream.disposition).default)
        return (not is_default, -stream.codec_context.width * stream.codec_context.height, stream.index)

    return min(candidates, key=rank)


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> av.VideoFrame:
    """Decodes until a frame comes out; packets that do not decode are passed over."""
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.InvalidDataError:
                continue
    except MemoryError:
        raise  # FFmpeg's is an FFmpegError as well
    except (av.FFmpegError, EOFError) as error:
        raise InputError(
            f"{path}: the video stream cannot be read ({error}); the file is damaged, {_OR_TOO_LARGE}"
        ) from error
    raise InputError(
        f"{path}: no frame of the {stream.codec_context.name} stream decodes; "
        f"the file is damaged, empty, {_OR_TOO_LARGE}"
    )


@dataclass(frozen=True, slots=True)
class _Packets:
    """The packets that are shown."""

    count: int
    times: list[int]
    """Those that are stated, sorted."""
    last_duration: int


def _packets(container: InputContainer, stream: Any) -> _Packets:
    times: list[int] = []
    count = last_duration = 0
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                count += 1
                time = packet.pts if packet.pts is not None else packet.dts
                if time is not None:
                    times.append(time)
                last_duration = packet.duration or last_duration
    except MemoryError:
        raise  # FFmpeg's is an FFmpegError as well
    except (av.FFmpegError, EOFError):
        pass  # a truncated file: what was counted so far is what there is
    return _Packets(count, sorted(times), last_duration)


def _describe(path: Path, stream: VideoStream, frame: av.VideoFrame, packets: _Packets) -> VideoInfo:
    target = target_of(frame.format.name)
    if target is None:
        raise InputError(f"{path}: pixel format {frame.format.name} is not supported; convert the file first")
    time_base = stream.time_base or Fraction(1, 1000)
    times = packets.times
    rate = _rate(stream, times, time_base)
    steps = {later - earlier for earlier, later in pairwise(times)}
    span = times[-1] - times[0] + (packets.last_duration or round(1 / rate / time_base)) if times else 0
    container = cast(InputContainer, stream.container)
    warnings = [] if target.lossy_note is None else [target.lossy_note]
    if is_transparent(frame) or stream.metadata.get("alpha_mode") == "1":
        warnings.append(TRANSPARENCY_IS_LOST)
    warnings += [f"dynamic metadata of {kind} is not kept; the static part of HDR is" for kind in dynamic_kinds(frame)]
    return VideoInfo(
        container=container.format.name,
        stream_index=stream.index,
        codec=stream.codec_context.name,
        width_px=frame.width,
        height_px=frame.height,
        sar=stream.sample_aspect_ratio or Fraction(1),
        rotation_degrees=_rotation(frame),
        pixel_format=frame.format.name,
        bit_depth=target.format.bit_depth,
        chroma=target.format.chroma,
        rate=rate,
        time_base=time_base,
        clock_start_seconds=_clock_start(container, times, time_base),
        frame_count=packets.count,
        variable_rate=bool(steps) and max(steps) - min(steps) > 1,
        duration_seconds=float(span * time_base if times else packets.count / rate),
        field_order=_field_order(stream, frame),
        color=_color(path, stream, frame, chroma=target.format.chroma, full_range=target.full_range),
        mastering_display=mastering_display(frame),
        light_level=light_level(frame),
        streams=tuple(_stream_info(other, upscaled=other.index == stream.index) for other in container.streams),
        warnings=tuple(warnings),
    )


def _clock_start(container: InputContainer, times: list[int], time_base: Fraction) -> Fraction:
    """Where the source's clock shall be held to begin: what is shown before zero would be hidden in other containers.

    In whole units of the time base, so that times stay exact when it is subtracted.
    """
    if container.format.name in _LIVE_CLOCK_CONTAINERS:
        return round(Fraction(container.start_time or 0, av.time_base) / time_base) * time_base
    return min(0, times[0] if times else 0) * time_base


def _rate(stream: VideoStream, times: list[int], time_base: Fraction) -> Fraction:
    """The stated rate that comes closest to that of the packets: some containers state their clock's rate instead."""
    stated = [Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]
    span = (times[-1] - times[0]) * time_base if times else Fraction(0)
    if not span:
        return stated[0] if stated else Fraction(25)
    measured = (len(times) - 1) / span
    fitting = [rate for rate in stated if Fraction(1, 2) < rate / measured < 2]
    return fitting[0] if fitting else measured.limit_denominator(1001)


def _rotation(frame: av.VideoFrame) -> Literal[0, 90, 180, 270]:
    """Clockwise turn to the nearest right angle. The display matrix gives the angle counter-clockwise."""
    return cast(Literal[0, 90, 180, 270], round(-frame.rotation / 90) * 90 % 360)


def _field_order(
    stream: VideoStream, frame: av.VideoFrame
) -> Literal["progressive", "top-first", "bottom-first", "unknown"]:
    order = _FIELD_ORDERS.get(int(stream.codec_context.field_order), "unknown")
    if order in ("progressive", "unknown"):
        return "unknown" if frame.interlaced_frame else "progressive"
    return order


def _color(path: Path, stream: VideoStream, frame: av.VideoFrame, *, chroma: Chroma, full_range: bool) -> ColorInfo:
    assumed: list[str] = []
    code = int(frame.colorspace)
    if chroma == "rgb":
        matrix: _Matrix = "rgb"
    elif code == _UNSPECIFIED or code == 0:
        matrix = "bt601" if frame.height <= 576 and frame.width <= 1024 else "bt709"
        assumed.append("matrix")
    elif code in _MATRICES:
        matrix = _MATRICES[code]
    else:
        raise InputError(f"{path}: colour matrix {code} (H.273) is not supported; convert the file to BT.709 first")
    if not full_range and int(frame.color_range) == 0:
        assumed.append("range")
    if chroma == "420":
        assumed.append("siting")
    return ColorInfo(
        matrix=matrix,
        range="full" if full_range or int(frame.color_range) == _FULL_RANGE else "limited",
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        siting="center" if stream.codec_context.name in _CENTERED_CHROMA_CODECS else "left",
        assumed=tuple(assumed),
    )


def _stream_info(stream: Any, *, upscaled: bool) -> StreamInfo:
    flags = stream.disposition
    dispositions = tuple(name for name in _DISPOSITIONS if flags & getattr(type(flags), name))
    note = None
    if upscaled:
        note = "upscaled"
    elif stream.type == "video":
        note = "carried as it is (cover art)" if "attached_pic" in dispositions else "carried as it is, not upscaled"
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    language = stream.metadata.get("language")
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec,
        language=None if language == "und" else language,
        title=stream.metadata.get("title") or stream.metadata.get("name"),
        dispositions=dispositions,
        note=note,
    )
