"""Turns SIGTERM and Ctrl-C into a request to stop; the only place that installs signal handlers."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sr_core.interruption import Interruption

TERM_GRACE_SECONDS = 20.0
"""AWS Batch sends SIGKILL 30 s after SIGTERM; the rest is for putting the last segment away."""


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """An interruption that SIGTERM requests with some grace and Ctrl-C with none; a second Ctrl-C stops at once."""
    interruption = Interruption()

    def on_term(_number: int, _frame: FrameType | None) -> None:
        interruption.request("SIGTERM", grace_seconds=TERM_GRACE_SECONDS)

    def on_int(_number: int, _frame: FrameType | None) -> None:
        interruption.request("Ctrl-C", grace_seconds=0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGTERM, on_term), signal.signal(signal.SIGINT, on_int)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
