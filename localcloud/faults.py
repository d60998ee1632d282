"""Faults on demand: what shall go wrong, for which job, when, how often; and the words in which one asks for it.

    KIND[=VALUE]:STAGE[/CHUNK][:TIMES][@MOMENT]

    reclaim:upscale:2              the machine is taken away with notice, from the first two attempts
    vanish:extract@before-2        … without notice, before the job's write no. 2 (from 0) reaches S3
    exit=69:upscale/1:all          every attempt on chunk 1 exits with 69

Owns the plan and its counting. How a fault is brought about is known to whoever asks the plan.
"""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Self

from sr_core.contract import Stage


class FaultError(ValueError):
    """A fault that cannot be understood. One line: what is wrong, and what to write."""


class Kind(StrEnum):
    """What can go wrong."""

    RECLAIM = "reclaim"
    """The Spot notice and SIGTERM, then, for whoever is still there after two minutes, the machine's end."""
    NOTICE = "notice"
    """The notice alone, as where ECS leaves a standalone task running: the worker has to look for it."""
    VANISH = "vanish"
    """The machine is gone at once."""
    NO_CAPACITY = "no-capacity"
    """The queue's time limit cancels the waiting job, if it has one for want of capacity."""
    EXIT = "exit"
    """The job exits with this code, having done nothing."""
    OOM = "oom"
    """The kernel kills the job for its memory."""
    HANG = "hang"
    """The job stands still until its timeout."""
    DISK_FULL = "disk-full"
    """The job cannot write files of more than this many bytes."""
    THROTTLE = "throttle"
    """Submitting the job is refused: too many requests."""
    CAUSE = "cause"
    """The failure's Cause is this text instead of the job's JSON."""
    CUT_CAUSE = "cut-cause"
    """The Cause ends after so many characters."""
    S3_503 = "s3-503"
    """S3 answers the job's request with 503 Slow Down."""
    S3_CUT = "s3-cut"
    """The connection to S3 breaks: before the answer to a write, in the middle of what is read."""


Side = Literal["before", "after"]

_WITH_MOMENT = {Kind.RECLAIM, Kind.NOTICE, Kind.VANISH, Kind.OOM, Kind.HANG}
_DEFAULT_VALUE = {Kind.EXIT: "1", Kind.DISK_FULL: "20000", Kind.CAUSE: "Service unavailable", Kind.CUT_CAUSE: "60"}
_FORM = re.compile(
    r"(?P<kind>[a-z0-9-]+)(?:=(?P<value>[^:]*))?:(?P<stage>[a-z]+)(?:/(?P<chunk>\d+))?"
    r"(?::(?P<times>\d+|all))?(?:@(?P<moment>[a-z0-9.-]+))?"
)
_MOMENT = re.compile(r"(?P<side>before|after)-(?P<write>\d+)|(?P<seconds>\d+(?:\.\d+)?)s")
_ALWAYS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When in an attempt: at one of its writes to S3, or so many seconds after its start."""

    side: Side = "after"
    write: int | None = 0
    """Counted from 0; parts of an upload and removals count."""
    seconds: float | None = None
    """In place of `write`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``before-N``, ``after-N`` or ``SECONDSs``. Raises FaultError."""
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise FaultError(f"{text!r} is not a moment; write before-N or after-N (N: a write, from 0) or 1.5s")
        if match["seconds"] is not None:
            return cls(write=None, seconds=float(match["seconds"]))
        return cls(side="before" if match["side"] == "before" else "after", write=int(match["write"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: Kind
    stage: Stage
    chunk: int | None = None
    """None: whichever comes first."""
    times: int = 1
    """Attempts that it befalls; for S3's faults, requests."""
    value: str = ""
    moment: Moment = Moment()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the form that this module's docstring shows. Raises FaultError."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise FaultError(f"{text!r} is not a fault; write KIND[=VALUE]:STAGE[/CHUNK][:TIMES][@MOMENT]")
        try:
            kind, stage = Kind(match["kind"]), Stage(match["stage"])
        except ValueError:
            raise FaultError(f"{text!r}: kinds are {', '.join(Kind)}; stages are {', '.join(Stage)}") from None
        if match["moment"] is not None and kind not in _WITH_MOMENT:
            raise FaultError(f"{text!r}: only {', '.join(sorted(_WITH_MOMENT))} happen at a moment")
        value = match["value"] or _DEFAULT_VALUE.get(kind, "")
        if kind in (Kind.EXIT, Kind.DISK_FULL, Kind.CUT_CAUSE) and not value.isdecimal():
            raise FaultError(f"{text!r}: {kind} takes a number, as in {kind}={_DEFAULT_VALUE[kind]}")
        times = match["times"]
        return cls(
            kind=kind,
            stage=stage,
            chunk=None if match["chunk"] is None else int(match["chunk"]),
            times=1 if times is None else _ALWAYS if times == "all" else int(times),
            value=value,
            moment=Moment() if match["moment"] is None else Moment.parse(match["moment"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom a fault may befall: a job, as its command names it."""

    stage: Stage
    chunk: int | None

    @classmethod
    def of_command(cls, command: list[str]) -> Self:
        """Reads ``upscale --job URI --chunk 7``."""
        chunk = int(command[command.index("--chunk") + 1]) if "--chunk" in command else None
        return cls(stage=Stage(command[0]), chunk=chunk)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int


@dataclass(slots=True)
class FaultPlan:
    """The faults that are still to come. Safe to be asked by many threads."""

    faults: Iterable[Fault] = ()
    befallen: list[tuple[Fault, Target]] = field(default_factory=list)
    """What has happened, in order."""
    _planned: list[_Planned] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._planned = [_Planned(fault, fault.times) for fault in self.faults]

    def take(self, target: Target, *kinds: Kind) -> Fault | None:
        """The next fault of these kinds that befalls `target`, which is thereby used up once."""
        with self._lock:
            for planned in self._planned:
                fault = planned.fault
                fits = fault.kind in kinds and fault.stage == target.stage and fault.chunk in (None, target.chunk)
                if fits and planned.left > 0:
                    planned.left -= 1
                    self.befallen.append((fault, target))
                    return fault
        return None
