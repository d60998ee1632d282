"""Queues, environments and machines; the metadata service; Batch's retry rules."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.attempt import EXITED, Outcome
from localcloud.batch import is_retried
from localcloud.machines import Environment, Fleet, Machine, Queue, vcpus_of
from localcloud.metadata import NOTICE_PATH, MetadataService

SPOT = Environment(name="spot", is_spot=True, max_vcpus=16, instance_type="c5.2xlarge")
ON_DEMAND = Environment(name="on-demand", is_spot=False, max_vcpus=8, instance_type="c5.2xlarge")
NORMAL = Queue(name="cpu", priority=1, environments=(SPOT, ON_DEMAND))
URGENT = Queue(name="cpu-on-demand", priority=10, environments=(ON_DEMAND,))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, slots=100)
    yield fleet
    fleet.close()


def place(fleet: Fleet, queue: Queue) -> Machine | None:
    """A machine if there is room now."""
    looks = iter((False, True))
    return fleet.place(queue, 4, lambda: next(looks, True))


@pytest.mark.parametrize(("name", "vcpus"), [("c5.large", 2), ("g4dn.xlarge", 4), ("r6gd.2xlarge", 8)])
def test_vcpus_stand_in_a_types_name(name: str, vcpus: int) -> None:
    assert vcpus_of(name) == vcpus


def test_jobs_share_machines_and_overflow_to_on_demand_when_spot_is_full(fleet: Fleet) -> None:
    machines = [place(fleet, NORMAL) for _ in range(7)]

    names = [None if machine is None else machine.environment.name for machine in machines]
    assert names == ["spot"] * 4 + ["on-demand"] * 2 + [None]
    assert len({machine.id for machine in machines if machine is not None}) == 3


def test_what_a_job_leaves_is_free_for_the_next_and_a_machine_that_is_gone_is_not(fleet: Fleet) -> None:
    first = place(fleet, URGENT)
    assert first is not None
    fleet.release(first, 4)
    assert place(fleet, URGENT) is first

    first.end()
    second = place(fleet, URGENT)
    assert second is not None
    assert second is not first


def test_there_are_no_more_jobs_at_once_than_slots(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, slots=1)
    first = place(fleet, NORMAL)
    assert first is not None
    assert place(fleet, NORMAL) is None
    fleet.release(first, 4)
    assert place(fleet, NORMAL) is not None
    fleet.close()


def test_the_notice_is_404_until_it_comes_and_needs_a_token() -> None:
    service = MetadataService("i-1", "g4dn.xlarge")
    try:
        assert ask(service, "GET", NOTICE_PATH) == (401, "")
        _, token = ask(service, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        headers = {"X-aws-ec2-metadata-token": token}
        assert ask(service, "GET", NOTICE_PATH, headers)[0] == 404
        assert ask(service, "GET", "/latest/meta-data/instance-id", headers) == (200, "i-1")
        service.notice()
        status, text = ask(service, "GET", NOTICE_PATH, headers)
        assert (status, json.loads(text)["action"]) == (200, "terminate")
    finally:
        service.close()


def ask(service: MetadataService, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(service.endpoint.removeprefix("http://"))
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def outcome(exit_code: int | None = None, *, status_reason: str = EXITED, reason: str | None = None) -> Outcome:
    return Outcome(exit_code=exit_code, reason=reason, status_reason=status_reason)


RULES = {
    "evaluateOnExit": [
        {"onStatusReason": "host ec2*", "action": "RETRY"},
        {"onExitCode": "75", "action": "RETRY"},
        {"onReason": "CannotPull*", "onExitCode": "1", "action": "retry"},
        {"onReason": "*", "action": "EXIT"},
    ]
}


@pytest.mark.parametrize(
    ("ended", "retried"),
    [
        (outcome(status_reason="Host EC2 (instance i-1) terminated."), True),
        (outcome(75), True),
        (outcome(7), False),
        (outcome(175), False),
        (outcome(1, reason="CannotPullContainerError"), True),
        (outcome(2, reason="CannotPullContainerError"), False),
        (outcome(137), False),
    ],
)
def test_a_retry_strategys_first_rule_that_fits_decides(ended: Outcome, retried: bool) -> None:
    assert is_retried(RULES, ended) is retried


def test_without_a_rule_that_fits_batch_retries() -> None:
    assert is_retried({}, outcome(64))
    assert is_retried({"evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}]}, outcome(64))
