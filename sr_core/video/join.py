"""Joining segments into the result: video packets copied with times from the record, everything else from the source.

Presentation times are the record's. Decode times are made anew: the sorted presentation times, delayed by the largest
reordering found in any segment; independent segments of a variable frame rate would overlap otherwise.

Audio, subtitles, chapters, attachments, other video streams and metadata are the source's own packets and tags. What
the container cannot hold is converted (see `convert`), or else left out: both with a warning.
"""

import hashlib
import io
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from sr_core.errors import HostCapacity, InputError, IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.types import Plan, Segment
from sr_core.video.convert import convert_stream
from sr_core.video.open import open_source

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Muxers by the output's suffix."""
_OWN_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "handler_name", "vendor_id")
"""Tags that describe the source file itself, not its content; mkvmerge's statistics begin with an underscore."""
_STATISTICS = ("bps", "number_of_frames", "number_of_bytes", "duration")


@dataclass(slots=True)
class Track:
    """A stream of the result, as it was written; `verify` holds the file against it."""

    kind: str
    codec: str
    packet_count: int = 0
    first_seconds: Fraction | None = None
    """Presentation time of the first packet."""
    hasher: Any = field(default_factory=hashlib.sha256)
    """sha256 over the payloads of all packets, in order."""

    def add(self, packet: Any) -> None:
        if self.first_seconds is None and packet.pts is not None:
            self.first_seconds = packet.pts * Fraction(packet.time_base)
        self.packet_count += 1
        self.hasher.update(packet)


@dataclass(frozen=True, slots=True)
class Joined:
    """What was written."""

    tracks: tuple[Track, ...]
    """In the order of the streams of the file."""
    video_index: int
    """Which of them is the upscaled video."""
    warnings: tuple[str, ...]


def container_for(output: str) -> str:
    """The muxer for an output path or address. Raises InputError for a suffix that is not supported."""
    suffix = Path(output).suffix.lower()
    if suffix not in CONTAINERS:
        raise InputError(f"{output}: no container for the suffix {suffix!r}; use {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def join(
    segments: Sequence[tuple[Segment, Path]],
    source: Path,
    plan: Plan,
    frames: FrameTable,
    *,
    container: str,
    output: Path,
) -> Joined:
    """Writes the result to `output`.

    Args:
        segments: every segment of the plan with its file, in order.
        source: the source file.
        container: a muxer of `CONTAINERS`.
        output: a file that does not exist yet, in a folder with room for the result.

    Raises:
        IntegrityError: a segment does not hold as many packets as frames were promised.
        HostCapacity: the disk is full.
    """
    options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    if container in ("mp4", "mov"):
        options["movflags"] = "+faststart"
    ranks = [_decode_order(segment, path) for segment, path in segments]
    with ExitStack() as stack:
        original = stack.enter_context(open_source(source))
        out = av.open(str(output), "w", format=container, container_options=options)
        stack.callback(out.close)
        try:
            template = stack.enter_context(open_source(segments[0][1])).streams.video[0]
            mapping = _Mapping(out, original, plan, container, source, output.parent, stack)
            mapping.add_streams(template)
            out.metadata.update(_content_tags(original.metadata))
            if original.chapters():
                out.set_chapters(original.chapters())
            for index, packet in _merge(_video_packets(segments, ranks, plan, frames), mapping):
                stream, track = mapping.outputs[index]
                packet.stream = stream
                track.add(packet)
                out.mux_one(packet)
            out.close()
        except OSError as error:
            if error.errno in (28, 122):  # ENOSPC, EDQUOT
                raise HostCapacity(f"no space left for {output}; free some or set another work folder") from error
            raise
    return Joined(
        tracks=tuple(track for _, track in mapping.outputs.values()),
        video_index=list(mapping.outputs).index(plan.video.stream_index),
        warnings=tuple(mapping.warnings),
    )


class _Mapping:
    """Which stream of the source becomes which stream of the result, and the packets of all but the upscaled one."""

    def __init__(
        self, out: Any, original: Any, plan: Plan, container: str, source: Path, folder: Path, stack: ExitStack
    ) -> None:
        self.outputs: dict[int, tuple[Any, Track]] = {}
        self.warnings: list[str] = []
        self._converted: dict[int, Any] = {}
        self._out, self._original, self._plan, self._container = out, original, plan, container
        self._source, self._folder, self._stack = source, folder, stack

    def add_streams(self, template: Any) -> None:
        for stream in self._original.streams:
            if stream.index == self._plan.video.stream_index:
                made = self._out.add_stream_from_template(template, opaque=True)
                made.time_base = self._plan.video.time_base
                if made.codec_context.name == "hevc" and self._container in ("mp4", "mov"):
                    made.codec_context.codec_tag = "hvc1"  # Apple's players refuse the default, hev1
            else:
                made = self._copy(stream) or self._convert(stream)
            if made is None:
                self.warnings.append(
                    f"stream {stream.index} ({_name(stream)}) is left out: {self._container} cannot hold it"
                )
                continue
            made.disposition = stream.disposition
            made.metadata.update(_content_tags(stream.metadata))
            self.outputs[stream.index] = made, Track(kind=made.type, codec=_name(made))

    def _copy(self, stream: Any) -> Any:
        return self._out.add_stream_from_template(stream, opaque=True) if _can_hold(self._container, stream) else None

    def _convert(self, stream: Any) -> Any:
        path = convert_stream(self._source, stream.index, stream.type, container=self._container, folder=self._folder)
        if path is None:
            return None
        self._stack.callback(path.unlink)
        converted = self._stack.enter_context(open_source(path)).streams[0]
        self._converted[stream.index] = converted
        self.warnings.append(
            f"stream {stream.index} is converted from {_name(stream)} to {_name(converted)}: "
            f"{self._container} cannot hold it"
        )
        return self._out.add_stream_from_template(converted, opaque=True)

    def packets(self) -> list[Iterator[tuple[int, Any]]]:
        """One iterator of (source stream index, packet) for the source and one for each converted stream."""
        copied = [
            stream
            for stream in self._original.streams
            if stream.index in self.outputs
            and stream.index not in self._converted
            and stream.index != self._plan.video.stream_index
            and stream.type != "attachment"
        ]
        iterators = [self._packets(stream.container, [stream], index) for index, stream in self._converted.items()]
        return [*iterators, self._packets(self._original, copied, None)] if copied else iterators

    def _packets(self, container: Any, streams: list[Any], index: int | None) -> Iterator[tuple[int, Any]]:
        offset = self._plan.video.clock_start_seconds
        try:
            for packet in container.demux(streams):
                if not packet.size:
                    continue
                shift = round(offset / packet.time_base)
                if shift:
                    packet.pts = None if packet.pts is None else packet.pts - shift
                    packet.dts = None if packet.dts is None else packet.dts - shift
                yield packet.stream_index if index is None else index, packet
        except (av.FFmpegError, EOFError):
            return  # the rest of a truncated file


def _merge(video: Iterator[tuple[int, Any]], mapping: _Mapping) -> Iterator[tuple[int, Any]]:
    """All packets, in the order of their decode times across iterators, so that the muxer buffers little."""
    heads = [head for head in (_Head(packets) for packets in [video, *mapping.packets()]) if head.advance()]
    while heads:
        head = min(heads, key=lambda candidate: candidate.seconds)
        assert head.item is not None, "a head without a packet is dropped"
        yield head.item
        if not head.advance():
            heads.remove(head)


class _Head:
    """The next packet of an iterator, and when it is decoded."""

    def __init__(self, packets: Iterator[tuple[int, Any]]) -> None:
        self._packets = packets
        self.item: tuple[int, Any] | None = None
        self.seconds = 0.0

    def advance(self) -> bool:
        self.item = next(self._packets, None)
        if self.item is not None:
            packet = self.item[1]
            time = packet.dts if packet.dts is not None else packet.pts
            if time is not None:
                self.seconds = float(time * packet.time_base)
        return self.item is not None


def _decode_order(segment: Segment, path: Path) -> "array[int]":
    """For each packet of a segment, in order of decoding, the position at which its frame is shown."""
    with open_source(path) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size and packet.pts is not None]
    if len(times) != segment.frame_count or len(set(times)) != len(times):
        raise IntegrityError(f"segment {segment.index} holds {len(times)} frames instead of {segment.frame_count}")
    position = {time: rank for rank, time in enumerate(sorted(times))}
    return array("l", (position[time] for time in times))


def _video_packets(
    segments: Sequence[tuple[Segment, Path]], ranks: Sequence["array[int]"], plan: Plan, frames: FrameTable
) -> Iterator[tuple[int, Any]]:
    depth = max(decoded - shown for order in ranks for decoded, shown in enumerate(order))
    shift = round(plan.video.clock_start_seconds / frames.time_base)
    step = min(frames.duration(index) for index in range(min(len(frames), depth + 1)))
    number = 0
    for (segment, path), order in zip(segments, ranks, strict=True):
        with open_source(path) as container:
            packets = (packet for packet in container.demux(video=0) if packet.size)
            for packet, rank in zip(packets, order, strict=True):
                frame = segment.start_frame + rank
                packet.time_base = frames.time_base
                packet.pts = frames.pts[frame] - shift
                early = depth - number
                packet.dts = (frames.pts[0] - early * step if early > 0 else frames.pts[-early]) - shift
                packet.duration = frames.duration(frame)
                number += 1
                yield plan.video.stream_index, packet


def _content_tags(metadata: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in metadata.items()
        if name.lower() not in _OWN_TAGS and name.lower().split("-")[0] not in _STATISTICS and not name.startswith("_")
    }


def _can_hold(container: str, stream: Any) -> bool:
    """Asks the muxer itself: it writes a header with that stream alone. Its tables do not know every refusal."""
    if stream.type == "attachment":
        return container == "matroska"
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _name(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context is not None else str(stream.type)
