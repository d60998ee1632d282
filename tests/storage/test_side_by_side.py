"""The same done to many things, several at a time."""

import threading

import pytest

from sr_core.storage.side_by_side import each_in_threads


def test_everything_is_done_and_told_here() -> None:
    here = threading.current_thread()
    told: list[tuple[int, bool]] = []

    each_in_threads(
        lambda item: item * item,
        range(20),
        threads=4,
        then=lambda result: told.append((result, threading.current_thread() is here)),
    )

    assert sorted(told) == [(item * item, True) for item in range(20)]


def test_so_many_are_under_way_at_once_and_no_more() -> None:
    together = threading.Barrier(3, timeout=30)
    lock, under_way, most = threading.Lock(), 0, 0

    def act(_: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait()  # all three have to come
        with lock:
            under_way -= 1

    each_in_threads(act, range(9), threads=3, then=lambda _: None)

    assert most == 3


def test_after_an_error_nothing_more_is_begun_and_what_is_under_way_is_waited_for() -> None:
    begun: list[int] = []
    ended: list[int] = []
    both = threading.Barrier(2, timeout=30)
    failing: list[threading.Thread] = []

    def act(item: int) -> None:
        begun.append(item)
        if item == 0:
            failing.append(threading.current_thread())
            both.wait()
            raise ValueError(item)
        both.wait()
        failing[0].join(30)
        ended.append(item)

    with pytest.raises(ValueError, match="0"):
        each_in_threads(act, range(9), threads=2, then=lambda _: None)

    assert (sorted(begun), ended) == ([0, 1], [1])


def test_ctrl_c_waits_for_nothing() -> None:
    """Nor does the end of the process: the thread that is left is a daemon."""
    hanging, told = threading.Event(), threading.Event()
    left: list[threading.Thread] = []

    def act(item: int) -> None:
        if item == 1:
            left.append(threading.current_thread())
            told.set()
            hanging.wait(60)

    def interrupt(_: None) -> None:
        told.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each_in_threads(act, [0, 1, 2], threads=2, then=interrupt)

    assert left[0].is_alive()
    assert left[0].daemon
    hanging.set()
    left[0].join()
