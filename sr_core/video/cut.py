"""Cutting a source into chunk files that decode to the promised frames.

Packets are copied where that is exact: from one keyframe before the one that precedes the chunk (so that open GOPs and
leading pictures decode), to the last packet in decoding order that is shown before the chunk's end. Every copied chunk
is decoded again and held against the record; one that fails, or that cannot be copied, is coded losslessly instead.

NUT keeps times as they are only with ``avoid_negative_ts=disabled``; it stores no colour tags, and the plan has those.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av

from sr_core.errors import IntegrityError
from sr_core.types import Chunk, Encoding, VideoInfo
from sr_core.video.open import open_source
from sr_core.video.read import read_copied, read_source
from sr_core.video.scan import NO_TIME, Scan
from sr_core.video.write import SegmentWriter

_MAX_PREROLL_PACKETS = 600
"""Beyond this, decoding a chunk's pre-roll again and again costs more than coding the chunk losslessly."""


@dataclass(frozen=True, slots=True)
class CutChunk:
    """A chunk file. It belongs to the caller, who removes it."""

    chunk: Chunk
    path: Path
    carrier: Literal["copy", "lossless"]


def cut(
    path: Path, info: VideoInfo, scan: Scan, chunks: Sequence[Chunk], *, lossless: Encoding, folder: Path
) -> Iterator[CutChunk]:
    """Writes a file for each of `chunks` into `folder` and yields it as soon as it is proven to decode right.

    Raises IntegrityError when the source itself decodes to something else than when it was scanned.
    """
    ranges = _packet_ranges(scan, chunks)
    copied = [chunk for chunk in chunks if chunk.index in ranges]
    failed = [chunk for chunk in chunks if chunk.index not in ranges]
    for chunk, file in _copy_packets(path, info.stream_index, copied, ranges, folder):
        if _decodes_right(file, scan, chunk):
            yield CutChunk(chunk, file, "copy")
        else:
            file.unlink()
            failed.append(chunk)
    yield from _code_lossless(path, info, scan, sorted(failed, key=lambda chunk: chunk.index), lossless, folder)


def _packet_ranges(scan: Scan, chunks: Sequence[Chunk]) -> dict[int, tuple[int, int]]:
    """Packets [first, end) that each chunk needs; chunks that cannot be copied exactly or cheaply are left out."""
    if not scan.times_are_exact:
        return {}
    pts = scan.packets.pts
    key_numbers = [n for n, is_key in enumerate(scan.packets.is_key) if is_key and pts[n] != NO_TIME]
    key_times = [pts[n] for n in key_numbers]
    ranges = {}
    for chunk in chunks:
        first_time = scan.frames.pts[chunk.start_frame]
        preceding = bisect_right(key_times, first_time)
        if preceding == 0 and chunk.start_frame:
            continue
        first = key_numbers[preceding - 2] if preceding > 1 else 0
        end = len(pts)
        if chunk.end_frame < len(scan.frames):
            # Leading pictures follow the keyframe they are shown before: look one keyframe further than the end.
            end_time = scan.frames.pts[chunk.end_frame]
            beyond = bisect_right(key_times, end_time) + 1
            horizon = key_numbers[beyond] if beyond < len(key_numbers) else len(pts)
            end = 1 + max((n for n in range(first, horizon) if NO_TIME < pts[n] < end_time), default=first)
        preroll = sum(1 for n in range(first, end) if pts[n] < first_time)
        if preroll <= _MAX_PREROLL_PACKETS and all(pts[n] != NO_TIME for n in range(first, end)):
            ranges[chunk.index] = first, end
    return ranges


def _copy_packets(
    path: Path,
    stream_index: int,
    chunks: Sequence[Chunk],
    ranges: dict[int, tuple[int, int]],
    folder: Path,
) -> Iterator[tuple[Chunk, Path]]:
    """One pass over the source; chunks overlap by their pre-roll, so several files can be open at once."""
    waiting = list(chunks)
    writers: dict[int, Any] = {}
    with open_source(path) as container, ExitStack() as stack:
        stream = container.streams[stream_index]
        number = -1
        for packet in _packets(container, stream):
            number += 1
            while waiting and ranges[waiting[0].index][0] <= number:
                chunk = waiting.pop(0)
                output = av.open(
                    _chunk_path(folder, chunk), "w", format="nut", container_options={"avoid_negative_ts": "disabled"}
                )
                stack.callback(output.close)
                writers[chunk.index] = (chunk, output, output.add_stream_from_template(stream, opaque=True))
            for index in list(writers):
                chunk, output, copy = writers[index]
                if number < ranges[index][1]:
                    _mux(output, copy, packet)
                if number + 1 >= ranges[index][1]:
                    del writers[index]
                    output.close()
                    yield chunk, _chunk_path(folder, chunk)
        for chunk, output, _ in writers.values():
            output.close()
            yield chunk, _chunk_path(folder, chunk)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except (av.FFmpegError, EOFError):
        return  # scanning ended at the same place


def _mux(output: Any, stream: Any, packet: Any) -> None:
    """Muxes a packet into one of several outputs, leaving it as it was for the next."""
    own = (packet.stream, packet.pts, packet.dts, packet.time_base, packet.duration)
    packet.stream = stream
    try:
        output.mux_one(packet)
    finally:
        packet.stream, packet.pts, packet.dts, packet.time_base, packet.duration = own


def _chunk_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"chunk-{chunk.index:05d}.nut"


def _decodes_right(file: Path, scan: Scan, chunk: Chunk) -> bool:
    try:
        for _ in read_copied(file, scan.frames, chunk.start_frame, chunk.end_frame):
            pass
    except IntegrityError:
        return False
    return True


def _code_lossless(
    path: Path, info: VideoInfo, scan: Scan, chunks: Sequence[Chunk], encoding: Encoding, folder: Path
) -> Iterator[CutChunk]:
    """One decoding pass over the source, as far as the last of `chunks`."""
    if not chunks:
        return
    waiting = list(chunks)
    writer: SegmentWriter | None = None
    file = folder
    for index, planes in read_source(path, info.stream_index, scan.frames):
        if index < waiting[0].start_frame:
            continue
        if writer is None:
            file = folder / f"chunk-{waiting[0].index:05d}.mkv"
            writer = SegmentWriter(
                file, encoding, width_px=info.width_px, height_px=info.height_px, rate=info.rate, color=None
            )
        writer.write(planes)
        if index + 1 == waiting[0].end_frame:
            writer.close()
            writer = None
            yield CutChunk(waiting.pop(0), file, "lossless")
            if not waiting:
                return
    raise IntegrityError(f"{path} ends at frame {len(scan.frames)} now; it was changed while the job ran")
