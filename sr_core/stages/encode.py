"""Encode: turns a chunk's mezzanine segments into delivery segments, where upscale did not write those itself."""

import time
from contextlib import closing
from pathlib import Path

from sr_core.contract import Stage
from sr_core.errors import IntegrityError
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.progress import Progress, silent
from sr_core.stages.commit import commit
from sr_core.types import Plan, Receipt, Segment, Timing
from sr_core.video.source import read_frames
from sr_core.video.write import SegmentWriter, encoder_versions


def encode(
    manifest: Manifest,
    chunk_index: int,
    *,
    scratch: Path,
    progress: Progress = silent,
    interruption: Interruption | None = None,
) -> dict[int, Receipt]:
    """Encodes the segments of a chunk that are not done yet, and returns the receipts of all of them by index.

    The bytes are those that upscale would have written with the delivery codec: the mezzanine is lossless.
    Nothing is to do, and nothing is returned, when the plan lets upscale deliver.

    Raises:
        InputError: there is no such chunk.
        IntegrityError: a segment of the chunk is not upscaled, or its data is damaged.
        Interrupted: asked to stop; the segment in hand is finished if there is time, and dropped otherwise.
    """
    plan = manifest.plan()
    chunk = plan.chunk(chunk_index)
    if plan.segment_codec == "delivery":
        return {}
    interruption = interruption or Interruption()
    segments = plan.chunk_segments(chunk)
    indices = [segment.index for segment in segments]
    done = manifest.receipts(Stage.ENCODE, indices)
    upscaled = manifest.receipts(Stage.UPSCALE, indices)
    for segment in segments:
        if segment.index in done:
            continue
        interruption.check()
        if segment.index not in upscaled:
            raise IntegrityError(
                f"segment {segment.index} is not upscaled; "
                f"run `sr upscale --job {manifest.store.uri} --chunk {chunk.index}` first"
            )
        done[segment.index] = _encode_segment(
            manifest, plan, segment, upscaled[segment.index], scratch, progress, interruption
        )
    return done


def _encode_segment(
    manifest: Manifest,
    plan: Plan,
    segment: Segment,
    upscaled: Receipt,
    scratch: Path,
    progress: Progress,
    interruption: Interruption,
) -> Receipt:
    started = time.monotonic()
    mezzanine = manifest.fetch(upscaled, scratch)
    encoding_since = time.monotonic()
    path = scratch / f"delivery-{segment.index:05d}.mkv"
    with closing(read_frames(mezzanine, plan)) as frames, SegmentWriter.of_plan(path, plan, plan.delivery) as writer:
        for frame in frames:
            writer.write(frame)
            progress(Stage.ENCODE, segment.start_frame + writer.frame_count, plan.video.frame_count)
            seconds_per_frame = (time.monotonic() - encoding_since) / writer.frame_count
            remaining_frames = segment.frame_count - writer.frame_count
            interruption.check(needed_seconds=seconds_per_frame * remaining_frames)
        if writer.frame_count != segment.frame_count:
            raise IntegrityError(
                f"segment {segment.index} decodes to {writer.frame_count} frames, not {segment.frame_count}"
            )
    return commit(
        manifest,
        path,
        stage=Stage.ENCODE,
        index=segment.index,
        frame_count=segment.frame_count,
        fingerprint=encoder_versions(),
        timing=Timing(total_seconds=time.monotonic() - started),
    )
