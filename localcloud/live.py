"""What a running cloud looks like: the execution's states, each chunk, each job with its machine and its attempts.

Owns the pictures only; it asks the cloud and changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from localcloud.attempt import Attempt
from localcloud.batch import LocalJob
from localcloud.cloud import LocalCloud
from localcloud.execution import Execution
from sr_core.contract import RECEIPTS_PREFIX, ExitCode

_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "RUNNING": "yellow", "RUNNABLE": "dim"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, in words, for where no picture can be drawn anew."""

    key: str
    """The same for the same thing at a later look."""
    text: str


def picture(cloud: LocalCloud, execution: Execution) -> Group:
    """The state of everything now."""
    return Group(_execution(execution), _chunks(cloud, execution), _jobs(cloud))


def _execution(execution: Execution) -> Text:
    states = execution.states()
    text = Text.assemble(("UpscaleVideo  ", "bold"), (execution.status, _STYLES.get(execution.status, "")), "  ")
    return text.append(" → ".join(states[-6:]))


def _chunks(cloud: LocalCloud, execution: Execution) -> Table:
    table = Table("chunk", "segments done", "states", box=None, padding=(0, 2))
    for child in execution.children():
        attempts = [attempt for attempt in cloud.attempts if attempt.target.chunk == child.index]
        done = sum(receipts_of(attempt) for attempt in attempts)
        table.add_row(str(child.index), str(done), " → ".join(execution.states(chunk=child.index)))
    return table


def _jobs(cloud: LocalCloud) -> Table:
    table = Table(
        "job", "queue", "status", "attempt", "machine", "market", "what became of it", box=None, padding=(0, 2)
    )
    for job in cloud.jobs():
        status = str(job.status).rpartition(".")[2]
        if not job.ran:
            table.add_row(name_of(job), job.job_queue.name, Text(status, _STYLES.get(status, "")), "", "", "", "")
        for attempt in job.ran:
            is_last = attempt is job.ran[-1]
            table.add_row(
                name_of(job) if attempt.number == 1 else "",
                job.job_queue.name if attempt.number == 1 else "",
                Text(status if is_last else "", _STYLES.get(status, "")),
                str(attempt.number),
                attempt.machine.id,
                "Spot" if attempt.machine.environment.is_spot else "On-Demand",
                became(attempt),
            )
    return table


def lines(cloud: LocalCloud, execution: Execution) -> Iterator[Line]:
    """Everything that has happened so far."""
    for number, visit in enumerate(execution.path()):
        where = "" if visit.chunk is None else f"chunk {visit.chunk}: "
        yield Line(f"{visit.chunk} {number if visit.chunk is None else ''} {visit.name}", f"{where}{visit.name}")
    for job in cloud.jobs():
        for attempt in job.ran:
            market = "Spot" if attempt.machine.environment.is_spot else "On-Demand"
            begun = f"  {name_of(job)}, attempt {attempt.number} on {market} machine {attempt.machine.id}"
            yield Line(f"{job.job_id} {attempt.number}", begun)
            if attempt.outcome is not None:
                yield Line(f"{job.job_id} {attempt.number} ended", f"{begun}: {became(attempt)}")


def name_of(job: LocalJob) -> str:
    """``upscale 7``"""
    target = job.target
    return str(target.stage) if target.chunk is None else f"{target.stage} {target.chunk}"


def became(attempt: Attempt) -> str:
    """What ended an attempt, in a few words; empty while it runs."""
    outcome = attempt.outcome
    if outcome is None:
        return ""
    if outcome.exit_code == ExitCode.OK:
        return "done"
    known = "" if outcome.exit_code is None else f"exit code {outcome.exit_code}"
    told = [known, outcome.reason or "", outcome.status_reason if not known or outcome.exit_code == 137 else ""]
    return ", ".join(part for part in told if part)


def receipts_of(attempt: Attempt) -> int:
    """Receipts of segments that an attempt has written."""
    return sum(
        f"/{RECEIPTS_PREFIX}{attempt.target.stage}/" in request.key and request.method == "PUT" and status == 200
        for request, status in attempt.requests
    )
