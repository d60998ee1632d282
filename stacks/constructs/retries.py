"""When a failed attempt is worth another: the retry table of AWS Batch and what Step Functions reads in a Cause.

Owns the rules, in the form of each service. A rule for everything else must come last: Batch retries what no rule
matches. Batch allows five rules, and a `*` only at a pattern's end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk.aws_batch as batch

from sr_core.contract import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table: exactly one of the three patterns, and what follows."""

    retry: bool
    status_reason: str | None = None
    reason: str | None = None
    exit_code: int | None = None

    def for_job_definition(self) -> batch.RetryStrategy:
        """The rule as a job definition states it."""
        action = batch.Action.RETRY if self.retry else batch.Action.EXIT
        return batch.RetryStrategy.of(
            action,
            batch.Reason.custom(
                on_status_reason=self.status_reason,
                on_reason=self.reason,
                on_exit_code=None if self.exit_code is None else str(self.exit_code),
            ),
        )

    def for_submit_job(self) -> dict[str, str]:
        """The rule as a SubmitJob request of Step Functions states it."""
        patterns = {"OnStatusReason": self.status_reason, "OnReason": self.reason, "OnExitCode": self.exit_code}
        given = {name: str(pattern) for name, pattern in patterns.items() if pattern is not None}
        return given | {"Action": "RETRY" if self.retry else "EXIT"}


RETRY_RULES = (
    Rule(retry=True, status_reason="Host EC2*"),  # the machine was reclaimed
    Rule(retry=True, exit_code=ExitCode.TRANSIENT),
    Rule(retry=True, exit_code=ExitCode.INTERRUPTED),
    Rule(retry=True, reason="Cannot*"),  # CannotPull…, CannotCreate…, CannotStart…, CannotInspectContainerError
    Rule(retry=False, reason="*"),
)


def cause_matches(*patterns: str) -> dict[str, Any]:
    """A Choice rule: the raw Cause of the caught failure contains one of `patterns`."""
    tests = [{"Variable": "$.failure.Cause", "StringMatches": f"*{pattern}*"} for pattern in patterns]
    return tests[0] if len(tests) == 1 else {"Or": tests}


def exit_codes(*codes: int) -> Sequence[str]:
    """Patterns for a container's exit code in the JSON of a job, with and without a space."""
    return [f'"ExitCode":{space}{code}{end}' for code in codes for space in ("", " ") for end in (",", "}")]


KILLED = 137
"""Exit code of a container that the kernel or the agent killed; with no other reason given, for its memory."""
TERMINATED = 143
"""Exit code of a container that SIGTERM ended before the program could listen: it was asked to stop, as with 75."""

ON_DEMAND_ATTEMPTS = 3
"""Times Batch starts a job on On-Demand, however few it had on Spot: nobody takes those machines away."""

TIMED_OUT = ("Job attempt duration exceeded timeout",)
REFUSED = exit_codes(ExitCode.INPUT, ExitCode.INTEGRITY)
GPU_MEMORY = exit_codes(ExitCode.GPU_MEMORY)
HOST_CAPACITY = ("OutOfMemoryError", *exit_codes(ExitCode.HOST_CAPACITY))
KILLED_FOR_MEMORY = exit_codes(KILLED)
NEVER_RAN = ("Cannot*ContainerError", "DockerTimeoutError")
"""The machine's agent failed, not the job; another machine may do better."""
RECLAIMED = ("Host EC2*terminated", *exit_codes(ExitCode.INTERRUPTED, TERMINATED))
"""143 moves on without another attempt: Batch's five rules are used up, and `7*`, which would free one, is 71, too."""
SPOKE = exit_codes(*(code for code in ExitCode if code not in (ExitCode.OK, ExitCode.INTERRUPTED)))
"""The program ended by itself and has left a word of why (`sr_core.told.StageError`)."""
TRANSIENT = exit_codes(ExitCode.TRANSIENT)
NO_CAPACITY = ("Canceled by JobStateTimeLimit*CAPACITY", "Canceled by JobStateTimeLimit*UNDETERMINED")
"""MISCONFIGURATION is left out: On-Demand machines of the same kind would not help."""
