"""The number of cores, on systems that differ in what they say of them."""

import os

import pytest

from sr_core.cores import core_count

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
