"""Threads for tests that end, and fail, even if one of these never does."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

LONG = 10
"""Seconds in which what may go on has gone on, however busy the machine."""
Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_thread(function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> "Future[Result]":
    """Has a function called by a thread that no process waits for when it ends."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function(*given, **named))
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
