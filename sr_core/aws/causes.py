"""What the cause of a failed execution says.

It is plain text, a job's own words with its exit code, or AWS Batch's description of a job with text before it.
"""

import json
import re
from typing import Any

from sr_core.errors import (
    GpuMemory,
    HostCapacity,
    InputError,
    IntegrityError,
    Interrupted,
    SrError,
    TransientError,
)

_SHORT = 500
"""Characters that are shown."""
_OWN_WORDS = re.compile(r" \(exit (\d+)(?:, log stream [^()]*)?\)$")
"""How a cause ends that begins with what the job said (stacks/constructs/own_words.py)."""

_BY_EXIT_CODE: dict[int | None, type[SrError]] = {
    int(each.exit_code): each
    for each in (InputError, IntegrityError, GpuMemory, HostCapacity, TransientError, Interrupted)
}


def failure(name: str, *, status: str, error: str | None, cause: str | None) -> SrError:
    """What it means that the execution `name` has not succeeded: what its last job's exit code means, if it is told.

    Started again, it goes on where it stopped; whether that helps, the error knows.
    """
    kind = Interrupted if status == "ABORTED" else _BY_EXIT_CODE.get(exit_code(cause or ""), TransientError)
    words = ": ".join(filter(None, [error, in_short(cause or "")]))
    remedy = "the same command starts it again, and it goes on where it stopped"
    if not kind.retry_helps:
        remedy = f"once that is mended, {remedy}"
    return kind(f"{name} {status.lower().replace('_', ' ')}{f' ({words})' if words else ''}; {remedy}")


def in_short(cause: str) -> str:
    """A cause in a line; of Batch's description of a job, how the job ended."""
    text, job = _taken_apart(cause)
    if job is not None:
        container = _container(job)
        told = {
            "": job.get("StatusReason"),
            "exit code ": container.get("ExitCode"),
            "log stream ": container.get("LogStreamName"),
        }
        words = ", ".join(f"{name}{value}" for name, value in told.items() if value is not None)
        cause = f"{text}{words}" if words else cause
    line = " ".join(cause.split())
    return line if len(line) <= _SHORT else f"{line[:_SHORT]}…"


def exit_code(cause: str) -> int | None:
    """With which the job ended that the cause describes; None where it does not say."""
    said = _OWN_WORDS.search(cause)
    if said is not None:
        return int(said[1])
    _text, job = _taken_apart(cause)
    found = None if job is None else _container(job).get("ExitCode")
    return found if isinstance(found, int) else None


def _taken_apart(cause: str) -> tuple[str, dict[str, Any] | None]:
    """What stands before a job's description, and the description."""
    text, brace, rest = cause.partition("{")
    try:
        job = json.loads(brace + rest)
    except ValueError:
        return cause, None
    return (text, job) if isinstance(job, dict) else (cause, None)


def _container(job: dict[str, Any]) -> dict[str, Any]:
    """Of the last attempt."""
    try:
        found = (job.get("Attempts") or [job])[-1]["Container"]
    except (KeyError, TypeError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
