"""The metadata service of an EC2 machine (IMDSv2): what kind of machine this is, and whatever else it is asked.

Owns the protocol and the address (Amazon EC2 User Guide, "Use instance metadata to manage your EC2 instance", which
lists the paths). That there is no such service, or that it fails, is no error.
"""

import http.client
import os
import re
import threading
from functools import cache
from urllib.parse import urlsplit

from sr_core.contract import ENV_BATCH_JOB_ID
from sr_core.cost import Machine, Market
from sr_core.errors import InputError

ENV_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""Another address of the metadata service; the AWS SDKs read it, too."""
DEFAULT_ENDPOINT = "http://169.254.169.254"
PATIENCE_SECONDS = 2.0
"""For which a unit of work that is done waits to be told its machine."""

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - its address
_TYPE_PATH = "/latest/meta-data/instance-type"
_MARKET_PATH = "/latest/meta-data/instance-life-cycle"
_MARKETS: dict[str, Market] = {"spot": "spot", "on-demand": "on-demand"}
"""What it says of those that Batch starts here, and what we call them."""
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,30}\.[a-z0-9-]{1,31}", re.ASCII)
_TOKEN_SECONDS = 21_600
_TIMEOUT_SECONDS = 1.0
_MAX_BYTES = 4096


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
        return cls(_endpoint())

    def read(self, path: str) -> bytes | None:
        """What lies at `path`, its first few thousand bytes; None if that is nothing, or there is no answer."""
        try:
            for _ in range(2):  # a token may have expired
                if self._token is None:
                    self._token = self._new_token()
                status, content = self._ask("GET", path, {"X-aws-ec2-metadata-token": self._token or ""})
                if status != http.client.UNAUTHORIZED:
                    return content if status == http.client.OK else None
                self._token = None
        except (OSError, http.client.HTTPException, ValueError):  # the last: its token is no header's value
            pass
        return None

    def machine(self) -> Machine:
        """The kind of this machine, as far as the service tells."""
        instance_type, market = (
            (self.read(path) or b"").decode("latin-1").strip() for path in (_TYPE_PATH, _MARKET_PATH)
        )
        return Machine(
            instance_type=instance_type if _TYPE.fullmatch(instance_type) else None, market=_MARKETS.get(market)
        )

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


def this_machine() -> Machine:
    """The kind of the machine that a Batch job runs on; of any other nothing is known, and nobody is asked.

    Asked once in a process, and waited for no longer than PATIENCE_SECONDS: a machine that does not tell is unknown.
    """
    return _asked(_endpoint()) if ENV_BATCH_JOB_ID in os.environ else Machine()


def _endpoint() -> str:
    return os.environ.get(ENV_ENDPOINT) or DEFAULT_ENDPOINT


@cache
def _asked(endpoint: str) -> Machine:
    try:
        service = MetadataService(endpoint)
    except InputError:  # of which the command tells, not who wants to note what it ran on
        return Machine()
    answers: list[Machine] = []

    def ask() -> None:
        answers.append(service.machine())

    # In a thread of its own: an answer that comes by single bytes would outlast every timeout of the connection.
    asking = threading.Thread(target=ask, name="metadata", daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return answers[0] if answers else Machine()
