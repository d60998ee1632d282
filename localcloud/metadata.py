"""The instance metadata service of one machine: IMDSv2, with the Spot notice at its usual place.

``PUT /latest/api/token`` gives a token; ``GET /latest/meta-data/spot/instance-action`` with it is 404 until the machine
is noticed, as on EC2 (User Guide, "Spot Instance interruption notices"). Without a token everything is 401.
"""

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOTICE_PATH = "/latest/meta-data/spot/instance-action"
NOTICE_SECONDS = 120
"""From the notice to the machine's end."""


class MetadataService:
    """Serves one machine on a loopback port, until it is closed."""

    def __init__(self, instance_id: str, instance_type: str) -> None:
        self._values = {
            "/latest/meta-data/instance-id": instance_id,
            "/latest/meta-data/instance-type": instance_type,
        }
        self.notice_requests = 0
        """How often the notice was asked for, whether there was one or not."""
        tokens: set[str] = set()
        values, service = self._values, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                if self.path != "/latest/api/token" or "X-aws-ec2-metadata-token-ttl-seconds" not in self.headers:
                    self._answer(400, "")
                    return
                token = secrets.token_urlsafe(16)
                tokens.add(token)
                self._answer(200, token)

            def do_GET(self) -> None:
                service.notice_requests += self.path == NOTICE_PATH
                if self.headers.get("X-aws-ec2-metadata-token") not in tokens:
                    self._answer(401, "")
                elif self.path in values:
                    self._answer(200, values[self.path])
                else:
                    self._answer(404, "")

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

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

    def notice(self) -> None:
        """From now on the machine knows that it will be terminated."""
        end = datetime.now(UTC) + timedelta(seconds=NOTICE_SECONDS)
        action = {"action": "terminate", "time": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self._values[NOTICE_PATH] = json.dumps(action)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
