"""Frames go through the same layers one behind the other, and none overwrites what the one ahead still reads."""

import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import pytest

from sr_core.inference.passage import Broken, Passage

SOON = 0.05
"""Seconds in which what may go on does so."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def is_waiting(future: "Future[None]") -> bool:
    try:
        future.result(timeout=SOON)
    except NotYet:
        return True
    return False


def test_the_first_frame_waits_for_nobody() -> None:
    passage = Passage(None, builds_on_it=False)

    with passage:
        passage.wait_to_write(7)

    assert passage.waited_seconds == 0


def test_a_layer_is_written_when_the_frame_ahead_has_read_it(threads: ThreadPoolExecutor) -> None:
    # Given a frame that has the first layer behind it, and one that follows
    ahead = Passage(None, builds_on_it=False)
    behind = Passage(ahead, builds_on_it=True)
    ahead.reach(1)

    # When the second wants to write the first layer
    writes = threads.submit(behind.wait_to_write, 0)

    # Then it may when the first has computed the next layer of it, and not before
    assert is_waiting(writes)
    ahead.reach(2)
    assert not is_waiting(writes)
    assert behind.waited_seconds >= SOON


@pytest.mark.parametrize("builds_on_it", [True, False])
def test_one_that_has_failed_holds_up_nobody_and_is_not_built_on(
    builds_on_it: bool, threads: ThreadPoolExecutor
) -> None:
    # Given a frame that waits for the one ahead
    ahead = Passage(None, builds_on_it=False)
    behind = Passage(ahead, builds_on_it=builds_on_it)
    writes = threads.submit(behind.wait_to_write, 0)

    # When that fails
    with pytest.raises(ZeroDivisionError), ahead:
        raise ZeroDivisionError

    # Then the one behind goes on if it computes everything by itself
    if builds_on_it:
        with pytest.raises(Broken):
            writes.result(timeout=10)
    else:
        writes.result(timeout=10)


def test_one_that_fails_early_leaves_after_the_one_ahead(threads: ThreadPoolExecutor) -> None:
    # Given three frames, of which the second fails at once
    first = Passage(None, builds_on_it=False)
    second = Passage(first, builds_on_it=True)
    third = Passage(second, builds_on_it=False)

    def fail() -> None:
        with second:
            raise ZeroDivisionError

    fails = threads.submit(fail)

    # When the third, which builds on nothing, wants to write
    writes = threads.submit(third.wait_to_write, 0)

    # Then it waits for the first, which still reads
    assert is_waiting(writes)
    with first:
        pass
    writes.result(timeout=10)
    with pytest.raises(ZeroDivisionError):
        fails.result(timeout=10)


def test_frames_that_have_left_are_forgotten() -> None:
    ahead = Passage(None, builds_on_it=False)
    behind = Passage(ahead, builds_on_it=True)
    forgotten = weakref.ref(ahead)

    with ahead:
        pass
    with behind:
        pass
    del ahead

    assert forgotten() is None
