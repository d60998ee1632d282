"""`sr status`: how far a job is, from its folder, on this machine or in S3; a job that runs is not disturbed.

Of an execution on AWS it says what the workflow says, and how far its job is.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sr_core.aws.causes import in_short
from sr_core.cli.cost import cost_line
from sr_core.cli.output import show, show_json
from sr_core.manifest import Manifest
from sr_core.status import JobStatus, StageStatus, State, job_status
from sr_core.storage import open_store

if TYPE_CHECKING:
    from sr_core.aws.executions import Execution


def run(options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    if options.job.startswith("arn:"):
        from sr_core.aws.executions import Executions
        from sr_core.cli.follow import job_if_seen, seen

        executions = Executions.of(options.job)
        execution = seen(executions, options.job)
        job = job_if_seen(executions, execution)
        if options.json:
            show_json({"execution": _told(execution), "job": None if job is None else _summary(job)})
        else:
            show("\n".join([*_execution_lines(execution, now), *(() if job is None else _lines(job, now))]))
        return
    status = job_status(Manifest(open_store(options.job)))
    if options.json:
        show_json(_summary(status))
    else:
        show("\n".join(_lines(status, now)))


def _told(execution: "Execution") -> dict[str, object]:
    return {
        "arn": execution.arn,
        "status": execution.status,
        "started_at": execution.started_at.isoformat(),
        "ended_at": None if execution.ended_at is None else execution.ended_at.isoformat(),
        "input": execution.request.get("input"),
        "output": execution.output.get("output"),
        "error": execution.error,
        "cause": execution.cause,
    }


def _execution_lines(execution: "Execution", now: datetime) -> Iterator[str]:
    took = _duration(((execution.ended_at or now) - execution.started_at).total_seconds())
    when = f"for {took}" if execution.is_running else f"after {took}"
    yield f"{execution.name} of {execution.workflow}: {execution.status.lower().replace('_', ' ')} {when}"
    if execution.error is not None or execution.cause:
        yield f"  {execution.error or 'no error named'}: {in_short(execution.cause or 'no cause told')}"


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
        yield f"  given up  chunk {failure.chunk}: {failure.error}: {in_short(failure.cause)}"
    yield from _errors(status)
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


def _errors(status: JobStatus) -> Iterator[str]:
    """What stages said, but for what is told of the chunks that were given up."""
    told = {failure.chunk for failure in status.failures}
    for left in status.errors:
        if left.chunk is None or left.chunk not in told:
            chunk = "" if left.chunk is None else f" of chunk {left.chunk}"
            yield f"  error     {left.stage}{chunk}: {left.error.message}"


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
