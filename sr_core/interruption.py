"""Being asked to stop: a request that stages look at between frames, and how long they may still take.

Nothing here installs a signal handler or watches anything; the command line does.
"""

import math
import time

from sr_core.errors import Interrupted

PUT_AWAY_SECONDS = 10.0
"""What remains, when the grace is over, until the process is killed: time to hand in what was just finished."""


class Interruption:
    """Set from a signal handler or a watching thread, read by the stages."""

    def __init__(self) -> None:
        # Appending is atomic. A lock would not do: a signal handler may interrupt whoever holds it.
        self._requests: list[tuple[float, str]] = []

    def request(self, reason: str, *, grace_seconds: float) -> None:
        """Asks to stop within `grace_seconds`. A second request can only shorten the time."""
        self._requests.append((time.monotonic() + grace_seconds, reason))

    @property
    def requested(self) -> bool:
        return bool(self._requests)

    @property
    def seconds_left(self) -> float:
        """What is left of the grace, negative when it is over; infinite while nobody has asked."""
        return min((deadline for deadline, _ in self._requests), default=math.inf) - time.monotonic()

    def check(self, *, needed_seconds: float = math.inf) -> None:
        """Raises Interrupted when asked to stop, unless the work in hand will be done in the time that is left.

        `needed_seconds` is how long that takes; by default there is nothing worth finishing.
        """
        if self.requested and needed_seconds >= self.seconds_left:
            raise self.error()

    def error(self) -> Interrupted:
        """What to raise or to tell, once it is requested."""
        reason = self._requests[0][1]
        return Interrupted(f"stopped by {reason}; what is finished is kept, the same command goes on from there")
