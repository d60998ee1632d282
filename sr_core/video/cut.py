"""Cutting a source into chunk files that decode to the promised frames.

Packets are copied where that is exact: from one keyframe before the one that precedes the chunk (so that open GOPs and
leading pictures decode), to the last packet in decoding order that is shown before the chunk's end. Every copied chunk
is decoded again and held against the record; one that fails, or that cannot be copied, is coded losslessly instead.

NUT keeps times as they are only with ``avoid_negative_ts=disabled``; it stores no colour tags, and the plan has those.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av

from sr_core.errors import IntegrityError
from sr_core.timestamps import UNSTEADY
from sr_core.types import Chunk, Encoding, VideoInfo
from sr_core.video.open import open_source
from sr_core.video.read import read_copied, read_source
from sr_core.video.scan import NO_TIME, Scan
from sr_core.video.write import SegmentWriter, raise_if_disk_is_full

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
        if file is not None and _decodes_right(file, scan, chunk):
            yield CutChunk(chunk, file, "copy")
        else:
            if file is not None:
                file.unlink()
            failed.append(chunk)
    yield from _code_lossless(path, info, scan, sorted(failed, key=lambda chunk: chunk.index), lossless, folder)


def _packet_ranges(scan: Scan, chunks: Sequence[Chunk]) -> dict[int, tuple[int, int]]:
    """Packets [first, end) that each chunk needs; chunks that cannot be copied exactly or cheaply are left out."""
    if not scan.times_are_exact or scan.is_deinterlaced:
        return {}
    pts = scan.packets.pts
    key_numbers = [n for n, is_key in enumerate(scan.packets.is_key) if is_key and pts[n] != NO_TIME]
    key_times = [pts[n] for n in key_numbers]

    def horizon(time: int) -> int:
        """Leading pictures follow the keyframe they are shown before: look one keyframe further than `time`."""
        beyond = bisect_right(key_times, time) + 1
        return key_numbers[beyond] if beyond < len(key_numbers) else len(pts)

    ranges = {}
    for chunk in chunks:
        if UNSTEADY in scan.frames.checksums[chunk.start_frame : chunk.end_frame]:
            continue
        first_time = scan.frames.pts[chunk.start_frame]
        preceding = bisect_right(key_times, first_time)
        if preceding == 0 and chunk.start_frame:
            continue
        first = key_numbers[preceding - 2] if preceding > 1 else 0
        if _is_longer(_MAX_PREROLL_PACKETS, (n for n in range(first, horizon(first_time)) if pts[n] < first_time)):
            continue
        end = len(pts)
        if chunk.end_frame < len(scan.frames):
            end_time = scan.frames.pts[chunk.end_frame]
            numbers = range(first, horizon(end_time))
            end = 1 + max((n for n in numbers if NO_TIME < pts[n] < end_time), default=first)
        if all(pts[n] != NO_TIME for n in range(first, end)):
            ranges[chunk.index] = first, end
    return ranges


def _is_longer(count: int, items: Iterator[object]) -> bool:
    """Looks at one more than `count` of `items` at most."""
    return sum(1 for _ in islice(items, count + 1)) > count


def _copy_packets(
    path: Path, stream_index: int, chunks: Sequence[Chunk], ranges: dict[int, tuple[int, int]], folder: Path
) -> Iterator[tuple[Chunk, Path | None]]:
    """One pass over the source; chunks overlap by their pre-roll, so several files can be open at once.

    Yields None for a chunk whose packets the carrier does not take.
    """
    waiting = list(chunks)
    open_files: dict[int, tuple[Chunk, _ChunkWriter]] = {}
    with open_source(path) as container, ExitStack() as stack:
        stream = container.streams[stream_index]
        for number, packet in enumerate(_packets(container, stream)):
            while waiting and ranges[waiting[0].index][0] <= number:
                chunk = waiting.pop(0)
                writer = _ChunkWriter(_chunk_path(folder, chunk), stream)
                stack.callback(writer.close)
                open_files[chunk.index] = chunk, writer
            for chunk, writer in list(open_files.values()):
                if number < ranges[chunk.index][1]:
                    writer.write(packet)
                if number + 1 >= ranges[chunk.index][1]:
                    del open_files[chunk.index]
                    yield chunk, writer.finish()
        for chunk, writer in open_files.values():
            yield chunk, writer.finish()


class _ChunkWriter:
    """Copies packets into a NUT file; what the muxer refuses, a codec or a time, makes the whole file void."""

    def __init__(self, path: Path, template: Any) -> None:
        self._path = path
        self._output = av.open(str(path), "w", format="nut", container_options={"avoid_negative_ts": "disabled"})
        try:
            self._stream: Any = self._output.add_stream_from_template(template, opaque=True)
        except ValueError:
            self._stream = None

    def write(self, packet: Any) -> None:
        """Muxes a packet, leaving it as it was for the next writer. Raises HostCapacity when the disk is full."""
        if self._stream is None:
            return
        own = (packet.stream, packet.pts, packet.dts, packet.time_base, packet.duration)
        packet.stream = self._stream
        try:
            self._output.mux_one(packet)
        except av.FFmpegError as error:
            raise_if_disk_is_full(self._path, error)
            self._stream = None
        finally:
            packet.stream, packet.pts, packet.dts, packet.time_base, packet.duration = own

    def close(self) -> None:
        with suppress(av.FFmpegError):
            self._output.close()

    def finish(self) -> Path | None:
        """The file, or None, and nothing left, if a packet was refused."""
        try:
            self._output.close()
        except av.FFmpegError as error:
            raise_if_disk_is_full(self._path, error)
            self._stream = None
        if self._stream is None:
            self._path.unlink(missing_ok=True)
            return None
        return self._path


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except MemoryError:
        raise  # FFmpeg's is an FFmpegError as well
    except (av.FFmpegError, EOFError):
        return  # scanning ended at the same place


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
    for index, planes in read_source(path, info.stream_index, scan.frames, deinterlace=scan.is_deinterlaced):
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
