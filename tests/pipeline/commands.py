"""`sr` commands as real processes that start at once.

A fork server imports everything that the pipeline needs, torch included, and runs none of it. Each command is a fork
of it: a process of its own that can be killed, at a fraction of what an interpreter takes to start. That is sound as
long as the server has a single thread, which every command checks before it begins.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from sr_core.contract import PROGRAM, ExitCode
from sr_core.video import nursery

from .script import Journal, Player, Script

PRELOADED = [
    "sr_core.cli.main",
    "sr_core.cli.run",
    "sr_core.cli.stage",
    "sr_core.cli.probe",
    "sr_core.models.loading",
    "sr_core.stages.assemble",
    "sr_core.stages.encode",
    "sr_core.stages.extract",
    "sr_core.stages.upscale",
    "sr_core.storage.s3",
    "tests.pipeline.commands",
    "tests.pipeline.preloaded",
]
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For the server: some libraries start their threads when they are imported."""

_TIMEOUT_SECONDS = 60.0
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_CAPABILITY_VERSION = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of capset(2), whose sets have six words in all."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """The exit code; the negative number of a signal that ended it."""
    stdout: str
    stderr: str
    journal: Journal

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass
class Running:
    """A command that was started."""

    process: ForkServerProcess
    folder: Path
    _ended: Ended | None = field(default=None, init=False)

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        """Asks it to stop, with SIGTERM."""
        self.process.terminate()

    def wait_for_frames(self, count: int, *, seconds: float = _TIMEOUT_SECONDS) -> None:
        """Until the command has begun to upscale so many."""
        deadline = time.monotonic() + seconds
        while Journal.read(self.folder / "journal").frames_upscaled < count:
            assert time.monotonic() < deadline, f"{count} frames were not upscaled"
            time.sleep(0.01)

    def wait(self, *, seconds: float = _TIMEOUT_SECONDS) -> Ended:
        """Fails the test when the command has not ended by then."""
        if self._ended is None:
            self.process.join(seconds)
            code = self.process.exitcode
            if code is None:
                self.kill()
                pytest.fail(f"the command has not ended after {seconds:.0f} s")
            stdout, stderr = ((self.folder / name).read_text() for name in ("stdout", "stderr"))
            self._ended = Ended(code, stdout, stderr, Journal.read(self.folder / "journal"))
            self.process.close()
        return self._ended


@contextmanager
def serving() -> Iterator[None]:
    """The fork server is there; waits for its imports."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SINGLE_THREAD.items():
            patch.setenv(name, value)
        context = get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=_nothing)
        process.start()
        process.join()
        assert process.exitcode == 0
        yield


def _nothing() -> None:
    """A fork that only waits for the server to be ready."""


class Commands:
    """Starts `sr` commands in `folder`."""

    def __init__(self, folder: Path, notes: Path) -> None:
        self.folder = folder
        self._notes = notes
        self._running: list[Running] = []

    def start(
        self,
        *arguments: str | Path,
        script: Script | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """Starts ``sr ARGUMENTS``; `environment` is added to the server's."""
        notes = self._notes / f"{len(self._running):03d}"
        notes.mkdir(parents=True)
        for name in ("stdout", "stderr"):
            (notes / name).touch()  # it may be killed before it does anything
        process = get_context("forkserver").Process(
            target=_command,
            args=(list(map(str, arguments)), script or Script(), notes, self.folder, environment or {}),
        )
        process.start()
        self._running.append(Running(process, notes))
        return self._running[-1]

    def run(
        self,
        *arguments: str | Path,
        script: Script | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Starts ``sr ARGUMENTS`` and waits for its end."""
        return self.start(*arguments, script=script, environment=environment).wait()

    def end(self) -> None:
        """Kills what still runs."""
        for running in self._running:
            if running._ended is None:
                running.kill()
                running.process.join()


def _command(arguments: list[str], script: Script, notes: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """What the fork does: becomes `sr` in `folder`, its output in files."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        target = os.open(notes / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, descriptor)
        os.close(target)
    thread_count = sum(1 for _ in Path(f"/proc/{os.getppid()}/task").iterdir())
    assert thread_count == 1, f"the fork server has {thread_count} threads: a fork of it may hang"
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = [PROGRAM, *arguments]
    if script.without_privileges:
        _drop_capabilities()
    if script.file_limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (script.file_limit_bytes, resource.RLIM_INFINITY))
    if script.file_limit_bytes is not None or script.without_privileges:
        nursery.start(own=True)  # which is held to the same
    Player(script, notes / "journal").install()

    from sr_core.cli.main import main

    raise SystemExit(ExitCode(main()))


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
