"""What SIGTERM, Ctrl-C and a Spot notice do to a command: it is asked to stop, and left when it does not get there.

The only place that installs signal handlers. What a stage does when it is asked is the stage's business.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sr_core.cli.spot_notice import watch_for_notice
from sr_core.contract import ENV_BATCH_JOB_ID
from sr_core.errors import Interrupted
from sr_core.interruption import PUT_AWAY_SECONDS, Interruption
from sr_core.metadata_service import MetadataService

TERM_GRACE_SECONDS = 30.0 - PUT_AWAY_SECONDS
"""AWS Batch sends SIGKILL 30 s after SIGTERM."""
OVERDUE_SECONDS = 7.0
"""After the grace. Of `PUT_AWAY_SECONDS`, the rest is for ending: killed, a job would seem to have lacked memory."""
_LOOK_SECONDS = 0.5


@contextmanager
def interruptible(*, tell: Callable[[Interrupted], None]) -> Iterator[Interruption]:
    """An interruption that SIGTERM and, on AWS Batch, the Spot notice request with some grace, and Ctrl-C with none.

    A second Ctrl-C stops at once. Whoever has not stopped when the grace is long over, because a transfer hangs, say,
    is not waited for: `tell` is called in a thread of its own, and the process ends with the error's exit code. Nothing
    is lost by that: data appears whole or not at all, and its receipt after it.
    """
    interruption = Interruption()

    def on_term(_number: int, _frame: FrameType | None) -> None:
        interruption.request("SIGTERM", grace_seconds=TERM_GRACE_SECONDS)

    def on_int(_number: int, _frame: FrameType | None) -> None:
        interruption.request("Ctrl-C", grace_seconds=0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with _watched(interruption, tell):
        before = signal.signal(signal.SIGTERM, on_term), signal.signal(signal.SIGINT, on_int)
        try:
            yield interruption
        finally:
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGINT, before[1])


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """For commands that have nothing worth finishing: SIGTERM does what Ctrl-C does, so all is cleared up.

    Ctrl-C counts even where a shell made it be ignored, as it does for what it starts in the background: else a signal
    that is sent on purpose would be lost.

    Raises KeyboardInterrupt wherever the program is.
    """
    stops = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(stop, signal.default_int_handler) for stop in stops]
    try:
        yield
    finally:
        for stop, handler in zip(stops, before, strict=True):
            signal.signal(stop, handler)


@contextmanager
def _watched(interruption: Interruption, tell: Callable[[Interrupted], None]) -> Iterator[None]:
    ended = threading.Event()

    def leave_when_overdue() -> None:
        while not ended.wait(_LOOK_SECONDS):
            if interruption.seconds_left < -OVERDUE_SECONDS:
                tell(interruption.error())
                os._exit(Interrupted.exit_code)

    threading.Thread(target=leave_when_overdue, name="overdue", daemon=True).start()
    if ENV_BATCH_JOB_ID in os.environ:  # nobody else's machine is taken back
        arguments = MetadataService.from_environment(), interruption, ended
        threading.Thread(target=watch_for_notice, args=arguments, name="spot-notice", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
