"""What is done to a command from the inside while it runs, at moments that can be named: killing, signalling, meeting.

An edge is a call that changes what other processes see: of a store (put, put_bytes, create, delete), of `publish`, and
of the operating system (link, replace, unlink, rmdir, mkdir). The last kind counts from the moment publishing begins,
or from the start if the script says so. Edges are numbered from 0.

This runs in the command's own process and writes what happens to a journal that outlives it.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sr_core.cli import run as run_command
from sr_core.cli import signals as stopping
from sr_core.cli import spot_notice
from sr_core.cli import stage as stage_command
from sr_core.contract import Stage
from sr_core.inference.upscaler import FrameUpscaler
from sr_core.progress import Progress
from sr_core.stages import assemble as assemble_stage
from sr_core.storage.local import LocalStore
from sr_core.storage.s3 import S3Store

Side = Literal["before", "after"]

_STORE_EDGES = ("put", "put_bytes", "create", "delete")
_SYSTEM_EDGES = ("link", "replace", "unlink", "rmdir", "mkdir")
_MEETING_SECONDS = 30.0
_IDLE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens to one command. By default nothing does."""

    kill_at: tuple[Side, str | int] | None = None
    """SIGKILL before or after the edge of that name or number."""
    kill_when_idle: bool = False
    """Whether it waits until no frame has been upscaled for a while: until work has got ahead as far as it does."""
    every_edge: bool = False
    """Whether calls of the operating system are edges from the start."""
    signal_at: tuple[Stage, int] | None = None
    """`signals`, once the stage has told of that many frames of progress."""
    signals: tuple[signal.Signals, ...] = ()
    frame_seconds: float = 0.0
    """How much longer than it takes upscaling a frame shall take."""
    poll_seconds: float = spot_notice.POLL_SECONDS
    """How often the metadata service is asked for a Spot notice."""
    grace_seconds: float = stopping.TERM_GRACE_SECONDS
    """What SIGTERM leaves, and what comes after it, in the same proportion."""
    meet_at: tuple[str, Path, int] | None = None
    """Before the edge of that name, wait until so many processes are there; the folder is their meeting place."""
    file_limit_bytes: int | None = None
    """No file can become larger: a disk that is full, where no small one can be mounted."""
    without_privileges: bool = False
    """Permissions count, also for root."""


@dataclass(frozen=True)
class Journal:
    """What a command did."""

    edges: tuple[str, ...]
    frames_upscaled: int

    @classmethod
    def read(cls, path: Path) -> "Journal":
        lines = path.read_text().splitlines() if path.exists() else []
        edges = tuple(line.removeprefix("edge ") for line in lines if line.startswith("edge "))
        return cls(edges, lines.count("frame"))


class Player:
    """Follows a script. To be installed in a process that then runs one command and ends."""

    def __init__(self, script: Script, journal: Path) -> None:
        self._script = script
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._next_edge = 0
        self._frames = 0
        self._has_signalled = False

    def install(self) -> None:
        # What a killed process wrote stays; only a loss of power would take it.
        _wrap(os, "fsync", lambda _: lambda _: None)
        stopping.OVERDUE_SECONDS *= self._script.grace_seconds / stopping.TERM_GRACE_SECONDS
        stopping.TERM_GRACE_SECONDS = self._script.grace_seconds
        spot_notice.POLL_SECONDS = self._script.poll_seconds
        if self._script.every_edge:
            self._watch_system()
        for store in (LocalStore, S3Store):
            for name in _STORE_EDGES:
                _wrap(store, name, lambda call, name=name: self._edge(call, f"{name} {{1}}"))
        _wrap(assemble_stage, "publish", lambda publish: self._publishing(self._edge(publish, "publish")))
        _wrap(FrameUpscaler, "upscale", self._counted)
        for command in (run_command, stage_command):
            _wrap(command, "progress_display", self._watched)

    def _edge(self, call: Callable[..., Any], pattern: str) -> Callable[..., Any]:
        """The call as an edge; `pattern` makes its name of its positional arguments."""

        def edge(*args: Any, **kwargs: Any) -> Any:
            name = _without_digest(pattern.format(*args))
            number, self._next_edge = self._next_edge, self._next_edge + 1
            self._tell(f"edge {name}")
            self._meet(name)
            self._reach("before", name, number)
            result = call(*args, **kwargs)
            self._reach("after", name, number)
            return result

        return edge

    def _publishing(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        """From here on every file that gets or loses a name is an edge: of publishing, then of cleaning up."""

        def publishing(*args: Any, **kwargs: Any) -> Any:
            if not self._script.every_edge:
                self._watch_system()
            return publish(*args, **kwargs)

        return publishing

    def _watch_system(self) -> None:
        for name in _SYSTEM_EDGES:
            _wrap(os, name, lambda call, name=name: self._edge(call, f"{name} {{0}}"))

    def _reach(self, side: Side, name: str, number: int) -> None:
        if self._script.kill_at in ((side, name), (side, number)):
            if self._script.kill_when_idle:
                self._wait_until_idle()
            os.kill(os.getpid(), signal.SIGKILL)

    def _wait_until_idle(self) -> None:
        before = -1
        while self._frames != before:
            before = self._frames
            time.sleep(_IDLE_SECONDS)

    def _meet(self, name: str) -> None:
        if self._script.meet_at is None or self._script.meet_at[0] != name:
            return
        _, folder, count = self._script.meet_at
        (folder / str(os.getpid())).touch()
        deadline = time.monotonic() + _MEETING_SECONDS
        while sum(1 for _ in folder.iterdir()) < count:
            assert time.monotonic() < deadline, f"nobody else came to {name}"
            time.sleep(0.002)

    def _counted(self, upscale: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            time.sleep(self._script.frame_seconds)
            self._frames += 1
            self._tell("frame")
            return upscale(*args, **kwargs)

        return counted

    def _watched(self, display: Callable[[], Any]) -> Callable[[], Any]:
        @contextmanager
        def watched() -> Iterator[Progress]:
            with display() as progress:

                def tell(stage: Stage, done_frames: int, total_frames: int) -> None:
                    progress(stage, done_frames, total_frames)
                    self._signal(stage, done_frames)

                yield tell

        return watched

    def _signal(self, stage: Stage, done_frames: int) -> None:
        wanted = self._script.signal_at
        if wanted is not None and not self._has_signalled and stage == wanted[0] and done_frames >= wanted[1]:
            self._has_signalled = True
            for number in self._script.signals:
                os.kill(os.getpid(), number)

    def _tell(self, line: str) -> None:
        os.write(self._journal, line.encode("unicode_escape") + b"\n")


def _wrap(owner: Any, name: str, wrapped: Callable[..., Callable[..., Any]]) -> None:
    setattr(owner, name, wrapped(getattr(owner, name)))


def _without_digest(name: str) -> str:
    """``put segments/00001-5d41….mkv`` becomes ``put segments/00001``: a name that is the same from job to job."""
    return re.sub(r"[-.]?[0-9a-f]{16,}(\.(mkv|nut))?", "", name)
