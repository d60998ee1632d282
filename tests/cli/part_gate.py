"""An S3 that takes so many parts of uploads and keeps the others waiting, so that a process can be stopped there."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WAIT_SECONDS = 60.0


class PartGate:
    """A WSGI application in front of another."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._changed = threading.Condition()
        self._lets_through: int | None = None
        self._opened = 0
        self._waiting = 0
        self.stored: list[int] = []
        """Numbers of the parts that got through and were answered."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        number = parse_qs(environ["QUERY_STRING"]).get("partNumber")
        if environ["REQUEST_METHOD"] != "PUT" or number is None:
            return self._app(environ, start_response)
        with self._changed:
            if self._lets_through == 0:
                opened = self._opened
                self._waiting += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._opened > opened, WAIT_SECONDS)
                raise ConnectionError  # the server closes the connection
            if self._lets_through is not None:
                self._lets_through -= 1
        answer = self._app(environ, start_response)
        with self._changed:
            self.stored.append(int(number[0]))
            self._changed.notify_all()
        return answer

    def close(self, *, after: int) -> None:
        """Lets so many more parts through. What comes then waits until it is opened, and comes to nothing."""
        with self._changed:
            self._lets_through = after
            self._waiting = 0
            self.stored.clear()

    def wait_until_closed(self, *, stored: int, waiting: int) -> None:
        """Returns when so many parts have got through and so many wait."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: len(self.stored) == stored and self._waiting >= waiting, WAIT_SECONDS
            ), f"{len(self.stored)} stored, {self._waiting} waiting"

    def open(self) -> None:
        """Lets everything through that comes from now on."""
        with self._changed:
            self._lets_through = None
            self._opened += 1
            self.stored.clear()
            self._changed.notify_all()
