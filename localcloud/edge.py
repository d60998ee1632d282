"""The edge of S3: every request of a job passes here, with the job's credentials on it.

    job ── HTTP ──> whose credentials? ── its role's policy ── faults ──> moto's S3 ──> journal ──> answer

Owns what moto's S3 leaves out: rights, the 403 for a missing object that one may not list, writes one at a time (moto's
conditional writes are not atomic), bodies that do not match their checksum. And what a plan asks for: answers of 503,
broken connections, a machine that ends just before or just after a write.
"""

import base64
import hashlib
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from localcloud.attempt import Attempt
from localcloud.faults import Kind
from localcloud.s3_request import S3Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


class ConnectionBroken(ConnectionError):
    """What makes the server close a connection without an answer."""


class Edge:
    """A WSGI application around moto's."""

    def __init__(self, app: "WSGIApplication", attempt_of: Callable[[str], Attempt | None]) -> None:
        self._app = app
        self._attempt_of = attempt_of
        self._one_at_a_time = threading.Lock()
        self.denied: list[tuple[Attempt, S3Request]] = []
        """What jobs asked for and have no right to."""
        self.late: list[tuple[Attempt, S3Request]] = []
        """What was asked for by attempts that had ended: by processes that should not have been there."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        request = S3Request.of(environ)
        attempt = self._attempt_of(request.access_key)
        if attempt is None:
            return _error(start_response, "403 Forbidden", "InvalidAccessKeyId", "There is no such access key.")
        if attempt.outcome is not None:
            self.late.append((attempt, request))
        if not attempt.policy.allows(request.action, request.resource, request.conditions):
            self.denied.append((attempt, request))
            attempt.requests.append((request, 403))
            return _denied(start_response, request)
        fault = attempt.on_request(request)
        if attempt.is_killed:
            raise ConnectionBroken
        if fault is not None and fault.kind == Kind.S3_503:
            return _error(start_response, "503 Slow Down", "SlowDown", "Please reduce your request rate.")
        if not _is_as_announced(environ, body):
            return _error(start_response, "400 Bad Request", "BadDigest", "The checksum you specified did not match.")
        status, headers, content = self._ask(environ)
        attempt.on_answer(request, int(status[:3]))
        if attempt.is_killed:
            raise ConnectionBroken
        if status.startswith("404") and request.key and not _may_list(attempt, request):
            return _denied(start_response, request)
        if fault is not None and fault.kind == Kind.S3_CUT:
            if not content or environ["REQUEST_METHOD"] == "HEAD":
                # Before anything is answered, the server would leave it open, and the job wait until it is tired.
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                raise ConnectionBroken
            return _half(start_response, status, headers, content)
        start_response(status, headers)
        return [content]

    def _ask(self, environ: "WSGIEnvironment") -> tuple[str, Headers, bytes]:
        given: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, *_: object) -> Callable[[bytes], object]:
            given.append((status, headers))
            return lambda _: None

        with self._one_at_a_time:
            content = b"".join(self._app(environ, start_response))
        status, headers = given[-1]
        return status, headers, content


def _may_list(attempt: Attempt, request: S3Request) -> bool:
    # With or without a condition on the prefix: a GetObject has no prefix, so such a right does not count.
    return attempt.policy.allows("s3:ListBucket", f"arn:aws:s3:::{request.bucket}")


def _is_as_announced(environ: "WSGIEnvironment", body: bytes) -> bool:
    announced = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    return announced is None or announced == base64.b64encode(hashlib.sha256(body).digest()).decode()


def _denied(start_response: "StartResponse", request: S3Request) -> Iterable[bytes]:
    text = f"not authorized to perform: {request.action} on resource: {request.resource}"
    return _error(start_response, "403 Forbidden", "AccessDenied", text)


def _error(start_response: "StartResponse", status: str, code: str, message: str) -> Iterable[bytes]:
    content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))])
    return [content]


def _half(start_response: "StartResponse", status: str, headers: Headers, content: bytes) -> Iterable[bytes]:
    """Half of what was to be read."""

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        raise ConnectionBroken

    start_response(status, headers)
    return half()
