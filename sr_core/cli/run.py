"""`sr run`: the whole pipeline on this machine."""

import argparse
import time
from pathlib import Path

from sr_core.cli.cost import cost_line
from sr_core.cli.output import note, progress_display, show, show_json
from sr_core.cli.settings import settings_from
from sr_core.contract import Stage
from sr_core.delivery import default_output
from sr_core.errors import InputError
from sr_core.job_folder import unfinished
from sr_core.pipeline import run_local
from sr_core.progress import Progress
from sr_core.storage.open import is_s3
from sr_core.types import Report, Settings

DEFAULT_WORK_FOLDER = ".sr-work"


def run(options: argparse.Namespace) -> None:
    started = time.monotonic()
    settings = settings_from(options)
    output = options.output or _default_output(options.input, settings)
    with progress_display() as display:
        progress = _Counted(display)
        report = run_local(
            options.input,
            output,
            settings,
            work_dir=_work_dir(options, output),
            overwrite=options.overwrite,
            chunk_segments=options.chunk_segments,
            progress=progress,
            interruption=options.interruption,
        )
    for warning in report.warnings:
        note(f"sr: warning: {warning}")
    _tell_of_unfinished(_work_dir(options, output))
    if options.json:
        show_json(report.model_dump(mode="json"))
    else:
        show(summary(report, time.monotonic() - started, upscaled_frames=progress.upscaled_frames))
        if cost := cost_line(report):
            show(cost)


def _tell_of_unfinished(work_dir: Path) -> None:
    """Other options make another job, whose work this one does not use, and which nobody else would find."""
    count, size_bytes = unfinished(work_dir)
    if count:
        jobs = "an unfinished job" if count == 1 else f"{count} unfinished jobs"
        note(
            f"sr: {jobs} of other files or options ({size_bytes / 1e9:.1f} GB) in {work_dir}: "
            "the same command goes on from there; remove the folder if nobody needs it"
        )


class _Counted:
    """Counts the frames that this run upscales, and not those of an earlier one: of each, the stage tells once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.upscaled_frames = 0

    def __call__(self, stage: Stage, done_frames: int, total_frames: int) -> None:
        self.upscaled_frames += stage == Stage.UPSCALE
        self._progress(stage, done_frames, total_frames)


def summary(report: Report, seconds: float, *, upscaled_frames: int) -> str:
    """``out.mp4: 36 frames, 640×480, 0.4 MB, in 6.1 s (5.9 fps)``

    The rate is that of `upscaled_frames`, which were upscaled in those seconds; where an earlier run had done some, it
    says so: ``in 2.1 s (5.7 fps; 24 frames were done before)``.
    """
    rate = f"{upscaled_frames / seconds:.1f} fps"
    if earlier := max(report.frame_count - upscaled_frames, 0):
        rate += f"; {earlier} frames were done before"
    return (
        f"{report.output}: {report.frame_count} frames, {report.width_px}×{report.height_px}, "
        f"{report.size_bytes / 1e6:.1f} MB, in {seconds:.1f} s ({rate})"
    )


def _default_output(source: str, settings: Settings) -> str:
    if is_s3(source):
        raise InputError(f"{source} is in S3; say where the result goes: -o FILE or -o s3://bucket/key")
    return default_output(source, settings.codec)


def _work_dir(options: argparse.Namespace, output: str) -> Path:
    if options.work_dir:
        return Path(options.work_dir)
    return (Path() if "://" in output else Path(output).parent) / DEFAULT_WORK_FOLDER
