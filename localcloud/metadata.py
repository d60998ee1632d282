"""The instance metadata service of one machine: IMDSv2, with its type, its market and the Spot notice in their places.

``PUT /latest/api/token`` gives a token; ``GET /latest/meta-data/spot/instance-action`` with it is 404 until the machine
is noticed, as on EC2 (User Guide, "Spot Instance interruption notices"). Without a token everything is 401.
"""

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOTICE_PATH = "/latest/meta-data/spot/instance-action"
NOTICE_SECONDS = 120
"""From the notice to the machine's end."""
MOST_TOKEN_SECONDS = 21_600


class MetadataService:
    """Serves one machine on a loopback port, until it is closed."""

    def __init__(self, instance_id: str, instance_type: str, *, is_spot: bool = True) -> None:
        self.values = {
            "/latest/meta-data/instance-id": instance_id,
            "/latest/meta-data/instance-type": instance_type,
            "/latest/meta-data/instance-life-cycle": "spot" if is_spot else "on-demand",
        }
        """What is answered, by path."""
        self.tokens: set[str] = set()
        """Those that hold."""
        self.questions: list[str] = []
        """What was asked, ``GET /latest/…``, whether there was an answer or not."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                service.questions.append(f"{self.command} {self.path}")
                status, text = service.answer(self.command, self.path, self.headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode("ascii"))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"metadata {instance_id}",
            daemon=True,
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Its address, for AWS_EC2_METADATA_SERVICE_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, path: str, headers: Message) -> tuple[int, str]:
        """Status and body for a request."""
        if method == "PUT":
            seconds = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if path != "/latest/api/token":
                return 404, ""
            if not (seconds.isdigit() and 1 <= int(seconds) <= MOST_TOKEN_SECONDS):
                return 400, ""
            token = secrets.token_urlsafe(16)
            self.tokens.add(token)
            return 200, token
        if headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            return 401, ""
        return (200, self.values[path]) if path in self.values else (404, "")

    def notice(self, *, seconds: float = NOTICE_SECONDS) -> None:
        """From now on the machine knows that it will be terminated in so many seconds."""
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        action = {"action": "terminate", "time": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.values[NOTICE_PATH] = json.dumps(action)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
