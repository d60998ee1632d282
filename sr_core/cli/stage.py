"""`sr extract|upscale|encode|assemble --job URI`: one stage, on any store. This is what AWS Batch runs.

A stage that ends in an error leaves its words in the job's folder: of a job of AWS Batch, nothing but the exit code
comes through to whoever waits for it.
"""

import argparse
import os
from contextlib import suppress
from pathlib import Path

from sr_core.cli.cost import cost_line
from sr_core.cli.imports import import_uncollected
from sr_core.cli.output import note, progress_display, show, show_json
from sr_core.cli.scratch import scratch_folder
from sr_core.contract import ENV_BATCH_JOB_ID, ENV_TIERS, Stage
from sr_core.errors import InputError
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.progress import Progress
from sr_core.storage import open_store
from sr_core.tiers import tiers_of
from sr_core.told import LONGEST_MESSAGE, StageError, ToldError
from sr_core.types import Receipt


def run(options: argparse.Namespace) -> None:
    import_uncollected(f"sr_core.stages.{options.stage}")
    manifest = Manifest(open_store(options.job))
    with suppress(InputError):  # without the right to do so, an old reason may stay; the work is done all the same
        manifest.forget_error(options.stage, _chunk(options))
    with progress_display() as progress, scratch_folder() as scratch:
        answer, text = _run_stage(options, manifest, scratch, progress, options.interruption)
    if options.json:
        show_json(answer)
    else:
        show(text)


def leave_error(options: argparse.Namespace, error: ToldError) -> None:
    """Puts what was printed into the job's folder, for the state machine's mail and for `sr status`."""
    words = error.model_copy(update={"message": error.message[:LONGEST_MESSAGE]})
    job_id = os.environ.get(ENV_BATCH_JOB_ID, "")
    left = StageError(stage=options.stage, chunk=_chunk(options), error=words, job_id=job_id)
    Manifest(open_store(options.job)).leave_error(left)


def _chunk(options: argparse.Namespace) -> int | None:
    return options.chunk if "chunk" in options else None


def _run_stage(
    options: argparse.Namespace, manifest: Manifest, scratch: Path, progress: Progress, interruption: Interruption
) -> tuple[dict[str, object], str]:
    """The stage's answer as JSON and as one line. Stages are imported here: only upscale needs torch."""
    match options.stage:
        case Stage.EXTRACT:
            from sr_core.stages.extract import extract

            plan = extract(
                manifest,
                scratch=scratch,
                among=tiers_of(os.environ.get(ENV_TIERS, ""), place=ENV_TIERS),
                chunk_segments=options.chunk_segments,
                progress=progress,
                interruption=interruption,
            )
            for warning in plan.warnings:
                note(f"sr: warning: {warning}")
            counts = f"{plan.video.frame_count} frames, {len(plan.segments)} segments, {len(plan.chunks)} chunks"
            return {"plan_digest": plan.digest(), "chunk_count": len(plan.chunks), "tier": plan.tier}, counts
        case Stage.UPSCALE:
            from sr_core.stages.upscale import upscale

            return _receipts(
                upscale(manifest, options.chunk, scratch=scratch, progress=progress, interruption=interruption)
            )
        case Stage.ENCODE:
            from sr_core.stages.encode import encode

            return _receipts(
                encode(manifest, options.chunk, scratch=scratch, progress=progress, interruption=interruption)
            )
        case Stage.ASSEMBLE:
            from sr_core.stages.assemble import assemble

            report = assemble(manifest, scratch=scratch, progress=progress, interruption=interruption)
            for warning in report.warnings:
                note(f"sr: warning: {warning}")
            told = (f"{report.output}: {report.frame_count} frames", cost_line(report))
            return report.model_dump(mode="json"), "\n".join(filter(None, told))
    raise AssertionError(f"no such stage: {options.stage}")


def _receipts(receipts: dict[int, Receipt]) -> tuple[dict[str, object], str]:
    frames = sum(receipt.frame_count for receipt in receipts.values())
    return (
        {"receipts": [receipt.model_dump(mode="json") for _, receipt in sorted(receipts.items())]},
        f"{len(receipts)} segments, {frames} frames",
    )
