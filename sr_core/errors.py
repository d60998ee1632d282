"""The whole error tree. Each class knows its exit code and whether the same command may succeed when run again.

    SrError
    ├── InputError            64  never retried    unreadable, unsupported, over a limit, unknown model, bad settings
    ├── IntegrityError        65  never retried    a promised digest, count or time does not hold; redoing did not help
    │   └── DamagedData       65  never retried    stored data does not match its receipt (the pipeline may redo it)
    ├── GpuMemory             69  premium tier     out of GPU memory at the smallest tile
    ├── HostCapacity          71  memory tier      host memory or disk exhausted
    ├── TransientError        74  retried          a transfer or the device failed
    └── Interrupted           75  retried          SIGTERM, Ctrl-C or a Spot notice

Only the command line turns these into exit codes. A message is one line: what is wrong, then what to do.
"""

from typing import ClassVar

from sr_core.contract import ExitCode


class SrError(Exception):
    """Root of every error that this package raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    retry_helps: ClassVar[bool] = False
    """Whether the very same command may succeed on the same kind of machine."""


class InputError(SrError):
    """What was asked for, or the file that was given, cannot be processed."""

    exit_code = ExitCode.INPUT


class IntegrityError(SrError):
    """A promised digest, frame count or time does not hold."""

    exit_code = ExitCode.INTEGRITY


class DamagedData(IntegrityError):
    """Stored data is gone or does not match its digest.

    `key` names the data. Whoever can make it again may do so before giving up.
    """

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class GpuMemory(SrError):
    """The device ran out of memory at the smallest tile."""

    exit_code = ExitCode.GPU_MEMORY


class HostCapacity(SrError):
    """The machine has too little memory or disk."""

    exit_code = ExitCode.HOST_CAPACITY


class TransientError(SrError):
    """A transfer or a device failed in a way that may pass."""

    exit_code = ExitCode.TRANSIENT
    retry_helps = True


class Interrupted(SrError):
    """The process was asked to stop. What is finished is kept; the same command goes on from there."""

    exit_code = ExitCode.INTERRUPTED
    retry_helps = True
