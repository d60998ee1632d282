"""Machines of a fleet: started when a job waits, shared by as many jobs as fit, gone when they are reclaimed.

    queue ──> its compute environments in order ──> a machine with free vCPUs, or a new one below the environment's cap

Owns placement and capacity. What runs on a machine is known to the attempts; it only tells them that it is gone.
"""

import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.metadata import MetadataService

_SIZE = re.compile(r"[a-z0-9-]+\.(?:(\d*)xlarge|large)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A compute environment, as deployed."""

    name: str
    is_spot: bool
    max_vcpus: int
    instance_type: str
    """The first of its types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A job queue, as deployed."""

    name: str
    priority: int
    environments: Sequence[Environment]
    """In their order."""
    capacity_reasons: Sequence[str] = ()
    """For which its time limit cancels the job at its head."""


class Machine:
    """One machine: scratch folder, cache, metadata service, free vCPUs."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.id = f"i-{secrets.token_hex(8)}0"
        self.environment = environment
        self.free_vcpus = vcpus_of(environment.instance_type)
        self.folder = folder / self.id
        self.folder.mkdir(parents=True)
        self.metadata = MetadataService(self.id, environment.instance_type, is_spot=environment.is_spot)
        self.is_gone = False
        self.is_noticed = False
        self._on_end: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def when_it_ends(self, action: Callable[[], None]) -> None:
        """Calls `action` when the machine ends, at once if it has ended."""
        with self._lock:
            if not self.is_gone:
                self._on_end.append(action)
                return
        action()

    def notice(self) -> None:
        """The Spot notice: jobs on it can read it, and no other is placed there (ECS drains the machine)."""
        self.is_noticed = True
        self.metadata.notice()

    def end(self) -> None:
        """The machine is gone, and with it everything that runs on it."""
        with self._lock:
            if self.is_gone:
                return
            self.is_gone = True
            actions, self._on_end = self._on_end, []
        for action in actions:
            action()
        self.metadata.close()


def vcpus_of(instance_type: str) -> int:
    """vCPUs by the size in a type's name: ``large`` 2, ``xlarge`` 4, ``Nxlarge`` 4 N. Raises ValueError for others."""
    match = _SIZE.fullmatch(instance_type)
    if match is None:
        raise ValueError(f"{instance_type} has a size that localcloud does not know")
    return 2 if match[1] is None else 4 * int(match[1] or 1)


@dataclass(eq=False, slots=True)
class _Waiting:
    queue: Queue
    vcpus: int
    machine: Machine | None = None
    is_cancelled: bool = False


@dataclass(slots=True)
class Fleet:
    """All machines. `slots` bounds the jobs that run at once, because this machine's cores do."""

    folder: Path
    slots: int
    machines: list[Machine] = field(default_factory=list)
    _waiting: list[_Waiting] = field(default_factory=list)
    _running: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def place(self, queue: Queue, vcpus: int, is_cancelled: Callable[[], bool]) -> Machine | None:
        """Waits for room on a machine of the queue's environments; None when `is_cancelled` says so first."""
        waiting = _Waiting(queue, vcpus)
        with self._changed:
            self._waiting.append(waiting)
            self._waiting.sort(key=lambda entry: -entry.queue.priority)  # stable: first come, first served
            try:
                while waiting.machine is None:
                    if is_cancelled():
                        return None
                    self._place_all()
                    if waiting.machine is None:
                        self._changed.wait(0.1)
                return waiting.machine
            finally:
                self._waiting.remove(waiting)

    def release(self, machine: Machine, vcpus: int) -> None:
        """Gives back what `place` took."""
        with self._changed:
            self._running -= 1
            machine.free_vcpus += vcpus
            self._changed.notify_all()

    def close(self) -> None:
        """Ends all machines."""
        for machine in self.machines:
            machine.end()

    def _place_all(self) -> None:
        for waiting in self._waiting:
            if waiting.machine is None and self._running < self.slots:
                waiting.machine = self._find(waiting.queue, waiting.vcpus)
                if waiting.machine is not None:
                    waiting.machine.free_vcpus -= waiting.vcpus
                    self._running += 1
                    self._changed.notify_all()

    def _find(self, queue: Queue, vcpus: int) -> Machine | None:
        self.machines = [machine for machine in self.machines if not machine.is_gone]
        for environment in queue.environments:
            own = [machine for machine in self.machines if machine.environment.name == environment.name]
            for machine in own:
                if machine.free_vcpus >= vcpus and not machine.is_noticed:
                    return machine
            started = sum(vcpus_of(machine.environment.instance_type) for machine in own)
            if started + vcpus_of(environment.instance_type) <= environment.max_vcpus:
                self.machines.append(Machine(environment, self.folder))
                return self.machines[-1]
        return None
