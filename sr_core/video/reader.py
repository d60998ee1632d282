"""What the nursery does, and what a reader does: a process that runs one job on untrusted media, and ends.

The nursery never looks at a job or at media itself and has a single thread. A job arrives as one byte with two sockets:
one that gives the pickled `Job` and takes the reader's messages, and one for control. On that the nursery tells how the
reader ended, as JSON of `Outcome`; when its other side is closed, the reader and all that it started are killed.
"""

import gc
import json
import os
import pickle
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import av

from sr_core.errors import HostCapacity, SrError
from sr_core.media_limits import Limits
from sr_core.video import limits, messages
from sr_core.video.confinement import Bounds, confine, die_with, get_ready
from sr_core.video.write import DISK_IS_FULL

Tell = Callable[[Any], None]
"""Sends a value to whoever waits for it; blocks while they have enough to do."""

HELLO = "pid"
ITEM, DONE, FAILED, OUT_OF_MEMORY, BROKEN, DEFECT = "item", "done", "failed", "memory", "broken", "defect"
"""What a message of a reader is: a pair of one of these and a value."""

_CONTENT_ERRORS = (av.FFmpegError, ValueError, ArithmeticError, LookupError, EOFError, OSError)
"""What reading a damaged file raises where nobody expected it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a reader is to do: ``function(tell, *arguments)``. It comes from the trusted side, so it may be pickled."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    bounds: Bounds
    limits: Limits
    folder: str
    """The working directory that relative paths count from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a reader ended."""

    signal: int
    """The signal that ended it, or 0."""
    peak_memory_bytes: int
    cpu_seconds: float


def serve(descriptor: int) -> None:
    """Forks a reader for every job that arrives at that socket, until nobody is left who could send one."""
    requests = socket.socket(fileno=descriptor)
    get_ready()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    controls: dict[int, socket.socket] = {}
    """By the reader's process id."""
    unwanted: set[int] = set()
    """Process ids of readers that were killed and have not ended yet."""
    gc.collect()
    gc.freeze()  # so that readers share the memory of what is imported
    while True:
        poll = select.poll()
        watched = [control.fileno() for pid, control in controls.items() if pid not in unwanted]
        for descriptor in (requests.fileno(), wake_read, *watched):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        for pid, control in controls.items():
            if control.fileno() in ready:
                _kill_group(pid)
                unwanted.add(pid)
        if wake_read in ready:
            os.read(wake_read, 4096)
            _reap(controls)
            unwanted &= controls.keys()
        if requests.fileno() in ready:
            request = _receive(requests)
            if request is None:
                break
            results, control = request
            nursery = os.getpid()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for other in (requests, control, *controls.values()):
                    other.close()
                _read(results, nursery=nursery)
            results.close()
            controls[pid] = control
    for pid in controls:
        _kill_group(pid)


def _receive(requests: socket.socket) -> tuple[socket.socket, socket.socket] | None:
    data, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
    if not data:
        return None
    results, control = descriptors
    return socket.socket(fileno=results), socket.socket(fileno=control)


def _reap(controls: dict[int, socket.socket]) -> None:
    """Tells of the readers that have ended, after ending whatever they started."""
    for pid in list(controls):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            continue
        _kill_group(pid)
        _, status, usage = os.wait4(pid, 0)
        outcome = Outcome(
            signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            peak_memory_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )
        with suppress(OSError), controls.pop(pid) as control:
            control.sendall(json.dumps(asdict(outcome)).encode())


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it may not have made its group yet


def _read(results: socket.socket, *, nursery: int) -> NoReturn:
    """What a reader does: everything that ends it but a signal becomes a message."""
    code = 0
    try:
        os.setpgid(0, 0)
        die_with(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with results.makefile("rb") as file:
            job: Job = pickle.load(file)  # noqa: S301 — from the process that started us
        os.chdir(job.folder)
        limits.enforce(job.limits)
        _send(results, (HELLO, os.getpid()))
        confine(job.bounds)
        _run(job, results)
    except BrokenPipeError:
        code = 1  # nobody listens any more
    except BaseException:  # noqa: BLE001 — a fork must never return
        code = 1
        with suppress(Exception):
            _send(results, (DEFECT, traceback.format_exc()))
    finally:
        os._exit(code)


def _run(job: Job, results: socket.socket) -> None:
    try:
        value = job.function(lambda item: _send(results, (ITEM, item)), *job.arguments)
        answer: tuple[str, Any] = (DONE, value)
    except BrokenPipeError:
        raise
    except MemoryError:
        answer = (OUT_OF_MEMORY, None)
    except SrError as error:
        answer = (FAILED, error)
    except _CONTENT_ERRORS as error:
        if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
            answer = (FAILED, HostCapacity(f"no space left ({error}); free some or set another work folder"))
        else:
            answer = (BROKEN, f"{type(error).__name__}: {error}")
    _send(results, answer)


def _send(results: socket.socket, message: tuple[str, Any]) -> None:
    """Blocks while the other side has enough to do."""
    head, parts = messages.encode(message)
    results.sendall(head)
    for part in parts:
        results.sendall(part)
