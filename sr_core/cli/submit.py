"""`sr submit INPUT…`: videos for a deployment on AWS, each looked at here, brought there and started.

One bad INPUT does not hold back the others: it is told when it is met, and the exit code tells at the end.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_core.aws.causes import failure, in_short
from sr_core.aws.deployment import Deployment, find_deployment
from sr_core.aws.executions import SUCCEEDED, Execution, Executions
from sr_core.cli.cost import amount, cost_line
from sr_core.cli.follow import follow, job_if_seen
from sr_core.cli.output import bytes_display, note, printable, show, show_json
from sr_core.cli.scratch import scratch_folder
from sr_core.cli.settings import settings_from
from sr_core.cli.uploads import UploadDisplay
from sr_core.contract import PROGRAM
from sr_core.errors import InputError, Interrupted, SrError
from sr_core.estimate import NOT_COUNTED
from sr_core.model_files import find_deployed
from sr_core.storage import open_store
from sr_core.submission import Asked, Outcome, Prepared, Submission, prepare, submit
from sr_core.told import ToldError
from sr_core.types import Report


@dataclass(slots=True, kw_only=True)
class _Entry:
    """An INPUT, and what has become of it so far."""

    place: str
    prepared: Prepared | None = None
    submission: Submission | None = None
    error: SrError | None = None
    execution: Execution | None = None
    """As it ended, where it was watched."""
    report: Report | None = None


def run(options: argparse.Namespace) -> SrError | None:
    settings = settings_from(options)
    if len(options.inputs) > 1 and options.output and not options.output.endswith("/"):
        raise InputError(f"{options.output} is one address for several INPUTs; end it in a slash: {options.output}/")
    deployment = find_deployment(name=options.stack, state_machine=options.state_machine)
    executions = Executions(deployment.region)
    entries = [_Entry(place=place) for place in dict.fromkeys(options.inputs)]
    with scratch_folder() as scratch:
        asked = Asked(
            settings=settings,
            model=find_deployed(settings, open_store(deployment.models), scratch),
            output=options.output,
            critical=options.critical,
            overwrite=options.overwrite,
        )
        stopped = _submitted(entries, asked, deployment, executions, options, scratch)
    if options.wait and stopped is None:
        stopped = _watched(entries, executions, options)
    if options.json:
        show_json({"deployment": deployment.name, "submissions": [_answer(entry) for entry in entries]})
    return stopped or _worst([entry.error for entry in entries if entry.error is not None])


def _submitted(
    entries: list[_Entry],
    asked: Asked,
    deployment: Deployment,
    executions: Executions,
    options: argparse.Namespace,
    scratch: Path,
) -> SrError | None:
    """Submits all; returns the error that ended it, if one did."""
    outputs: dict[str, _Entry] = {}
    uploads = UploadDisplay()

    def look(entry: _Entry) -> None:
        with bytes_display(f"{entry.place}: reading") as read:
            found = prepare(
                entry.place, asked, deployment, scratch, with_estimate=options.budget is not None, read=read
            )
        first = outputs.setdefault(found.output, entry)
        if first.prepared is not None and first.prepared.source != found.source:
            raise InputError(f"{entry.place} would go to {found.output}, as {first.place} does; submit it by itself")
        entry.prepared = found

    def ask(entry: _Entry) -> None:
        assert entry.prepared is not None, "it was looked at"
        accelerate = not options.no_acceleration
        with uploads.of(entry.place) as listener:
            entry.submission = submit(
                entry.prepared, asked, deployment, executions, accelerate=accelerate, listener=listener
            )
        if not options.json:
            show("\n".join(_lines(entry.prepared, entry.submission)))

    try:
        if options.budget is not None:  # then all are looked at before any is paid for
            _each(entries, look)
            _check(options.budget, [entry.prepared for entry in entries if entry.prepared is not None])
        for entry in entries:
            if options.budget is None:
                _each([entry], look)
            if entry.error is None:
                _each([entry], ask)
    except KeyboardInterrupt:
        done = sum(entry.submission is not None for entry in entries)
        stopped = Interrupted(
            f"stopped when {done} of {len(entries)} were submitted, which go on; the same command submits the rest"
        )
        note(f"{PROGRAM}: {ToldError.of(stopped).message}")
        return stopped
    return None


def _each(entries: Iterable[_Entry], act: Callable[[_Entry], None]) -> None:
    """Does it to each; what fails is told, and kept."""
    for entry in entries:
        try:
            act(entry)
        except SrError as error:
            entry.error = error
            note(f"{PROGRAM}: {ToldError.of(error).message}")


def _check(budget: float, prepared: list[Prepared]) -> None:
    """Raises InputError where what is still to be made would take more than `budget` dollars."""
    wanted = [each.estimate for each in prepared if each.estimate is not None and not each.is_done]
    on_demand = sum(each.on_demand_usd or 0.0 for each in wanted)
    spot = sum(each.spot_usd or 0.0 for each in wanted)
    if not wanted:
        return
    told = f"{amount(on_demand)} $ on On-Demand machines alone, {amount(spot)} $ on Spot"
    left_out = f"not counted: {'; '.join(NOT_COUNTED)}"
    if on_demand > budget:
        raise InputError(f"over the budget of {amount(budget)} $: {told} ({left_out}); nothing was started")
    note(f"{PROGRAM}: within the budget of {amount(budget)} $: {told}; {left_out}")


def _lines(prepared: Prepared, submission: Submission) -> list[str]:
    said = {
        Outcome.STARTED: "",
        Outcome.UNDER_WAY: ": the same was asked for before, and is not paid for twice",
        Outcome.DONE: ": the result is there, and nothing was started; --overwrite has it made again",
    }
    lines = [f"{printable(prepared.place)}: {submission.outcome}{said[submission.outcome]}"]
    if submission.outcome != Outcome.DONE and prepared.place != prepared.source:
        lines.append(f"  source    {prepared.source}{'' if prepared.version is None else ', there already'}")
    if submission.former is not None and submission.outcome == Outcome.STARTED:
        former = submission.former
        why = ": ".join(filter(None, [former.error, in_short(former.cause or "")]))
        lines.append(f"  before    {former.status}{f' ({why})' if why else ''}; it goes on from what that has left")
    if submission.execution is not None:
        lines.append(f"  execution {submission.execution}")
    lines.append(f"  output    {prepared.output}")
    if submission.outcome != Outcome.DONE:
        lines.append(f"  watch     {PROGRAM} status {submission.execution}")
    return lines


def _watched(entries: list[_Entry], executions: Executions, options: argparse.Namespace) -> SrError | None:
    """Watches one after the other, since they go on beside one another anyway."""

    def watch(entry: _Entry) -> None:
        assert entry.submission is not None
        assert entry.submission.execution is not None
        note(f"{PROGRAM}: watching {printable(entry.place)}")
        ended = entry.execution = follow(executions, entry.submission.execution)
        if ended.status != SUCCEEDED:
            raise failure(entry.place, status=ended.status, error=ended.error, cause=ended.cause)
        status = job_if_seen(executions, ended)
        entry.report = None if status is None else status.report
        if not options.json:
            show(_ended(entry))

    try:
        _each((each for each in entries if each.submission and each.submission.outcome != Outcome.DONE), watch)
    except KeyboardInterrupt:
        stopped = Interrupted("stopped watching; the work goes on, and `sr status` says how far it is")
        note(f"{PROGRAM}: {ToldError.of(stopped).message}")
        return stopped
    return None


def _ended(entry: _Entry) -> str:
    if entry.report is None:
        return f"{printable(entry.place)}: done"
    report = entry.report
    told = (
        f"{printable(entry.place)}: {report.frame_count} frames, {report.width_px}×{report.height_px}, {report.output}"
    )
    return "\n".join(filter(None, [told, cost_line(report)]))


def _answer(entry: _Entry) -> dict[str, Any]:
    prepared, submission = entry.prepared, entry.submission
    former = None if submission is None else submission.former
    return {
        "input": entry.place,
        "source": None if prepared is None else prepared.source,
        "output": None if prepared is None else prepared.output,
        "estimate": prepared.estimate.model_dump(mode="json") if prepared and prepared.estimate else None,
        "outcome": None if submission is None else submission.outcome,
        "execution": None if submission is None else submission.execution,
        "former": None if former is None else {"status": former.status, "error": former.error, "cause": former.cause},
        "status": None if entry.execution is None else entry.execution.status,
        "report": None if entry.report is None else entry.report.model_dump(mode="json"),
        "error": None if entry.error is None else ToldError.of(entry.error).model_dump(),
    }


def _worst(errors: list[SrError]) -> SrError | None:
    """The first that a second try does not mend; else the first."""
    return next((error for error in errors if not error.retry_helps), errors[0] if errors else None)
