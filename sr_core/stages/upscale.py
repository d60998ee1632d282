"""Upscale: the segments of one chunk, one after another, with decoding, network and encoding overlapped.

No frame goes through the network before the segment before its own has a receipt: whatever ends this process, at most
one segment's frames are upscaled again (docs/decisions/0220).
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from sr_core.contract import Stage
from sr_core.errors import DamagedData, IntegrityError
from sr_core.inference import FrameUpscaler
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.progress import Progress, silent
from sr_core.stages.commit import commit
from sr_core.stages.overlap import overlap
from sr_core.storage import ObjectNotFound, fetch_shared
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk, Plan, Receipt, Segment, Timing
from sr_core.video.frames import Planes
from sr_core.video.source import Carrier, read_chunk
from sr_core.video.write import SegmentWriter, encoder_versions

_SUFFIX = ".mkv"


def upscale(
    manifest: Manifest,
    chunk_index: int,
    *,
    scratch: Path,
    progress: Progress = silent,
    interruption: Interruption | None = None,
    reuse: bool = True,
) -> dict[int, Receipt]:
    """Upscales the segments of a chunk that are not done yet, and returns the receipts of all of them by index.

    A segment whose receipt does not hold is done again. Without `reuse` every frame is computed whole: slower, with the
    same result. Should a check find on the way that reuse does not give that result on this machine, what was done with
    it here is set aside, and done again without.

    Raises:
        InputError: there is no such chunk.
        IntegrityError: the chunk was not extracted, or does not decode to the promised frames; the network's weights
            are not in the job folder.
        Interrupted: asked to stop; the segment in hand is finished if there is time, and dropped otherwise.
    """
    plan = manifest.plan()
    chunk = plan.chunk(chunk_index)
    segments = plan.chunk_segments(chunk)
    done = manifest.receipts(Stage.UPSCALE, [segment.index for segment in segments])
    missing = [segment for segment in segments if segment.index not in done]
    if missing:
        interruption = interruption or Interruption()
        worker = _Worker(manifest, plan, scratch, progress, interruption, reuse=reuse)
        try:
            worker.run(chunk, missing)
        except _ReuseRefuted:
            for receipt in worker.done.values():
                manifest.set_aside(receipt)
            worker = _Worker(manifest, plan, scratch, progress, interruption, reuse=False)
            worker.notes.append("every frame was computed whole: on this machine parts of a frame come out otherwise")
            worker.run(chunk, missing)
        done |= worker.done
    return done


class _ReuseRefuted(Exception):
    """Parts of frames do not come out here as in whole frames, and some may have been used."""


@dataclass(frozen=True, slots=True)
class _Meter:
    """What a worker has used so far, and what the clock shows."""

    total_seconds: float
    decode_seconds: float
    model_seconds: float
    encode_seconds: float
    network_frames: float
    redone_frames: int

    def since(self, before: "_Meter") -> "_Meter":
        return _Meter(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))

    def timing(self) -> Timing:
        return Timing(
            total_seconds=self.total_seconds,
            decode_seconds=self.decode_seconds,
            model_seconds=self.model_seconds,
            encode_seconds=self.encode_seconds,
            network_frames=round(self.network_frames, 3),
        )


class _Worker:
    """Upscales segments of one chunk; holds what they share.

    Attributes:
        done: the receipts of the segments that were upscaled, by index.
        notes: for every receipt.
    """

    def __init__(
        self,
        manifest: Manifest,
        plan: Plan,
        scratch: Path,
        progress: Progress,
        interruption: Interruption,
        *,
        reuse: bool,
    ) -> None:
        self._manifest, self._plan, self._scratch = manifest, plan, scratch
        self._progress, self._interruption, self._reuse = progress, interruption, reuse
        self._encoding = plan.delivery if plan.segment_codec == "delivery" else plan.mezzanine
        self._decode_seconds = self._encode_seconds = 0.0
        self.done: dict[int, Receipt] = {}
        self.notes: list[str] = []

    def run(self, chunk: Chunk, missing: list[Segment]) -> None:
        """Raises what `upscale` raises, and `_ReuseRefuted`."""
        file, carrier = self._chunk_file(chunk)
        frames = self._manifest.frames()
        upscaler = FrameUpscaler(self._plan, self._weights(), reuse=self._reuse)
        decoded = self._decode(file, carrier, frames, chunk, missing)
        results = overlap(
            map(upscaler.step, decoded),
            upscaler.upscale,
            workers=upscaler.workers,
            ahead=upscaler.workers + 1,
            groups=[segment.frame_count for segment in missing],
            prepare_worker=upscaler.prepare_worker,
        )
        try:
            for segment in missing:
                self._interruption.check()
                self.done[segment.index] = self._encode(segment, results, upscaler)
        finally:
            results.close()
            decoded.close()

    def _chunk_file(self, chunk: Chunk) -> tuple[Path, Carrier]:
        receipt = self._manifest.receipts(Stage.EXTRACT, [chunk.index]).get(chunk.index)
        if receipt is None:
            raise IntegrityError(
                f"chunk {chunk.index} is not extracted; run `sr extract --job {self._manifest.store.uri}` again"
            )
        return self._manifest.fetch(receipt, self._scratch), receipt.carrier or "copy"

    def _weights(self) -> Path | None:
        """The weights that the job folder holds; None where the network ships with the package."""
        store, model = self._manifest.store, self._plan.model
        if model.stored_key is None:
            return None
        try:
            return fetch_shared(store, model.stored_key, self._scratch, sha256=model.sha256)
        except (ObjectNotFound, DamagedData) as error:
            raise IntegrityError(
                f"{store.uri}/{model.stored_key}, the weights of {model.name}, is gone or damaged; put the file with "
                f"the sha256 {model.sha256} there, or delete the job folder and start the job again"
            ) from error

    def _decode(
        self, file: Path, carrier: Carrier, frames: FrameTable, chunk: Chunk, missing: list[Segment]
    ) -> Generator[Planes, None, None]:
        """The frames of the missing segments, in order; others on the way are decoded and dropped."""
        wanted = {index for segment in missing for index in range(segment.start_frame, segment.end_frame)}
        started = time.monotonic()
        with closing(read_chunk(file, carrier, self._plan.video, frames, chunk.start_frame, chunk.end_frame)) as source:
            for index, planes in enumerate(source, start=chunk.start_frame):
                if index in wanted:
                    self._decode_seconds += time.monotonic() - started
                    yield planes
                    started = time.monotonic()

    def _meter(self, upscaler: FrameUpscaler) -> _Meter:
        return _Meter(
            total_seconds=time.monotonic(),
            decode_seconds=self._decode_seconds,
            model_seconds=upscaler.busy_seconds,
            encode_seconds=self._encode_seconds,
            network_frames=upscaler.computed_frames,
            redone_frames=upscaler.redone_frames,
        )

    def _encode(self, segment: Segment, results: Iterator[object], upscaler: FrameUpscaler) -> Receipt:
        """Takes the segment's frames as they come, encodes and commits them. Raises _ReuseRefuted."""
        plan = self._plan
        before = self._meter(upscaler)
        path = self._scratch / f"segment-{segment.index:05d}{_SUFFIX}"
        with SegmentWriter.of_plan(path, plan, self._encoding) as writer:
            for count in range(1, segment.frame_count + 1):
                frame = upscaler.arrived(next(results))
                begun = time.monotonic()
                writer.write(frame)
                self._encode_seconds += time.monotonic() - begun
                self._progress(Stage.UPSCALE, segment.start_frame + count, plan.video.frame_count)
                seconds_a_frame = (time.monotonic() - before.total_seconds) / count
                self._interruption.check(needed_seconds=seconds_a_frame * (segment.frame_count - count))
        if upscaler.is_reuse_refuted:
            path.unlink()
            raise _ReuseRefuted
        used = self._meter(upscaler).since(before)
        notes = [*self.notes, *upscaler.notes]
        if used.redone_frames:
            notes.append(f"{used.redone_frames} frames were computed again in fp32")
        return commit(
            self._manifest,
            path,
            stage=Stage.UPSCALE,
            index=segment.index,
            frame_count=segment.frame_count,
            fingerprint=(*upscaler.fingerprint, *encoder_versions()),
            timing=used.timing(),
            notes=notes,
        )
