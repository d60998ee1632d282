"""Watching an execution to its end: its job's progress as a stage would show it, and what became of it.

Whoever stops watching stops nothing else.
"""

from contextlib import suppress
from time import sleep

from sr_core.aws.executions import Execution, Executions
from sr_core.cli.output import note, progress_display
from sr_core.contract import PROGRAM, REQUEST_KEY
from sr_core.errors import InputError, SrError, TransientError
from sr_core.manifest import Manifest
from sr_core.progress import Progress
from sr_core.status import JobStatus, job_status
from sr_core.storage import open_store
from sr_core.told import ToldError

LOOK_SECONDS = 10.0
"""Between two looks."""


def follow(executions: Executions, arn: str) -> Execution:
    """Shows how far an execution is until it has ended.

    A failing network does not end that. Raises InputError: there is no such execution, or no right to look at it.
    """
    with progress_display() as progress:
        while True:
            found = _looked_at(executions, arn)
            if found is not None and not found.is_running:
                return found
            if found is not None:
                _tell(executions, found, progress)
            sleep(LOOK_SECONDS)


def job_of(executions: Executions, execution: Execution) -> JobStatus | None:
    """How far the execution's job is; None where there is none yet, or none any more.

    Raises InputError (no right to look), IntegrityError (its plan is damaged) or TransientError.
    """
    uri = executions.job(execution)
    if uri is None:
        return None
    manifest = Manifest(open_store(uri))
    return job_status(manifest) if manifest.store.stat(REQUEST_KEY) is not None else None


def job_if_seen(executions: Executions, execution: Execution) -> JobStatus | None:
    """The same where the execution itself is what was asked about: that its job cannot be seen is a remark then."""
    try:
        return job_of(executions, execution)
    except SrError as error:
        note(f"{PROGRAM}: how far its job is cannot be seen: {ToldError.of(error).message}")
        return None


def seen(executions: Executions, arn: str) -> Execution:
    """Raises InputError: there is no such execution, or no right to look at it; TransientError."""
    found = executions.find(arn)
    if found is None:
        raise InputError(f"there is no execution {arn}; Step Functions forgets them 90 days after their end")
    return found


def _looked_at(executions: Executions, arn: str) -> Execution | None:
    """None where nothing can be seen just now."""
    try:
        return seen(executions, arn)
    except TransientError as error:
        note(f"{PROGRAM}: {ToldError.of(error).message}; still watching")
        return None


def _tell(executions: Executions, execution: Execution, progress: Progress) -> None:
    with suppress(SrError):  # progress is a courtesy
        status = job_of(executions, execution)
        for stage in status.stages if status is not None else ():
            progress(stage.stage, stage.done_frames, stage.total_frames)
