"""What kind of machine this is: asked in a Batch job, once, and no reason for anything to wait or fail."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sr_core import metadata_service
from sr_core.contract import ENV_BATCH_JOB_ID
from sr_core.cost import Machine
from sr_core.metadata_service import ENV_ENDPOINT, MetadataService, this_machine
from tests.metadata_service import MetadataServer, machine

__all__ = ["machine"]

TYPE_PATH = "/latest/meta-data/instance-type"
MARKET_PATH = "/latest/meta-data/instance-life-cycle"
UNKNOWN = Machine()


@pytest.fixture
def on_batch(monkeypatch: pytest.MonkeyPatch, machine: MetadataServer) -> Iterator[MetadataServer]:
    """This process is a job's, on the machine."""
    monkeypatch.setenv(ENV_BATCH_JOB_ID, "job-1")
    monkeypatch.setenv(ENV_ENDPOINT, machine.endpoint)
    metadata_service._asked.cache_clear()  # another test may have had the same port
    yield machine
    metadata_service._asked.cache_clear()


def test_a_job_learns_its_machine_with_one_token_and_asks_no_second_time(on_batch: MetadataServer) -> None:
    assert this_machine() == Machine(instance_type="g4dn.xlarge", market="spot")
    assert this_machine() == Machine(instance_type="g4dn.xlarge", market="spot")

    assert on_batch.questions == ["PUT /latest/api/token", f"GET {TYPE_PATH}", f"GET {MARKET_PATH}"]


def test_on_demand_is_told_from_spot(on_batch: MetadataServer) -> None:
    on_batch.values[MARKET_PATH] = "on-demand"

    assert this_machine().market == "on-demand"


def test_outside_batch_nobody_is_asked(on_batch: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_BATCH_JOB_ID)

    assert this_machine() == UNKNOWN
    assert on_batch.questions == []


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_service_that_refuses_leaves_the_machine_unknown(on_batch: MetadataServer, status: int) -> None:
    on_batch.status = status

    assert this_machine() == UNKNOWN


@pytest.mark.parametrize(
    ("instance_type", "market", "told"),
    [
        ("<html>404</html>", "spot", Machine(market="spot")),
        ("g4dn.xlarge\nx", "scheduled", UNKNOWN),
        ("", "", UNKNOWN),
        ("a." + "x" * 4000, "spot ", Machine(market="spot")),
        ("g4dn.xlarge\n", "SPOT", Machine(instance_type="g4dn.xlarge")),
    ],
)
def test_of_what_is_answered_only_what_can_be_is_taken(
    on_batch: MetadataServer, instance_type: str, market: str, told: Machine
) -> None:
    on_batch.values |= {TYPE_PATH: instance_type, MARKET_PATH: market}

    assert this_machine() == told


def test_a_token_that_is_none_is_silence(on_batch: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MetadataServer, "answer", lambda *_: (200, "<html>\nwelcome\n</html>"))

    assert MetadataService(on_batch.endpoint).machine() == UNKNOWN


@pytest.fixture
def dripping() -> Iterator[str]:
    """Address of a service that answers a byte at a time, each sooner than a connection is given up, and never ends."""
    ended = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n")
            while not ended.wait(0.02):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=[server], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        thread.join()


def test_an_answer_that_does_not_come_is_not_waited_for(
    on_batch: MetadataServer, dripping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV_ENDPOINT, dripping)
    monkeypatch.setattr(metadata_service, "PATIENCE_SECONDS", 0.2)

    started = time.monotonic()
    assert this_machine() == UNKNOWN
    assert 0.2 <= time.monotonic() - started < 1

    # nor is it asked again
    assert this_machine() == UNKNOWN
    assert time.monotonic() - started < 1


def test_an_address_where_nobody_is_leaves_the_machine_unknown(
    on_batch: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{closed}", "https://no.address"):
        monkeypatch.setenv(ENV_ENDPOINT, endpoint)
        assert this_machine() == UNKNOWN


def test_nobody_waits_longer_than_two_seconds() -> None:
    assert metadata_service.PATIENCE_SECONDS <= 2
