"""The Spot notice: two minutes before EC2 takes a machine back, its metadata service says so. This asks it.

Owns the protocol (IMDSv2; Amazon EC2 User Guide, "Spot Instance interruption notices") and how often it is asked. It
does not know what is stopped then. That there is no such service, or that it fails, is no error.
"""

import http.client
import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sr_core.errors import InputError
from sr_core.interruption import PUT_AWAY_SECONDS, Interruption

ENV_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""Another address of the metadata service; the AWS SDKs read it, too."""
DEFAULT_ENDPOINT = "http://169.254.169.254"
POLL_SECONDS = 5.0
"""As the user guide recommends."""

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - its address
_NOTICE_PATH = "/latest/meta-data/spot/instance-action"
_TOKEN_SECONDS = 21_600
_TIMEOUT_SECONDS = 1.0
_MAX_BYTES = 4096
_UNREADABLE_NOTICE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotNotice:
    """That the machine is being taken back."""

    action: str
    """``terminate``, ``stop`` or ``hibernate``."""
    seconds_left: float
    """Until that happens."""


class MetadataService:
    """The metadata service of this machine. `endpoint` is ``http://host[:port][/path]``.

    Raises InputError where it is not.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT) -> None:
        parts = urlsplit(endpoint)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme != "http" or host is None:
            raise InputError(f"{ENV_ENDPOINT} is {endpoint!r}; write http://host:port, or leave it unset")
        self._host, self._port, self._path = host, port, parts.path.rstrip("/")
        self._token: str | None = None

    @classmethod
    def from_environment(cls) -> "MetadataService":
        return cls(os.environ.get(ENV_ENDPOINT) or DEFAULT_ENDPOINT)

    def spot_notice(self) -> SpotNotice | None:
        """The notice, or None if there is none or the service does not answer."""
        try:
            for _ in range(2):  # a token may have expired
                if self._token is None:
                    self._token = self._new_token()
                status, content = self._ask("GET", _NOTICE_PATH, {"X-aws-ec2-metadata-token": self._token or ""})
                if status != http.client.UNAUTHORIZED:
                    return _read_notice(content) if status == http.client.OK else None
                self._token = None
        except (OSError, http.client.HTTPException):
            pass
        return None

    def _new_token(self) -> str | None:
        status, content = self._ask("PUT", _TOKEN_PATH, {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)})
        return content.decode("latin-1") if status == http.client.OK else None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, self._path + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MAX_BYTES)
        finally:
            connection.close()


def watch_for_notice(service: MetadataService, interruption: Interruption, ended: threading.Event) -> None:
    """Asks until there is a notice, and then for an interruption with the time that it leaves, or until `ended`."""
    while not ended.is_set():
        notice = service.spot_notice()
        if notice is not None:
            reason = f"the Spot notice ({notice.action} in {max(0.0, notice.seconds_left):.0f} s)"
            interruption.request(reason, grace_seconds=notice.seconds_left - PUT_AWAY_SECONDS)
            return
        ended.wait(POLL_SECONDS)


def _read_notice(content: bytes) -> SpotNotice:
    """``{"action": "terminate", "time": "2026-11-24T08:22:00Z"}``; a notice that cannot be read is still one."""
    try:
        notice = json.loads(content)
        at = datetime.fromisoformat(notice["time"])
        seconds_left = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        return SpotNotice(action=str(notice["action"]), seconds_left=seconds_left)
    except (ValueError, LookupError, TypeError):
        return SpotNotice(action="unreadable", seconds_left=_UNREADABLE_NOTICE_SECONDS)
