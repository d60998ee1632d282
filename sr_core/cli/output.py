"""What commands show: plain text for people, one JSON object for machines, a progress bar on a terminal.

Owns what becomes of output that nobody takes: a reader who has left (`| head`) is no error, a full disk is one.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

from sr_core.storage.disk import disk_errors

_LINE_SECONDS = 30.0
"""Between two lines of progress in a log."""


class OutputClosedError(Exception):
    """Whoever read standard output has seen enough."""


@contextmanager
def standard_output() -> Iterator[None]:
    """Around whatever writes to standard output, and nothing else; all of it is out when the block ends.

    Raises OutputClosedError, or the SrError that says why it cannot be written.
    """
    with disk_errors(Path("standard output")):
        try:
            try:
                yield
            finally:
                if sys.stdout is not None:  # it was closed before this program began
                    sys.stdout.flush()
        except OSError as error:
            _discard(sys.stdout)
            if isinstance(error, BrokenPipeError):
                raise OutputClosedError from error
            raise


def _discard(stream: TextIO) -> None:
    """Else the interpreter writes what is in the buffer once more when it ends, and fails with a code of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):  # it has no descriptor
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def show_json(content: dict[str, Any], *, indent: int | None = 2) -> None:
    """In ASCII, so that it is JSON whatever the encoding of standard output and whatever the name of a file.

    Raises as `standard_output`.
    """
    show(json.dumps(content, indent=indent))


def show(text: str) -> None:
    """Raises as `standard_output`."""
    with standard_output():
        print(_harmless(text))  # noqa: T201 — this is the program's output


def note(text: str) -> None:
    """A remark beside the output, on standard error; where nobody can read it, that is no reason to stop."""
    _remark(_harmless(text))


def _remark(text: str, *, end: str = "\n") -> None:
    try:
        print(text, end=end, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        _discard(sys.stderr)


def printable(text: str) -> str:
    """The text on one line, with escapes for what does not print: a file's tags may hold what commands a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _harmless(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


class Display(Protocol):
    """Shows how far something is that takes long: a `Progress` for every stage, and for other work."""

    def __call__(self, stage: str, done_frames: int, total_frames: int) -> None: ...


@contextmanager
def progress_display() -> Iterator[Display]:
    """A bar with frames, frames per second and time left on a terminal; a line every half minute in a log."""
    if sys.stderr.isatty():
        with _Bars() as bars:
            yield bars
    else:
        yield _Lines()


@contextmanager
def bytes_display(what: str) -> Iterator[Callable[[int, int], None]]:
    """How many bytes of how many have been moved: in place on a terminal, a line every half minute in a log.

    What is done at once is not shown.
    """
    last, is_terminal = time.monotonic(), sys.stderr.isatty()
    shown = False

    def on_bytes(done_bytes: int, total_bytes: int) -> None:
        nonlocal last, shown
        text = f"{printable(what)}  {of_bytes(done_bytes, total_bytes)}"
        if is_terminal and (shown or done_bytes < total_bytes):
            shown = True
            _remark(f"\r{text}", end="")
        elif not is_terminal and time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            note(text)

    try:
        yield on_bytes
    finally:
        if shown:
            note("")


def of_bytes(done_bytes: int, total_bytes: int) -> str:
    """Both in the unit that suits the whole: `12.3 of 96.0 GB`."""
    unit, size = ("GB", 1e9) if total_bytes >= 1e9 else ("MB", 1e6)
    return f"{done_bytes / size:.1f} of {total_bytes / size:.1f} {unit}"


class _Bars:
    """One bar for each stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames  {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> "_Bars":
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def __call__(self, stage: str, done_frames: int, total_frames: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total_frames, rate="")
            self._started[stage] = time.monotonic(), done_frames
        self._bars.update(
            self._tasks[stage], completed=done_frames, total=total_frames, rate=_rate(self._started[stage], done_frames)
        )


class _Lines:
    """A line now and then, for logs."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._started: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, done_frames: int, total_frames: int) -> None:
        now = time.monotonic()
        self._started.setdefault(stage, (now, done_frames))
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            note(f"{stage}: {done_frames}/{total_frames} frames  {_rate(self._started[stage], done_frames)}")


def _rate(started: tuple[float, int], done_frames: int) -> str:
    seconds, first = time.monotonic() - started[0], started[1]
    return f"{(done_frames - first) / seconds:.1f} fps" if seconds > 1 else ""
