"""`python -m localcloud.zygote FD [MODULE …]`: has imported the command, and becomes a job for each line that it reads.

Started by `processes.WarmFork`, over a socket. It reads ``{"command": […], "environment": {…}, "folder": …, "log": …}``
and answers ``{"started": pid}``, later ``{"ended": pid, "status": exit code or −signal}``. It has a single thread, so
that its forks are sound; when the socket closes, it kills what it has started and ends.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sr_core.contract import PROGRAM

WARM_MODULES: Sequence[str] = (
    "sr_core.cli.main",
    "sr_core.cli.stage",
    "sr_core.models.loading",
    "sr_core.stages.assemble",
    "sr_core.stages.encode",
    "sr_core.stages.extract",
    "sr_core.stages.upscale",
    "sr_core.storage.s3",
)
"""What the command imports when it knows what to do. Only names: a module more or less changes no result."""
_NURSERY = "sr_core.video.nursery"
"""Started once for all jobs: the imports of the process that it is take as long as a short job."""
_READ_BYTES = 65536


def main(descriptor: int, also: Sequence[str]) -> None:
    """Serves until the socket closes; a fork runs its command and exits. `also` names modules to be imported."""
    channel = socket.socket(fileno=descriptor)
    (script,) = entry_points(group="console_scripts", name=PROGRAM)
    program: Callable[[], int] = script.load()
    for module in (*WARM_MODULES, *also):
        import_module(module)
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise SystemExit("an import has started a thread: a fork of this process may hang")
    import_module(_NURSERY).start()
    gc.freeze()  # else the first collection in a fork copies all memory
    order = _serve(channel)
    if order is not None:
        _become(order)
        code = program()
        sys.stdout.flush()
        os._exit(code)  # at once: to take down what the server imported takes longer than most jobs


def _serve(channel: socket.socket) -> Mapping[str, Any] | None:
    """In the server: None at the end. In a fork: what it shall become."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: set[int] = set()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not channel:
                    os.read(woken, _READ_BYTES)
                    _reap(channel, running)
                    continue
                data = channel.recv(_READ_BYTES)
                if not data:
                    for pid in running:
                        os.killpg(pid, signal.SIGKILL)
                    return None
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    pid = os.fork()
                    if pid == 0:
                        os.setsid()
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        channel.close()
                        found: Mapping[str, Any] = json.loads(line)
                        return found
                    running.add(pid)
                    _tell(channel, {"started": pid})


def _reap(channel: socket.socket, running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if pid in running:  # not the nursery, which was killed: the next job starts its own
            running.remove(pid)
            _tell(channel, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(channel: socket.socket, message: Mapping[str, int]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


def _become(order: Mapping[str, Any]) -> None:
    """The job's environment, folder and output, in place of the server's."""
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    tempfile.tempdir = None  # where the server's temporary files would go
    sys.argv = [PROGRAM, *order["command"]]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
