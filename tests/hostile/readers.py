"""Readers of untrusted media for the tests: what they may take, and how one waits for them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sr_core.video.confinement import Bounds, has_landlock
from sr_core.video.isolation import isolated

CLIP = Path("clip.mp4")
MB = 1 << 20
ROOMY = Bounds(memory_bytes=1024 * MB, cpu_seconds=60, silence_seconds=30)

needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")


def run(function: Callable[..., Any], *arguments: Any, bounds: Bounds = ROOMY, **more: Any) -> tuple[list[Any], Any]:
    """Everything that was told, and what was returned."""
    job = isolated(function, *arguments, subject=CLIP, bounds=bounds, **more)
    told = []
    while True:
        try:
            told.append(next(job))
        except StopIteration as end:
            return told, end.value


def bounds(**changes: Any) -> Bounds:
    values: dict[str, Any] = {"memory_bytes": 1024 * MB, "cpu_seconds": 60, "silence_seconds": 30}
    return Bounds(**{**values, **changes})


def is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody reaps in a container has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
