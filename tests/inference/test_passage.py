"""Frames go through the same layers one behind the other, and none overwrites what the one ahead still reads."""

import threading
import time
import weakref
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from sr_core.inference.passage import Broken, Passage

from .threads import LONG, in_thread


class Watched(threading.Condition):
    """Counts how often a thread has waited for it."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return super().wait(timeout)


def passage(ahead: Passage | None = None, *, builds_on_it: bool = False) -> Passage:
    made = Passage(ahead, builds_on_it=builds_on_it)
    made._news = Watched()
    return made


def is_waiting(future: "Future[None]", ahead: Passage) -> bool:
    """Whether a call comes to wait for news of the frame ahead, rather than to an end."""
    assert isinstance(ahead._news, Watched)
    for _ in range(1000 * LONG):
        if future.done():
            return False
        if ahead._news.waits:
            return True
        time.sleep(0.001)
    raise AssertionError("it does neither")


def leave(one: Passage) -> None:
    with one:
        pass


def fail(one: Passage) -> None:
    with one:
        raise ZeroDivisionError


def test_the_first_frame_waits_for_nobody() -> None:
    first = passage()

    in_thread(first.wait_to_write, 7).result(timeout=LONG)
    in_thread(leave, first).result(timeout=LONG)

    assert first.waited_seconds == 0


def test_a_layer_is_written_when_the_frame_ahead_has_read_it() -> None:
    # Given a frame that has the first layer behind it, and one that follows
    ahead = passage()
    behind = passage(ahead, builds_on_it=True)
    ahead.reach(1)

    # When the second wants to write the first layer
    writes = in_thread(behind.wait_to_write, 0)

    # Then it may when the first has computed the next layer of it, and not before
    assert is_waiting(writes, ahead)
    ahead.reach(2)
    writes.result(timeout=LONG)


def test_it_is_told_for_how_long_a_frame_has_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a clock that goes on by a second whenever it is looked at, and a frame with another one ahead
    clock = iter(range(100))
    monkeypatch.setattr("sr_core.inference.passage.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    ahead = passage()
    behind = passage(ahead)
    ahead.reach(3)

    # When it has waited three times, the last time to leave
    behind.wait_to_write(0)
    behind.wait_to_write(1)
    leaves = in_thread(leave, behind)
    in_thread(leave, ahead).result(timeout=LONG)
    leaves.result(timeout=LONG)

    assert behind.waited_seconds == 3


@pytest.mark.parametrize("builds_on_it", [True, False])
def test_one_that_has_failed_holds_up_nobody_and_is_not_built_on(builds_on_it: bool) -> None:
    # Given a frame that waits for the one ahead
    ahead = passage()
    behind = passage(ahead, builds_on_it=builds_on_it)
    writes = in_thread(behind.wait_to_write, 0)
    assert is_waiting(writes, ahead)

    # When that fails
    with pytest.raises(ZeroDivisionError):
        in_thread(fail, ahead).result(timeout=LONG)

    # Then the one behind goes on if it computes everything by itself
    if builds_on_it:
        with pytest.raises(Broken):
            writes.result(timeout=LONG)
    else:
        writes.result(timeout=LONG)


def test_one_that_fails_early_leaves_after_the_one_ahead() -> None:
    # Given three frames, of which the second fails at once
    first = passage()
    second = passage(first, builds_on_it=True)
    third = passage(second)
    fails = in_thread(fail, second)
    assert is_waiting(fails, first)

    # When the third, which builds on nothing, wants to write
    writes = in_thread(third.wait_to_write, 0)

    # Then it waits for the first, which still reads
    assert is_waiting(writes, second)
    assert not fails.done()
    in_thread(leave, first).result(timeout=LONG)
    writes.result(timeout=LONG)
    with pytest.raises(ZeroDivisionError):
        fails.result(timeout=LONG)


def test_one_that_fails_behind_one_that_has_failed_tells_of_its_own_error() -> None:
    ahead = passage()
    behind = passage(ahead, builds_on_it=True)

    for each in (ahead, behind):
        with pytest.raises(ZeroDivisionError):
            in_thread(fail, each).result(timeout=LONG)


def test_frames_that_have_left_are_forgotten() -> None:
    def is_forgotten() -> bool:
        ahead = passage()
        behind = passage(ahead, builds_on_it=True)
        forgotten = weakref.ref(ahead)
        leave(ahead)
        leave(behind)
        del ahead
        return forgotten() is None

    assert in_thread(is_forgotten).result(timeout=LONG)
