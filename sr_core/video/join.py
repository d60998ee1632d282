"""Joining segments into the result: video packets copied with times from the record, everything else from the source.

Presentation times are the record's. Decode times are made anew: the sorted presentation times, delayed by the largest
reordering found in any segment; independent segments of a variable frame rate would overlap otherwise.

Everything else is the source's own (see `streams`).
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from sr_core.errors import IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.types import Plan, Segment
from sr_core.video.aspect import ENCODERS_WITHOUT_ASPECT, state_aspect
from sr_core.video.labels import content_tags
from sr_core.video.open import open_source
from sr_core.video.streams import SourceStreams, Track
from sr_core.video.write import raise_if_disk_is_full


@dataclass(frozen=True, slots=True)
class Joined:
    """What was written."""

    tracks: tuple[Track, ...]
    """In the order of the source's streams."""
    video_index: int
    """Which of them is the upscaled video."""
    has_chapters: bool
    tags: dict[str, str]
    """Of the whole file."""
    warnings: tuple[str, ...]


def join(
    segments: Sequence[tuple[Segment, Path]],
    source: Path,
    plan: Plan,
    frames: FrameTable,
    *,
    container: str,
    output: Path,
    on_packet: Callable[[], None] = lambda: None,
) -> Joined:
    """Writes the result to `output`.

    Args:
        segments: every segment of the plan with its file, in order.
        source: the source file.
        container: a muxer of `delivery.CONTAINERS`.
        output: a file that does not exist yet, in a folder with room for the result.
        on_packet: called for every packet; what it raises ends the joining.

    Raises:
        IntegrityError: a segment does not hold as many packets as frames were promised.
        HostCapacity: the disk is full.
    """
    options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    if container in ("mp4", "mov"):
        options["movflags"] = "+faststart"
        # A delayed start is written in these units; the default, milliseconds, would round it.
        options["movie_timescale"] = str(plan.video.time_base.denominator)
    ranks = [_decode_order(segment, path) for segment, path in segments]
    try:
        with ExitStack() as stack:
            original = stack.enter_context(open_source(source))
            tags = content_tags(original.metadata)
            out = av.open(str(output), "w", format=container, container_options=options)
            stack.callback(out.close)
            template = stack.enter_context(open_source(segments[0][1])).streams.video[0]
            streams = SourceStreams(
                out, original, plan, container=container, source=source, folder=output.parent, stack=stack
            )
            streams.add_all(template)
            out.metadata.update(tags)
            chapters = original.chapters()
            has_chapters = bool(chapters)
            if chapters:
                out.set_chapters(chapters)
            for index, packet in _merge([_video_packets(segments, ranks, plan, frames), *streams.packets()]):
                on_packet()
                stream, track = streams.outputs[index]
                packet.stream = stream
                track.add(packet)
                out.mux_one(packet)
            out.close()
        if container in ("matroska", "webm") and plan.delivery.codec in ENCODERS_WITHOUT_ASPECT:
            _state_aspect(streams, plan, output, container)
    except OSError as error:
        raise_if_disk_is_full(output, error)
        raise
    return Joined(
        tracks=tuple(track for _, track in streams.outputs.values()),
        video_index=list(streams.outputs).index(plan.video.stream_index),
        has_chapters=has_chapters,
        tags=tags,
        warnings=tuple(streams.warnings),
    )


def _state_aspect(streams: SourceStreams, plan: Plan, output: Path, container: str) -> None:
    sar = plan.video.upright_sar
    if sar == 1:
        return
    videos = [index for index, (_, track) in streams.outputs.items() if track.kind == "video" and not track.is_picture]
    position = videos.index(plan.video.stream_index)
    size = {"width_px": plan.width_px, "height_px": plan.height_px}
    state_aspect(output, sar, **size, position=position, container=container)


def _merge(iterators: Sequence[Iterator[tuple[int, Any]]]) -> Iterator[tuple[int, Any]]:
    """All packets, in the order of their decode times across iterators, so that the muxer buffers little."""
    heads = [head for head in (_Head(packets) for packets in iterators) if head.advance()]
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
