"""Batch's part of a job: states, attempts, retry rules, time limits. Takes the place of moto's job, which needs Docker.

Owns when a job is tried again (its retry strategy, or the submission's in its place) and how it is described. Where an
attempt runs is the fleet's business; what happens in it, the attempt's.
"""

import datetime
import re
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import moto.batch.models as moto_batch
from moto.batch.utils import JobStatus

from localcloud.attempt import Attempt, Outcome
from localcloud.faults import Kind, Target
from localcloud.machines import Machine, Queue

Json = dict[str, Any]

submitted_retry_strategy: ContextVar[Json | None] = ContextVar("submitted_retry_strategy", default=None)
"""Of the SubmitJob request that is being answered; moto drops it."""
_NO_CAPACITY = "Canceled by JobStateTimeLimit action due to reason: {}"
_DEFAULT_TIMEOUT_SECONDS = 14 * 24 * 3600.0


class Site(Protocol):
    """What a job needs of the cloud that it runs in."""

    def queue(self, name: str) -> Queue:
        """The queue of that name."""
        ...

    def place(self, queue: Queue, vcpus: int, is_cancelled: Callable[[], bool]) -> Machine | None:
        """As `Fleet.place`."""
        ...

    def release(self, machine: Machine, vcpus: int) -> None:
        """As `Fleet.release`."""
        ...

    def is_befallen(self, target: Target, *kinds: Kind) -> bool:
        """Whether such a fault befalls the job now."""
        ...

    def run(self, job: "LocalJob", machine: Machine, number: int) -> Attempt:
        """Runs an attempt to its end."""
        ...


class LocalJob(moto_batch.Job):
    """A job whose container is a process."""

    def __init__(self, site: Site, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._site = site
        self.retry_strategy = submitted_retry_strategy.get() or self.job_definition.retry_strategy or {}
        self.ran: list[Attempt] = []
        self._terminating = threading.Lock()
        self.last: Outcome | None = None

    @property
    def command(self) -> list[str]:
        """Of the container: the submission's, or the definition's."""
        return self._add_parameters_to_command(self._get_container_property("command", []))

    @property
    def target(self) -> Target:
        return Target.of_command(self.command)

    @property
    def vcpus(self) -> int:
        overriding = self.container_overrides.get("resourceRequirements") or []
        defined = (self.job_definition.container_properties or {}).get("resourceRequirements") or []
        wanted = {need["type"]: int(need["value"]) for need in (*defined, *overriding)}
        return wanted.get("VCPU", 1)

    def run(self) -> None:
        """The job's life, in a thread of its own."""
        queue = self._site.queue(self.job_queue.name)
        attempts = int(self.retry_strategy.get("attempts", 1))
        try:
            for number in range(1, attempts + 1):
                outcome = self._try(queue, number)
                if outcome is None:
                    break
                self.last = outcome
                self.exit_code, self.job_stopped_reason = outcome.exit_code, outcome.status_reason
                if self.stop or outcome.exit_code == 0 or not is_retried(self.retry_strategy, outcome):
                    break
            self._mark_stopped(success=not self.stop and self.last is not None and self.last.exit_code == 0)
        except Exception as error:
            self.job_stopped_reason = f"localcloud: {error!r}"
            self._mark_stopped(success=False)
            raise

    def _try(self, queue: Queue, number: int) -> Outcome | None:
        """One attempt; None when the job is cancelled before it begins."""
        self.status = JobStatus.RUNNABLE
        for reason in queue.capacity_reasons:
            if reason.startswith("CAPACITY:") and self._site.is_befallen(self.target, Kind.NO_CAPACITY):
                self.job_stopped_reason = _NO_CAPACITY.format(reason)
                return None
        machine = self._site.place(queue, self.vcpus, lambda: self.stop)
        if machine is None:
            return None
        try:
            self.status = JobStatus.RUNNING
            self.job_started_at = datetime.datetime.now()
            self._start_attempt()
            attempt = self._site.run(self, machine, number)
        finally:
            self._site.release(machine, self.vcpus)
        assert attempt.outcome is not None, "it has run to its end"
        assert self.latest_attempt is not None, "it was begun above"
        self.latest_attempt["container"] |= _container(attempt.outcome)
        self.latest_attempt["statusReason"] = attempt.outcome.status_reason
        self.job_stopped_at = datetime.datetime.now()
        self._stop_attempt()
        return attempt.outcome

    def begin(self, attempt: Attempt) -> None:
        """Told by the site of an attempt before its process starts."""
        self.log_stream_name = attempt.log.stem
        with self._terminating:
            self.ran.append(attempt)
            is_late = self.stop
        if is_late:
            attempt.terminate(str(self.job_stopped_reason))

    def terminate(self, reason: str) -> None:
        """TerminateJob: no further attempt, and the end of a running one."""
        with self._terminating:
            if not self.stop:
                super().terminate(reason)
            running = [attempt for attempt in self.ran if attempt.outcome is None]
        for attempt in running:
            attempt.terminate(reason)

    def describe(self) -> Json:
        """As moto's, with what Batch says of the container of the last attempt."""
        described: Json = super().describe()
        if self.last is not None and self.job_stopped:
            described["container"] |= _container(self.last)
        return described

    @property
    def timeout_seconds(self) -> float:
        """Longest run of one attempt."""
        return float(self._get_attempt_duration() or _DEFAULT_TIMEOUT_SECONDS)

    @property
    def environment(self) -> dict[str, str]:
        """Of the container, as definition and submission state it."""
        defined = (self.job_definition.container_properties or {}).get("environment", [])
        overriding = self.container_overrides.get("environment", [])
        return {entry["name"]: entry["value"] for entry in (*defined, *overriding)}

    @property
    def mounts(self) -> dict[str, Path]:
        """Container path of each mounted host path."""
        properties = self.job_definition.container_properties or {}
        hosts = {volume["name"]: volume["host"]["sourcePath"] for volume in properties.get("volumes", [])}
        return {
            mount["containerPath"]: Path(hosts[mount["sourceVolume"]]) for mount in properties.get("mountPoints", [])
        }

    @property
    def role_arn(self) -> str:
        """The role whose rights its process has."""
        return str((self.job_definition.container_properties or {})["jobRoleArn"])


def is_retried(strategy: Json, outcome: Outcome) -> bool:
    """What a retry strategy's rules say; what matches none of them is retried (Batch User Guide, "evaluateOnExit")."""
    seen = {
        "onStatusReason": outcome.status_reason,
        "onReason": outcome.reason or "",
        "onExitCode": "" if outcome.exit_code is None else str(outcome.exit_code),
    }
    rules: Sequence[Json] = strategy.get("evaluateOnExit") or ()
    for rule in rules:
        patterns = {name: str(rule[name]) for name in seen if name in rule}
        if all(_matches(pattern, seen[name]) for name, pattern in patterns.items()):
            return str(rule["action"]).upper() == "RETRY"
    return True


def _matches(pattern: str, text: str) -> bool:
    """A ``*`` may stand at the end only; case does not matter."""
    start = re.escape(pattern.removesuffix("*"))
    return re.fullmatch(start + (".*" if pattern.endswith("*") else ""), text, re.IGNORECASE | re.DOTALL) is not None


def _container(outcome: Outcome) -> Json:
    known = {"exitCode": outcome.exit_code, "reason": outcome.reason}
    return {name: value for name, value in known.items() if value is not None}
