"""Reading, working and handing on at once: in order, bounded, and every error arrives."""

import threading
import time
from collections.abc import Iterator

import pytest

from sr_core.stages.overlap import overlap


def test_results_come_in_order_though_work_ends_out_of_order() -> None:
    def work(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(overlap(range(20), work, workers=4, ahead=3)) == [item * item for item in range(20)]


def test_reading_stays_within_the_bound() -> None:
    # Given a reader that counts how far it has got
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(1000):
            read += 1
            yield item

    # When a consumer takes five results and then waits
    results = overlap(items(), lambda item: item, workers=2, ahead=3)
    for _ in range(5):
        next(results)
    time.sleep(0.3)

    # Then no more than what fits into the queues has been read
    assert read <= 5 + (2 + 3) + 3 + 1
    results.close()


def test_no_item_is_worked_on_before_a_result_of_its_group_is_asked_for() -> None:
    # Given items in groups of three, four and the rest
    read: list[int] = []
    worked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(9):
            read.append(item)
            yield item

    def work(item: int) -> int:
        worked.append(item)
        return item

    results = overlap(items(), work, workers=2, ahead=3, groups=[3, 4])

    for end in (3, 7, 9):
        # When a group's results have been taken, and are put away at leisure
        taken = [next(results) for _ in range(end - len(worked))]
        time.sleep(0.3)

        # Then the next group has been read, and not begun
        assert taken[-1] == end - 1
        assert sorted(worked) == list(range(end))
        assert len(read) > end or end == 9
    assert list(results) == []


def test_work_runs_on_several_threads_at_once() -> None:
    barrier = threading.Barrier(3, timeout=5)

    assert list(overlap(range(3), lambda item: barrier.wait() >= 0, workers=3, ahead=3)) == [True] * 3


def test_an_item_that_comes_while_another_is_worked_on_is_worked_on_beside_it() -> None:
    # Given two workers, and a reader that reads the second item when the first is being worked on
    is_first_begun = threading.Event()
    together = threading.Barrier(2, timeout=10)

    def items() -> Iterator[int]:
        yield 1
        assert is_first_begun.wait(10)
        yield 2

    def work(item: int) -> int:
        is_first_begun.set()
        together.wait()
        return item

    # When results are asked for, then both are worked on at once: neither comes through alone
    assert list(overlap(items(), work, workers=2, ahead=1)) == [1, 2]


def test_an_error_of_reading_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    results = overlap(items(), lambda item: item, workers=2, ahead=2)

    assert next(results) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)


def test_an_error_of_work_is_raised_in_its_place() -> None:
    results = overlap([1, 0, 2], lambda item: 1 // item, workers=2, ahead=2)

    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_early_stops_every_thread() -> None:
    before = threading.active_count()
    results = overlap(iter(range(10_000)), lambda item: item, workers=3, ahead=2)
    next(results)

    results.close()

    assert threading.active_count() == before


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(overlap([], lambda item: item, workers=1, ahead=1)) == []
