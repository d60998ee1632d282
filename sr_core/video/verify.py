"""The last gate: the finished file is read back and held against the plan and against what was written into it."""

import math
from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sr_core.errors import InputError, IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.types import Plan
from sr_core.video.aspect import ENCODERS_WITHOUT_ASPECT
from sr_core.video.join import Joined
from sr_core.video.labels import Labels, content_tags
from sr_core.video.open import open_source
from sr_core.video.streams import Track, codec_name, is_picture, is_timecode

MATROSKA_TOLERANCE_SECONDS = Fraction(1, 2000)
"""Matroska rounds times to milliseconds."""
_SOUND_TOLERANCE_SECONDS = Fraction(1, 1000)


def verify(
    path: Path,
    plan: Plan,
    frames: FrameTable,
    joined: Joined,
    *,
    container: str,
    on_packet: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Checks the streams, the picture's size and tags, the number of frames and each one's time, and all payloads.

    `on_packet` is called for every packet; what it raises ends the reading. Returns warnings: which labels and tags
    the container had no place for. Raises IntegrityError with the first thing that does not hold, and InputError
    where that is a start before zero, which not every container can say.
    """
    tolerance = MATROSKA_TOLERANCE_SECONDS if container in ("matroska", "webm") else Fraction(0)
    with open_source(path) as result:
        streams = _pair(list(result.streams), joined)
        video = streams[joined.video_index]
        _check_picture(video, plan, container)
        found = {stream.index: Track(kind=stream.type, codec=codec_name(stream)) for stream in streams}
        pts = array("q")
        for packet in result.demux(streams):
            on_packet()
            if not packet.size:
                continue
            found[packet.stream_index].add(packet)
            if packet.stream_index == video.index:
                if packet.pts is None or packet.is_discard:
                    raise IntegrityError(f"frame {len(pts)} of the result, in decoding order, would not be shown")
                pts.append(packet.pts)
        np.asarray(pts).sort()  # in place, with no object for each frame
        _check_times(pts, video.time_base, plan, frames, tolerance)
        for stream, written in zip(streams, joined.tracks, strict=True):
            _check_track(stream.index, found[stream.index], written, tolerance)
        lost = _lost_labels(streams, joined, container)
        return *lost, *_lost_tags(
            [result.metadata, *(stream.metadata for stream in result.streams)], joined.tags, container
        )


def _lost_labels(streams: list[Any], joined: Joined, container: str) -> list[str]:
    return [
        f"stream {stream.index}: {', '.join(lost)} left out: {container} has no place for it"
        for stream, track in zip(streams, joined.tracks, strict=True)
        if track.labels is not None and (lost := track.labels.lost_in(Labels.of(stream)))
    ]


def _lost_tags(found: Sequence[dict[str, str]], written: dict[str, str], container: str) -> tuple[str, ...]:
    there = {name.lower() for names in found for name in names}
    lost = [name for name in content_tags(written) if name.lower() not in there]
    return (f"tags are left out ({', '.join(lost)}): {container} has no place for them",) if lost else ()


def _pair(streams: list[Any], joined: Joined) -> list[Any]:
    """The result's streams in the order of what was written: pictures may have moved, a chapter track been added.

    Raises IntegrityError when there are others, or fewer.
    """
    streams = [stream for stream in streams if not is_timecode(stream)]
    if joined.has_chapters:
        data = [stream for stream in streams if stream.type == "data"]
        if len(data) == 1 + sum(track.kind == "data" for track in joined.tracks):
            streams.remove(data[-1])
    pictures = iter([stream for stream in streams if is_picture(stream)])
    others = iter([stream for stream in streams if not is_picture(stream)])
    paired = [next(pictures if track.is_picture else others, None) for track in joined.tracks]
    kinds = [(stream.type, _spoken(codec_name(stream))) for stream in paired if stream is not None]
    wanted = [(track.kind, _spoken(track.codec)) for track in joined.tracks]
    if kinds != wanted or len(streams) != len(wanted):
        names = [f"{stream.type} {codec_name(stream)}" for stream in streams]
        raise IntegrityError(f"the result holds {', '.join(names)} instead of {', '.join(map(' '.join, wanted))}")
    return paired


def _spoken(codec: str) -> str:
    """The layers of MPEG audio have one number between them in MP4, plain text and SubRip one name in Matroska."""
    if codec in ("text", "subrip", "srt"):
        return "text"
    return "MPEG audio" if codec.removesuffix("float") in ("mp1", "mp2", "mp3") else codec


def _check_picture(stream: Any, plan: Plan, container: str) -> None:
    size = (stream.codec_context.width, stream.codec_context.height)
    if size != (plan.width_px, plan.height_px):
        raise IntegrityError(f"the result is {size[0]}×{size[1]} instead of {plan.width_px}×{plan.height_px}")
    found = stream.codec_context.pix_fmt.replace("yuvj", "yuv")
    if plan.delivery.codec == "prores_ks":
        found = found.replace("444p12", "444p10")  # the decoder always gives 12 bits of this profile
    if found != plan.delivery.pixel_format:
        raise IntegrityError(f"the result is {found} instead of {plan.delivery.pixel_format}")
    sar = stream.sample_aspect_ratio or Fraction(1)
    if not _is_same_aspect(sar, plan, container):
        raise IntegrityError(f"the result's sample aspect ratio is {sar} instead of {plan.video.upright_sar}")


def _is_same_aspect(sar: Fraction, plan: Plan, container: str) -> bool:
    wanted = plan.video.upright_sar
    if container in ("matroska", "webm") and plan.delivery.codec in ENCODERS_WITHOUT_ASPECT:
        return abs(sar - wanted) * plan.width_px <= 1  # Matroska states the width to be shown, in whole pixels
    return sar == wanted


def _check_times(pts: "array[int]", time_base: Fraction, plan: Plan, frames: FrameTable, tolerance: Fraction) -> None:
    """Holds times, sorted and in units of `time_base`, against the record: as whole numbers of a common unit."""
    if len(pts) != len(frames):
        raise IntegrityError(f"the result holds {len(pts)} frames instead of {len(frames)}")
    start = plan.video.clock_start_seconds
    per_second = math.lcm(*(value.denominator for value in (time_base, frames.time_base, start, tolerance)))
    unit, frames_unit, offset, most = (
        int(value * per_second) for value in (time_base, frames.time_base, start, tolerance)
    )
    for index, (found, promised) in enumerate(zip(pts, frames.pts, strict=True)):
        if abs(found * unit - (promised * frames_unit - offset)) > most:
            wanted = frames.seconds(index) - start
            raise IntegrityError(
                f"frame {index} of the result is shown at {float(found * time_base)} s instead of {float(wanted)} s"
            )


def _check_track(index: int, found: Track, written: Track, tolerance: Fraction) -> None:
    if found.packet_count != written.packet_count:
        raise IntegrityError(
            f"stream {index} of the result holds {found.packet_count} packets, not {written.packet_count}"
        )
    if found.hasher.digest() != written.hasher.digest() and not _may_be_rewritten(written):
        raise IntegrityError(f"the payload of stream {index} ({written.codec}) changed on its way into the result")
    if found.first_seconds is None or written.first_seconds is None:
        return
    if abs(found.first_seconds - written.first_seconds) > tolerance + _SOUND_TOLERANCE_SECONDS:
        if written.first_seconds < 0:
            raise InputError(
                f"stream {index} starts {float(-written.first_seconds):.3f} s before the video's clock does, and the "
                "output's container cannot say that; choose another one, or a copy of the source made by another tool"
            )
        raise IntegrityError(f"stream {index} of the result starts at {float(found.first_seconds)} s")


def _may_be_rewritten(track: Track) -> bool:
    """Muxers change the framing of these when they come from a transport stream; their packet count still holds."""
    return track.codec in ("aac", "h264", "hevc") and track.kind != "video"
