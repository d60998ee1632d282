"""The process that all readers of untrusted media are forked from: an interpreter with the libraries, and no secrets.

It is started once, with a scrubbed environment, and then forks a reader for each job, which takes milliseconds. What it
does is in `reader`; this is how it is started and sent jobs, and imports nothing that takes time. A process shares its
nursery with those it forks; it ends, with all its readers, when the last of them does.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from sr_core.video.confinement import scrubbed_environment

_END_SECONDS = 10.0
_NOT_FOR_US = [int(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
"""Sent to whole groups of processes. Whoever waits for a reader decides what becomes of it."""


def start(*, own: bool = False, also: Sequence[str] = ()) -> None:
    """Starts the nursery, if there is none, without waiting for it: its imports go on beside ours.

    With `own`, one that is shared with the process that forked this one does not count. It imports the modules `also`
    beside its own, so that its readers need not.
    """
    with _lock:
        _Nursery.also += [name for name in also if name not in _Nursery.also]
        if own:
            _Nursery.current = None
        _Nursery.of_this_process()


def send(descriptors: list[int]) -> None:
    """Hands a job to the nursery, to a new one where the last has been killed. See `reader` for the descriptors."""
    with _lock:
        try:
            _Nursery.of_this_process().send(descriptors)
        except (BrokenPipeError, ConnectionResetError):
            _Nursery.current = None
            _Nursery.of_this_process().send(descriptors)


class _Nursery:
    """One such process."""

    current: "_Nursery | None" = None
    also: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        self._owner = os.getpid()
        path = [entry or str(Path.cwd()) for entry in sys.path]
        with theirs:
            code = (
                f"import signal; [signal.signal(number, signal.SIG_IGN) for number in {_NOT_FOR_US}]; "
                f"import sys; sys.path[:] = {path!a}; from sr_core.video import reader, source; "
                f"{''.join(f'import {name}; ' for name in self.also)}"
                f"reader.serve({theirs.fileno()})"
            )
            self._process = subprocess.Popen(  # noqa: S603 — this interpreter, and the code above
                [sys.executable, "-I", "-c", code],
                env=scrubbed_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        atexit.register(self._stop)

    @classmethod
    def of_this_process(cls) -> "_Nursery":
        if cls.current is None:
            cls.current = cls()
        return cls.current

    def send(self, descriptors: list[int]) -> None:
        socket.send_fds(self._requests, [b"j"], descriptors)

    def _stop(self) -> None:
        self._requests.close()
        if self._owner == os.getpid():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)


_lock = threading.Lock()
