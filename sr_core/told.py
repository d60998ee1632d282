"""What is told of an error: the object that `--json` prints, and what a stage leaves of it in its job's folder.

Data only. It does not know who is told, nor when.
"""

from typing import Self

from sr_core.contract import Stage
from sr_core.errors import SrError
from sr_core.frozen import Model

LONGEST_MESSAGE = 4000
"""Characters of a message that are left in a job's folder: a cause of Step Functions holds 32,768 at most."""


class ToldError(Model):
    """An error in the words of `--json` (docs/json.md)."""

    kind: str
    """Class of the error."""
    message: str
    """One line."""
    exit_code: int
    retry_helps: bool

    @classmethod
    def of(cls, error: SrError) -> Self:
        """What is told of `error`."""
        message = " ".join(str(error).split()) or type(error).__name__
        return cls(
            kind=type(error).__name__,
            message=message,
            exit_code=int(error.exit_code),
            retry_helps=error.retry_helps,
        )


class StageError(Model):
    """The error that a stage ended with when it was last tried. State machines read `error.message` and `job_id`."""

    stage: Stage
    chunk: int | None
    """None for the stages of the whole job."""
    error: ToldError
    job_id: str
    """AWS Batch's; empty where it was no job of it."""
