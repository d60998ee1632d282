"""Jobs as processes: each leads a session of its own, which ends as a whole, as a container does.

Two ways to start one: a new interpreter, as a container would, or a fork of a server that has imported everything
already (`warm`), for hundreds of runs. Both run the very command; both are killed by real signals.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Protocol

from sr_core.contract import PROGRAM

_POLL_SECONDS = 0.02
_SIGNALLED = 128
"""A container's exit code is this plus the number of the signal that ended its process."""

SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For the warm server: a fork of a process with threads may hang."""
_WARM_UP_SECONDS = 120.0


class JobProcess(Protocol):
    """A job that was started."""

    pid: int
    """Also the number of its session and its process group."""

    def poll(self) -> int | None:
        """The exit code as a container reports it, or None while it runs."""
        ...


class Launcher(Protocol):
    """Starts jobs."""

    def start(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> JobProcess:
        """Starts ``sr COMMAND`` with exactly this environment, its output going to `log`."""
        ...


class NewInterpreter:
    """Starts the installed command."""

    def start(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> JobProcess:
        program = str(Path(sys.executable).parent / PROGRAM)
        return _popen([program, *command], environment=environment, folder=folder, log=log)


def exit_with(code: int, *, folder: Path, log: Path, before: str = "") -> JobProcess:
    """Starts a shell that exits with this code, having done nothing but `before`."""
    return _popen(["/bin/sh", "-c", f"{before}\nexit {code}"], environment={}, folder=folder, log=log)


def _popen(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> JobProcess:
    with log.open("ab") as output:
        return _Started(
            subprocess.Popen(  # noqa: S603 - the command that the state machine made
                command,
                env={**environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )


class _Started:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return _container_code(self._process.poll())


class WarmFork:
    """Starts jobs as forks of one `zygote`, which begins with this object and ends with `close`.

    Args:
        also: modules that the zygote imports besides, for what they do to the command.
    """

    def __init__(self, also: Sequence[str] = ()) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - this package's own server
                [sys.executable, "-m", "localcloud.zygote", str(theirs.fileno()), *also],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, **SINGLE_THREAD},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._starting = threading.Lock()
        self._started: Queue[_Forked] = Queue()
        self._running: dict[int, _Forked] = {}
        self._reader = threading.Thread(target=self._read, name="zygote", daemon=True)
        self._reader.start()

    def start(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> JobProcess:
        order = {"command": command, "environment": environment, "folder": str(folder), "log": str(log)}
        with self._starting:
            self._channel.sendall(json.dumps(order).encode() + b"\n")
            return self._started.get(timeout=_WARM_UP_SECONDS)

    def close(self) -> None:
        """Kills what still runs and ends the zygote."""
        self._channel.shutdown(socket.SHUT_WR)
        self._server.wait()
        self._reader.join()
        self._channel.close()

    def _read(self) -> None:
        with self._channel.makefile("r") as lines:
            for line in lines:
                message: dict[str, int] = json.loads(line)
                if "started" in message:
                    process = self._running[message["started"]] = _Forked(message["started"])
                    self._started.put(process)
                else:
                    self._running.pop(message["ended"]).code = message["status"]


class _Forked:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        return _container_code(self.code)


def _container_code(code: int | None) -> int | None:
    return code if code is None or code >= 0 else _SIGNALLED - code


def signal_session(process: JobProcess, number: signal.Signals) -> None:
    """Sends a signal to everything in the session of a job that runs; to nobody when it has ended."""
    if process.poll() is not None:
        return  # its number may be another's by now
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # A fork that was killed before it led a session of its own is in its parent's.
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def kill_rest(process: JobProcess) -> None:
    """Kills what a job that has just ended left behind in its session."""
    for pid in survivors([process.pid]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait(process: JobProcess, *, seconds: float) -> int | None:
    """The exit code, or None when the job still runs after so long."""
    deadline = time.monotonic() + seconds
    while (code := process.poll()) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return code


def survivors(sessions: Sequence[int]) -> list[int]:
    """Processes that are alive in sessions whose leaders have ended, whoever their parent is now.

    A number is not given to another process while a session bears it; one that leads a session of that number is
    another job's, or nobody's of ours.
    """
    wanted = {session for session in sessions if not Path(f"/proc/{session}").exists()}
    alive = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            state, _, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) in wanted and state not in ("Z", "X"):
            alive.append(int(entry.name))
    return sorted(alive)
