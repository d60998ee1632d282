"""Frames that go through the same layers one behind the other: who may write where, and when.

It knows nothing of networks but that a layer reads what the one before it wrote.
"""

import threading
import time
from contextlib import suppress
from math import inf
from types import TracebackType

LEAST_BEHIND = 2
"""Layers between a frame and the next: one is written, and the one after it reads what would be overwritten."""


class Broken(Exception):
    """The frame ahead has not left in the layers what the one behind builds on."""


class Passage:
    """A frame's way through the layers.

    Args:
        ahead: the frame that is followed; None for the first.
        builds_on_it: whether only that is written where this frame differs from the one ahead.
    """

    def __init__(self, ahead: "Passage | None", *, builds_on_it: bool) -> None:
        self.builds_on_it = builds_on_it
        self.is_broken = False
        """Whether what is left in the layers is of no use."""
        self.waited_seconds = 0.0
        """For the frame ahead."""
        self._ahead = ahead
        self._layers = 0.0
        self._news = threading.Condition()

    def reach(self, layers: float) -> None:
        """Tells the frame behind that so many layers are computed."""
        with self._news:
            self._layers = layers
            self._news.notify_all()

    def wait_to_write(self, layer: int) -> None:
        """Returns when the frame ahead no longer needs what a layer gave for it, or has left.

        Raises Broken when this frame builds on what is not there.
        """
        self._wait(layer + LEAST_BEHIND)

    def __enter__(self) -> None:
        """To be left in any case: the frame behind is waiting for that."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_broken = error is not None
        with suppress(Broken):
            self._wait(inf)
        self._ahead = None
        self.reach(inf)

    def _wait(self, layers: float) -> None:
        ahead = self._ahead
        if ahead is None:
            return
        started = time.monotonic()
        with ahead._news:
            ahead._news.wait_for(lambda: ahead._layers >= layers)
        self.waited_seconds += time.monotonic() - started
        if ahead.is_broken and self.builds_on_it:
            raise Broken
