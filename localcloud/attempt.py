"""One attempt of a job: a process on a machine, with credentials of its own, and what became of it.

Owns what ends a process early and what Batch says of it then. It does not decide whether another attempt follows.
"""

import secrets
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from localcloud.faults import Fault, FaultPlan, Kind, Target
from localcloud.machines import Machine
from localcloud.metadata import NOTICE_SECONDS
from localcloud.policy import Policy
from localcloud.processes import JobProcess, kill_rest, signal_session, wait
from localcloud.s3_request import S3Request

EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SIGKILLED = 137
"""Exit code of a container that was killed."""
TERM_GRACE_SECONDS = 30.0
"""From SIGTERM to SIGKILL (ECS's stop timeout, which Batch does not let one change)."""
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What Batch records of an attempt."""

    exit_code: int | None
    """None where the machine went and nobody was left to tell."""
    reason: str | None
    """Of the container."""
    status_reason: str


@dataclass(slots=True, eq=False)
class Attempt:
    """A running or ended attempt. The access key names it to the edge."""

    job_id: str
    number: int
    """From 1."""
    target: Target
    machine: Machine
    policy: Policy
    """What its role may do."""
    plan: FaultPlan
    log: Path
    access_key: str = field(default_factory=lambda: f"ASIA{secrets.token_hex(8).upper()}")
    requests: list[tuple[S3Request, int]] = field(default_factory=list)
    """What it asked of S3, and the status of each answer."""
    faults: list[Fault] = field(default_factory=list)
    """What befell it."""
    started_at: float = field(default_factory=time.time)
    outcome: Outcome | None = None
    process: JobProcess | None = None
    _writes: int = 0
    _at_moment: Fault | None = None
    _verdict: Outcome | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self, process: JobProcess, *, timeout_seconds: float) -> Outcome:
        """Waits for the process, does to it what the plan says, and kills what is left of its session."""
        self.process = process
        self.machine.when_it_ends(self._host_ended)
        if self._verdict is not None:  # terminated, or without a machine, before it had a process
            threading.Thread(target=self._stop, daemon=True).start()
        self._at_moment = self._take(*_AT_A_MOMENT)
        deadline = time.monotonic() + timeout_seconds
        code = None
        while code is None and time.monotonic() < deadline:
            code = wait(process, seconds=_WATCH_SECONDS)
            fault = self._at_moment
            if (
                fault is not None
                and fault.moment.seconds is not None
                and time.time() - self.started_at >= fault.moment.seconds
            ):
                self._befall(fault)
        if code is None:
            self._end_with(Outcome(exit_code=137, reason=None, status_reason=TIMED_OUT))
            code = self._stop()
        kill_rest(process)
        self._end_with(Outcome(exit_code=code, reason=None, status_reason=EXITED))
        assert self._verdict is not None, "it has just been given, if it was not before"
        is_known = self._verdict.exit_code is not None or self.machine.is_gone
        self.outcome = self._verdict if is_known else replace(self._verdict, exit_code=code)
        self._ended.set()
        return self.outcome

    def terminate(self, reason: str) -> None:
        """What TerminateJob does: SIGTERM, and SIGKILL for whoever does not listen."""
        self._end_with(Outcome(exit_code=None, reason=None, status_reason=reason))
        if self.process is not None:
            threading.Thread(target=self._stop, daemon=True).start()

    def on_request(self, request: S3Request) -> Fault | None:
        """Before a request reaches S3: may end the attempt; returns what shall happen to the request, if anything."""
        if request.is_write:
            self._reach("before", self._writes)
        return self._take(Kind.S3_503, Kind.S3_CUT)

    def on_answer(self, request: S3Request, status: int) -> None:
        """After S3 has done what was asked, before the job hears of it: may end the attempt."""
        self.requests.append((request, status))
        if request.is_write:
            number, self._writes = self._writes, self._writes + 1
            self._reach("after", number)

    def take_before_start(self) -> Fault | None:
        """What shall happen instead of, or to, the start of the process."""
        return self._take(Kind.EXIT, Kind.DISK_FULL)

    @property
    def is_killed(self) -> bool:
        """Whether the process has been, or is being, killed; what it asks for then reaches nobody."""
        return self.machine.is_gone or (self._verdict is not None and self._verdict.reason == OUT_OF_MEMORY)

    def _take(self, *kinds: Kind) -> Fault | None:
        fault = self.plan.take(self.target, *kinds)
        if fault is not None:
            self.faults.append(fault)
        return fault

    def _reach(self, side: str, write: int) -> None:
        fault = self._at_moment
        if fault is not None and (fault.moment.side, fault.moment.write) == (side, write):
            self._befall(fault)

    def _befall(self, fault: Fault) -> None:
        with self._lock:
            if self._at_moment is None:
                return
            self._at_moment = None
        assert self.process is not None, "faults come to those who run"
        match fault.kind:
            case Kind.VANISH:
                self.machine.end()
            case Kind.NOTICE | Kind.RECLAIM:
                self.machine.notice()
                if fault.kind == Kind.RECLAIM:
                    signal_session(self.process, signal.SIGTERM)
                threading.Thread(target=self._end_of_notice, daemon=True).start()
            case Kind.OOM:
                self._end_with(Outcome(exit_code=137, reason=OUT_OF_MEMORY, status_reason=EXITED))
                signal_session(self.process, signal.SIGKILL)
            case Kind.HANG:
                signal_session(self.process, signal.SIGSTOP)
                self._end_with(Outcome(exit_code=137, reason=None, status_reason=TIMED_OUT))
                threading.Thread(target=self._stop, kwargs={"grace_seconds": 0.5}, daemon=True).start()

    def _end_of_notice(self) -> None:
        """The machine ends, with whoever is still on it; when nobody is, no two minutes are waited for."""
        self._ended.wait(NOTICE_SECONDS)
        self.machine.end()

    def _host_ended(self) -> None:
        self._end_with(
            Outcome(exit_code=None, reason=None, status_reason=f"Host EC2 (instance {self.machine.id}) terminated.")
        )
        if self.process is not None:
            signal_session(self.process, signal.SIGKILL)

    def _stop(self, *, grace_seconds: float = TERM_GRACE_SECONDS) -> int | None:
        assert self.process is not None
        signal_session(self.process, signal.SIGTERM)
        code = wait(self.process, seconds=grace_seconds)
        if code is None:
            signal_session(self.process, signal.SIGKILL)
            code = wait(self.process, seconds=grace_seconds)
        return code

    def _end_with(self, outcome: Outcome) -> None:
        """The first to end an attempt has the say about what Batch records."""
        with self._lock:
            self._verdict = self._verdict or outcome


_AT_A_MOMENT: Sequence[Kind] = (Kind.RECLAIM, Kind.NOTICE, Kind.VANISH, Kind.OOM, Kind.HANG)
