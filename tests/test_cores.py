"""The number of cores, on systems that differ in what they say of them."""

import os

import pytest

from sr_core.contract import ENV_CORES
from sr_core.cores import core_count
from sr_core.errors import InputError

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores"
)


@needs_affinity
def test_cores_that_this_process_may_not_use_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {5})

    assert core_count() == 1


@pytest.mark.parametrize(("said", "count"), [(8, 8), (None, 1)])
def test_where_the_system_does_not_tell_which_may_be_used_all_count(
    monkeypatch: pytest.MonkeyPatch, said: int | None, count: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: said)

    assert core_count() == count


@pytest.mark.parametrize(("allowed", "count"), [("2", 2), ("64", 8), ("", 8)])
def test_a_job_that_shares_its_machine_uses_no_more_than_it_asked_for(
    monkeypatch: pytest.MonkeyPatch, allowed: str, count: int
) -> None:
    # Given a machine of eight cores, all of which a container sees
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    monkeypatch.setenv(ENV_CORES, allowed)

    assert core_count() == count


@pytest.mark.parametrize("allowed", ["0", "-1", "many", "1.5"])
def test_what_is_no_number_of_cores_is_refused(monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    monkeypatch.setenv(ENV_CORES, allowed)

    with pytest.raises(InputError, match=r"SR_CORES=.* is no number of cores; give one from 1"):
        core_count()
