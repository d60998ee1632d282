"""Frames go in many threads through layers whose results are kept: each waits for what it must, and no longer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from torch import Tensor

from sr_core.inference import layered
from sr_core.inference.engine import Engine
from sr_core.inference.passage import Passage
from sr_core.inference.winograd_library import Library

from .lively import needs_kernels
from .test_layered import TOUCHED, are_same, layers, unchecked, upscale, whole
from .test_sequence import FORMATS, still, wandering
from .test_winograd_engine import small

pytestmark = [needs_kernels, pytest.mark.usefixtures("one_thread")]

CONVOLVE, ENLARGE = Library.convolve, Library.enlarge


@pytest.mark.parametrize("workers", [2, 4, 9])
def test_frames_may_follow_one_another_in_any_number_of_threads(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given layers that take now more time and now less
    random = np.random.default_rng(workers)

    def convolve(self: Library, *given: object, **named: object) -> None:
        time.sleep(random.exponential(0.002))
        CONVOLVE(self, *given, **named)  # type: ignore[arg-type]

    frames = [small(frame) for frame in wandering(still(), 40)]
    expected = whole(frames)
    monkeypatch.setattr(Library, "convolve", convolve)

    # When frames are handed to threads in their order
    subject = unchecked(layers())
    with ThreadPoolExecutor(workers) as pool:
        begun = list(pool.map(lambda frame: subject.begin(subject.step(frame, FORMATS[0])), frames))

    # Then each is what it is by itself
    found = [future.result(timeout=10) for future in begun]
    assert are_same(found, expected)
    assert np.mean([result.computed_share for result in found]) < 0.5


def test_frames_may_be_begun_in_any_order() -> None:
    frames = wandering(still(), 6)
    subject = unchecked(layers())
    steps = [subject.step(frame, FORMATS[0]) for frame in frames]

    for step in reversed(steps):
        subject.begin(step)

    assert are_same([step.result.result(timeout=0) for step in steps], whole(frames))


def test_a_frame_may_be_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine with more cores than frames can follow one another
    monkeypatch.setattr(layered, "core_count", lambda: 16)
    monkeypatch.setattr("sr_core.inference.winograd._TILES_FOR_A_THREAD", 5)
    frames = wandering(still(), 5)
    expected, at_work = whole(frames), list[str]()

    def enlarge(self: Library, *given: object, **named: object) -> None:
        at_work.append(threading.current_thread().name)
        ENLARGE(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Library, "enlarge", enlarge)

    # When frames are upscaled by one thread
    subject = unchecked(layers())
    found = upscale(subject, frames)

    # Then others share its work: the last layer of the second frame and of the last, both whole, in four parts each
    assert subject._threads == 4
    assert sum(name.startswith("winograd") for name in at_work) >= 8
    assert are_same(found, expected)


def test_few_tiles_are_computed_by_the_frames_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more cores than frames can follow one another, and fewer tiles than are worth the start of a thread
    monkeypatch.setattr(layered, "core_count", lambda: 16)
    monkeypatch.setattr("sr_core.inference.winograd._TILES_FOR_A_THREAD", 10_000)
    at_work = set[threading.Thread]()

    def enlarge(self: Library, *given: object, **named: object) -> None:
        at_work.add(threading.current_thread())
        ENLARGE(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Library, "enlarge", enlarge)

    subject = unchecked(layers())
    upscale(subject, wandering(still(), 5))

    assert subject._threads == 4
    assert at_work == {threading.current_thread()}


def test_equal_frames_wait_for_the_first_and_no_thread_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a frame on its way, and any number of frames that are equal to it
    go_on = threading.Event()
    usual = Engine.upscale_rgb

    def slowly(self: Engine, rgb: Tensor) -> Tensor:
        assert go_on.wait(timeout=60)
        return usual(self, rgb)

    monkeypatch.setattr(Engine, "upscale_rgb", slowly)
    subject = layers()
    first = threading.Thread(target=subject.begin, args=[subject.step(still(), FORMATS[0])])
    first.start()
    while subject._last is None:
        time.sleep(0.001)

    later = [subject.begin(subject.step(still(), FORMATS[0])) for _ in range(2000)]
    assert not any(future.done() for future in later)

    # When it is there
    go_on.set()
    first.join()

    # Then they are
    assert all(future.result(timeout=0).computed_share == 0 for future in later)


def test_time_spent_waiting_is_not_time_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given frames that wait for a thousand seconds
    def wait(self: Passage, layer: int) -> None:
        self.waited_seconds = 1000.0

    monkeypatch.setattr(Passage, "wait_to_write", wait)

    found = upscale(layers(), [still(), *TOUCHED])

    assert [result.busy_seconds > 0 for result in found] == [True, False, False]
    assert all(result.busy_seconds > -1000 for result in found)


def test_the_time_of_all_threads_that_share_a_frame_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine on which four threads share a frame, and clocks: each thread's own goes on by a second while it
    # computes a share, and the one on the wall by one a layer, shares being computed at once
    monkeypatch.setattr(layered, "core_count", lambda: 16)
    monkeypatch.setattr("sr_core.inference.winograd._TILES_FOR_A_THREAD", 5)
    shares, own = list[str](), threading.local()

    def counted(name: str) -> None:
        usual = getattr(Library, name)

        def compute(*given: object, **named: object) -> None:
            usual(*given, **named)
            shares.append(name)
            own.seconds = getattr(own, "seconds", 0) + 1

        monkeypatch.setattr(Library, name, compute)

    clocks = SimpleNamespace(monotonic=lambda: len(shares) / 4, thread_time=lambda: getattr(own, "seconds", 0))
    monkeypatch.setattr("sr_core.inference.winograd.time", clocks)
    monkeypatch.setattr(layered, "time", clocks)

    # When the second of two frames goes through six layers
    subject = layers()
    upscale(subject, [still()])
    for name in ("convolve_planes", "convolve", "enlarge"):
        counted(name)
    (found,) = upscale(subject, TOUCHED[:1])

    # Then four seconds count of each, and nothing for the frame's own thread, which waits meanwhile
    assert found.busy_seconds == 6 * 4
