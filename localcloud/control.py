"""What the changed moto asks of the cloud that it serves."""

from typing import Protocol

from localcloud.batch import Site
from localcloud.policy import Policy


class Control(Site, Protocol):
    """What the changes ask of the cloud that they serve."""

    wait_scale: float
    """By which the interpreter's waits between retries are multiplied."""

    def refuses_submission(self, command: list[str]) -> bool:
        """Whether submitting such a job is throttled now."""
        ...

    def cause_of(self, job_id: str, cause: str) -> str:
        """What the execution is told of a failed job, given what it should be told."""
        ...

    def job_runs(self, job_id: str) -> bool:
        """Whether a job has not ended."""
        ...

    def terminate_job(self, job_id: str) -> None:
        """As TerminateJob."""
        ...

    def stop_execution(self, arn: str) -> None:
        """As StopExecution."""
        ...

    def policy(self, role_arn: str) -> Policy:
        """What a deployed role may do."""
        ...
