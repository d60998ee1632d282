"""Asking a machine's metadata service whether the machine is taken back."""

import socket
import time
from collections.abc import Iterator

import pytest

from localcloud.metadata import NOTICE_PATH
from sr_core.cli.spot_notice import spot_notice
from sr_core.errors import InputError
from sr_core.metadata_service import ENV_ENDPOINT, MetadataService
from tests.metadata_service import MetadataServer, machine

__all__ = ["machine"]


@pytest.fixture
def service(machine: MetadataServer) -> MetadataService:
    return MetadataService(machine.endpoint)


def test_while_there_is_no_notice_each_question_takes_the_same_token(
    service: MetadataService, machine: MetadataServer
) -> None:
    assert spot_notice(service) is None
    assert spot_notice(service) is None

    # It took one token, and a question each time.
    notice = "GET /latest/meta-data/spot/instance-action"
    assert machine.questions == ["PUT /latest/api/token", notice, notice]


def test_a_notice_says_how_long_the_machine_stays(service: MetadataService, machine: MetadataServer) -> None:
    machine.notice(seconds=120)

    notice = spot_notice(service)

    assert notice is not None
    assert notice.action == "terminate"
    assert 110 < notice.seconds_left <= 120


def test_an_expired_token_is_renewed(service: MetadataService, machine: MetadataServer) -> None:
    spot_notice(service)
    machine.tokens.clear()
    machine.notice(seconds=120)

    assert spot_notice(service) is not None


@pytest.mark.parametrize("content", ["", "going", "[]", '{"action": "stop"}', '{"action": "stop", "time": 7}'])
def test_a_notice_that_cannot_be_read_is_one_all_the_same(
    service: MetadataService, machine: MetadataServer, content: str
) -> None:
    machine.values[NOTICE_PATH] = content

    notice = spot_notice(service)

    assert notice is not None
    assert 0 < notice.seconds_left <= 30


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_service_that_refuses_is_silence(service: MetadataService, machine: MetadataServer, status: int) -> None:
    machine.notice(seconds=120)
    machine.status = status

    assert spot_notice(service) is None


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens there and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_service_that_is_not_there_is_silence(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.metadata_service._TIMEOUT_SECONDS", 0.05)
    assert spot_notice(MetadataService(f"http://127.0.0.1:{port}")) is None

    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert spot_notice(MetadataService(f"http://127.0.0.1:{closed}")) is None


def test_a_proxy_has_no_say(machine: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv(ENV_ENDPOINT, f"{machine.endpoint}/")
    machine.notice(seconds=120)

    assert spot_notice(MetadataService.from_environment()) is not None


def test_the_time_is_utc_whatever_the_machine_thinks(
    service: MetadataService, machine: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        machine.notice(seconds=120)
        machine.values[NOTICE_PATH] = machine.values[NOTICE_PATH].replace("Z", "")

        notice = spot_notice(service)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert notice is not None
    assert 110 < notice.seconds_left <= 120


@pytest.mark.parametrize("endpoint", ["169.254.169.254", "https://169.254.169.254", "http://", "http://a:b"])
def test_an_address_that_is_none_is_told(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_ENDPOINT, endpoint)

    with pytest.raises(InputError, match=f"^{ENV_ENDPOINT} is '{endpoint}'; write http://host:port"):
        MetadataService.from_environment()
