"""The services' time, cut short: what a state machine waits for between retries and in its Wait states.

Each function makes what `gaps` puts in the place of something of moto's.
"""

import time
from types import SimpleNamespace
from typing import Any

from localcloud.control import Control

_POLL_SECONDS = 0.05


def between_retries(_original: Any, control: Control) -> Any:
    """A clock whose seconds are shorter."""
    return SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * control.wait_scale))


def of_a_state(_original: Any, control: Control) -> Any:
    """A wait that ends early when the execution does."""

    def wait(_self: Any, env: Any, wait_seconds: float) -> None:
        end = time.monotonic() + wait_seconds * control.wait_scale
        while env.is_running() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    return wait
