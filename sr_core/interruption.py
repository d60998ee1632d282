"""Being asked to stop: a flag that stages look at between frames, and how long they may still take.

Nothing here installs a signal handler; the command line does.
"""

import math
import threading
import time

from sr_core.errors import Interrupted


class Interruption:
    """Set from a signal handler or a watching thread, read by the stages."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._deadline = 0.0
        self._reason = ""

    def request(self, reason: str, *, grace_seconds: float) -> None:
        """Asks to stop within `grace_seconds`. A second request can only shorten the time."""
        deadline = time.monotonic() + grace_seconds
        self._deadline = min(self._deadline, deadline) if self.requested else deadline
        self._reason = self._reason or reason
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def check(self, *, needed_seconds: float = math.inf) -> None:
        """Raises Interrupted when asked to stop, unless the work in hand will be done in the time that is left.

        `needed_seconds` is how long that takes; by default there is nothing worth finishing.
        """
        if self.requested and time.monotonic() + needed_seconds >= self._deadline:
            raise Interrupted(
                f"stopped by {self._reason}; what is finished is kept, the same command goes on from there"
            )
