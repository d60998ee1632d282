"""What commands show: plain text for people, one JSON object for machines, a progress bar on a terminal."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sr_core.contract import Stage
from sr_core.progress import Progress

_LINE_SECONDS = 30.0
"""Between two lines of progress in a log."""


def show_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))  # noqa: T201 — this is the program's output


def show(text: str) -> None:
    print(text)  # noqa: T201


def note(text: str) -> None:
    """A remark beside the output, on standard error."""
    print(text, file=sys.stderr)  # noqa: T201


@contextmanager
def progress_display() -> Iterator[Progress]:
    """A bar with frames, frames per second and time left on a terminal; a line every half minute in a log."""
    if sys.stderr.isatty():
        with _Bars() as bars:
            yield bars
    else:
        yield _Lines()


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
        self._tasks: dict[Stage, Any] = {}
        self._started: dict[Stage, tuple[float, int]] = {}

    def __enter__(self) -> "_Bars":
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def __call__(self, stage: Stage, done_frames: int, total_frames: int) -> None:
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
        self._started: dict[Stage, tuple[float, int]] = {}

    def __call__(self, stage: Stage, done_frames: int, total_frames: int) -> None:
        now = time.monotonic()
        self._started.setdefault(stage, (now, done_frames))
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            note(f"{stage}: {done_frames}/{total_frames} frames  {_rate(self._started[stage], done_frames)}")


def _rate(started: tuple[float, int], done_frames: int) -> str:
    seconds, first = time.monotonic() - started[0], started[1]
    return f"{(done_frames - first) / seconds:.1f} fps" if seconds > 1 else ""
