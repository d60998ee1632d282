"""Running what touches untrusted media in processes of its own: a crash, a hang or a bomb there is one error here.

`isolated` runs a function of this package in a reader: a fork of the `nursery`, without credentials, held to `Bounds`.
What it tells arrives here in order and with back-pressure, what it raises is raised here. It knows nothing of what is
read; `source` has the functions and their bounds.
"""

import json
import pickle
import select
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sr_core.errors import HostCapacity, InputError, SrError, TransientError
from sr_core.video import limits, messages, nursery
from sr_core.video.confinement import Bounds
from sr_core.video.messages import UntrustworthyMessageError
from sr_core.video.reader import BROKEN, DEFECT, DONE, FAILED, HELLO, ITEM, OUT_OF_MEMORY, Job, Outcome

_BUFFER_BYTES = 4 << 20
"""Of the socket for messages: about a frame, so that reading is a frame ahead. The kernel may allow less."""
_OUTCOME_BYTES = 4096
_POLL_SECONDS = 0.25
_END_SECONDS = 10.0
_MB = 1e6


def isolated(
    function: Callable[..., Any],
    *arguments: Any,
    subject: Path | str,
    bounds: Bounds,
    while_waiting: Callable[[], None] = lambda: None,
    on_end: Callable[[Outcome], None] = lambda _: None,
) -> Generator[Any, None, Any]:
    """Runs ``function(tell, *arguments)`` in a reader.

    Yields what the function calls `tell` with and returns what it returns, as far as `messages` knows it. Closing this
    generator ends the reader and all that it started.

    Args:
        function: from the top of a module.
        subject: what an error names.
        while_waiting: called a few times a second while nothing arrives; what it raises ends the reader.
        on_end: called with how the reader ended, whatever ended it.

    Raises:
        InputError: what is read crashes the decoder, hangs it, or takes more memory or time than `bounds` allow.
        HostCapacity: the machine ran out of memory.
        TransientError: the nursery was killed.
        and every SrError that the function raises.
    """
    job = Job(function=function, arguments=arguments, bounds=bounds, limits=limits.current(), folder=str(Path.cwd()))
    reader = _Reader(job, subject, while_waiting, on_end)
    try:
        while True:
            kind, value = reader.receive()
            if kind == ITEM:
                yield value
            elif kind == DONE:
                return value
            elif kind == FAILED and isinstance(value, SrError):
                raise value
            elif kind == OUT_OF_MEMORY:
                raise reader.out_of_memory()
            elif kind == BROKEN:
                raise InputError(
                    f"{subject} cannot be read ({value}); it is damaged, or of a kind that nobody thought of: "
                    "try a copy made by another tool"
                )
            elif kind == DEFECT:
                raise RuntimeError(f"reading {subject} failed:\n{value}")
            else:
                raise reader.untrustworthy(f"it says {kind!r}")
    finally:
        reader.end()


class _Reader:
    """This side of a reader."""

    def __init__(
        self, job: Job, subject: Path | str, while_waiting: Callable[[], None], on_end: Callable[[Outcome], None]
    ) -> None:
        self._on_end = on_end
        self._bounds, self._subject, self._while_waiting = job.bounds, subject, while_waiting
        self._results, results = socket.socketpair()
        self._control, control = socket.socketpair()
        self._pid: int | None = None
        self._ended: Outcome | None = None
        for end, option in ((self._results, socket.SO_RCVBUF), (results, socket.SO_SNDBUF)):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        with results, control:
            nursery.send([results.fileno(), control.fileno()])
        with suppress(ConnectionError):  # how it ended is told later
            self._results.sendall(pickle.dumps(job))
            self._results.shutdown(socket.SHUT_WR)

    def receive(self) -> tuple[str, Any]:
        """The next message but for the first. Raises what the reader's end without a last message means."""
        try:
            text_bytes, body_bytes = messages.sizes(self._exactly(messages.HEADER.size))
            message = messages.decode(self._exactly(text_bytes), self._exactly(body_bytes))
        except UntrustworthyMessageError as error:
            raise self.untrustworthy(str(error)) from None
        match message:
            case (str(kind), int(pid)) if kind == HELLO and self._pid is None:
                self._pid = pid
                return self.receive()
            case (str(kind), value):
                return kind, value
        raise self.untrustworthy("it says no pair")

    def _exactly(self, size: int) -> memoryview:
        """So many bytes, however they come."""
        data = np.empty(size, np.uint8).data
        missing = data
        while missing:
            self._wait()
            count = 0
            with suppress(ConnectionResetError):
                count = self._results.recv_into(missing)
            if not count:
                raise self._died()
            missing = missing[count:]
        return data

    def _wait(self) -> None:
        """Until something can be read. Raises InputError when the reader neither tells anything nor reads on."""
        poll = select.poll()
        poll.register(self._results, select.POLLIN)
        if poll.poll(_POLL_SECONDS * 1000):
            return
        progress, since = _bytes_moved(self._pid), time.monotonic()
        while not poll.poll(_POLL_SECONDS * 1000):
            self._while_waiting()
            moved = _bytes_moved(self._pid)
            if moved != progress:
                progress, since = moved, time.monotonic()
            elif time.monotonic() - since > self._bounds.silence_seconds:
                raise InputError(
                    f"{self._subject}: nothing has come of reading it for {self._bounds.silence_seconds:g} s, it makes "
                    f"the decoder hang; try a copy made by another tool, or {limits.over('silence_seconds')}"
                )

    def untrustworthy(self, reason: str) -> InputError:
        return InputError(
            f"{self._subject}: the process that reads it was confused or taken over ({reason}); do not trust the file"
        )

    def out_of_memory(self) -> InputError:
        return InputError(
            f"{self._subject} takes more than {self._bounds.memory_bytes / _MB:.0f} MB of memory to read; "
            f"{limits.over('memory_bytes')}"
        )

    def _died(self) -> Exception:
        outcome = self._outcome()
        if outcome is None:
            return TransientError(f"the process that read {self._subject} is gone; start the same command again")
        if outcome.signal == signal.SIGXCPU:
            return InputError(
                f"{self._subject} takes more than {self._bounds.cpu_seconds} s of processor time to read; "
                "split it into shorter files, or try a copy made by another tool"
            )
        if outcome.signal == signal.SIGKILL:
            return HostCapacity(
                f"the process that read {self._subject} was killed, most likely for want of memory; "
                "use a machine with more"
            )
        name = signal.Signals(outcome.signal).name if outcome.signal else "no signal"
        return InputError(
            f"{self._subject} crashes the decoder ({name}); it is damaged, or made for it: try another tool's copy"
        )

    def _outcome(self) -> Outcome | None:
        """How the reader ended, once it has; None when there is nobody left to tell."""
        if self._ended is not None:
            return self._ended
        self._control.settimeout(_END_SECONDS)
        data = b""
        with suppress(OSError):
            while piece := self._control.recv(_OUTCOME_BYTES):
                data += piece
        self._ended = Outcome(**json.loads(data)) if data else None
        return self._ended

    def end(self) -> None:
        """Has the reader killed if it still runs, and waits until it is gone."""
        self._results.close()
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        outcome = self._outcome()
        self._control.close()
        if outcome is not None:
            self._on_end(outcome)


def _bytes_moved(pid: int | None) -> int:
    """What a process and those it started have read and written so far; 0 where that cannot be known."""
    if pid is None:
        return 0
    total = 0
    with suppress(OSError, ValueError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (str(pid), *children):
            counts = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
            total += int(counts["rchar"]) + int(counts["wchar"])
    return total
