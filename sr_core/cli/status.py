"""`sr status`: how far a job is, from its folder, on this machine or in S3; a job that runs is not disturbed."""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from sr_core.cli.cost import cost_line
from sr_core.cli.output import show, show_json
from sr_core.manifest import Manifest
from sr_core.status import JobStatus, StageStatus, State, job_status
from sr_core.storage import open_store
from sr_core.types import Failure

_SHORT = 200
"""Characters of a failure's cause that are shown."""


def run(options: argparse.Namespace) -> None:
    status = job_status(Manifest(open_store(options.job)))
    if options.json:
        show_json(_summary(status))
    else:
        show("\n".join(_lines(status, datetime.now(UTC))))


def _summary(status: JobStatus) -> dict[str, object]:
    plan = status.plan
    told = None if plan is None else {"digest": plan.digest(), "model": plan.model.name, "tier": plan.tier}
    return {
        **status.model_dump(mode="json", exclude={"plan", "request"}),
        "input": status.request.input,
        "output": status.request.output,
        "plan": told,
    }


def _lines(status: JobStatus, now: datetime) -> Iterator[str]:
    yield f"{status.job}: {status.request.input} to {status.request.output}"
    if status.plan is not None:
        plan, video = status.plan, status.plan.video
        yield (
            f"  plan      {video.width_px}×{video.height_px} to {plan.width_px}×{plan.height_px} by {plan.model.name}, "
            f"{video.frame_count} frames, tier {plan.tier}"
        )
    for stage in status.stages:
        yield f"  {stage.stage:<9} {_progress(stage, now)}"
    for failure in status.failures:
        yield f"  given up  chunk {failure.chunk}: {failure.error}: {in_short(failure)}"
    if status.set_aside:
        yield f"  set aside {status.set_aside} receipts that did not hold; their work was done again"
    match status.state:
        case State.DONE if status.report is not None:
            report = status.report
            yield f"  done      {report.frame_count} frames, {report.size_bytes / 1e6:.1f} MB"
            if cost := cost_line(report):
                yield f"  cost      {cost}"
            yield from (f"  warning   {warning}" for warning in report.warnings)
        case state:
            yield f"  now       {state}"


def _progress(stage: StageStatus, now: datetime) -> str:
    units = "chunks" if stage.stage == "extract" else "segments"
    share = stage.done_frames / stage.total_frames if stage.total_frames else 1.0
    words = [f"{stage.done_units} of {stage.total_units} {units}, {share:.0%} of the frames"]
    if stage.last_receipt_at is not None and stage.done_units < stage.total_units:
        words.append(f"the last {_duration((now - stage.last_receipt_at).total_seconds())} ago")
    if stage.seconds_left is not None:
        words.append(f"at that rate {_duration(stage.seconds_left)} to go")
    return ", ".join(words)


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"


def in_short(failure: Failure) -> str:
    """The cause in a line; Batch's is the whole description of the job, of which it says how the job ended."""
    cause = failure.cause
    try:
        job = json.loads(cause)
        container = (job.get("Attempts") or [{"Container": job.get("Container", {})}])[-1]["Container"]
        told = {
            "": job.get("StatusReason"),
            "exit code ": container.get("ExitCode"),
            "log stream ": container.get("LogStreamName"),
        }
        cause = ", ".join(f"{name}{value}" for name, value in told.items() if value is not None) or cause
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    line = " ".join(cause.split())
    return line if len(line) <= _SHORT else f"{line[:_SHORT]}…"
