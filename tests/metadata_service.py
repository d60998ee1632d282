"""A metadata service on the loopback device, as strict as EC2's: no answer without a token (IMDSv2)."""

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class MetadataServer:
    """Of one machine. `questions` are those it was asked; `notice` is what it says of a reclaim."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.notice: bytes | None = None
        self.status: int | None = None
        """What every question is answered with, if that is not what it asks for."""
        self._tokens: set[str] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                service.questions.append(f"PUT {self.path}")
                seconds = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") or 0)
                if not 1 <= seconds <= 21_600:
                    self._answer(400)
                elif self.path != "/latest/api/token":
                    self._answer(404)
                else:
                    token = secrets.token_hex(8)
                    service._tokens.add(token)
                    self._answer(200, token.encode())

            def do_GET(self) -> None:
                service.questions.append(f"GET {self.path}")
                if self.headers.get("X-aws-ec2-metadata-token") not in service._tokens:
                    self._answer(401)
                elif self.path != "/latest/meta-data/spot/instance-action" or service.notice is None:
                    self._answer(404, b"<html>not found</html>")
                else:
                    self._answer(200, service.notice)

            def _answer(self, status: int, content: bytes = b"") -> None:
                self.send_response(service.status or status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def reclaim(self, *, seconds: float) -> None:
        """From now on there is a notice: the machine is taken back in `seconds`."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        self.notice = json.dumps({"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()

    def forget_tokens(self) -> None:
        """As if they had expired."""
        self._tokens.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def machine() -> Iterator[MetadataServer]:
    """The metadata service of a machine that nobody takes back yet."""
    server = MetadataServer()
    yield server
    server.stop()
