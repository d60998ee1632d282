"""What fails on a frame's way through layers whose results are kept costs that frame, and no other a bit."""

import threading
import time
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from sr_core.errors import IntegrityError
from sr_core.inference import layered
from sr_core.inference.engine import Engine
from sr_core.inference.winograd import WinogradCompact
from sr_core.inference.winograd_library import Chosen, Enlarged, Layer, Library, Pixels

from .lively import needs_kernels
from .test_layered import TOUCHED, are_same, layers, unchecked, upscale, whole
from .test_sequence import FORMATS, still, touched, wandering

pytestmark = [needs_kernels, pytest.mark.usefixtures("one_thread")]

ENLARGE = Library.enlarge


def spoilt(value: float | None, when: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As if the last layer gave a wrong value in some of the frames that go through the layers; returns its calls.

    None for a value that is wrong in its last bit.
    """
    calls: list[int] = []

    def enlarge(
        self: Library,
        layer: Layer,
        picture: Pixels,
        planes: Tensor,
        result: Enlarged,
        part: object,
        *,
        chosen: Chosen | None = None,
    ) -> None:
        ENLARGE(self, layer, picture, planes, result, part, chosen=chosen)  # type: ignore[arg-type]
        calls.append(len(calls))
        if calls[-1] in when:
            sample = result.samples[0, 20, 30]
            sample.copy_(torch.nextafter(sample, torch.tensor(torch.inf)) if value is None else torch.tensor(value))
            if chosen is not None:
                chosen.changed[:] = True

    monkeypatch.setattr(Library, "enlarge", enlarge)
    return calls


@pytest.mark.parametrize("wrong", ["a sample", "its last bit", "planes"])
def test_where_tiles_come_out_otherwise_than_whole_frames_nothing_is_reused(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a machine on which the third frame comes out otherwise than whole, if only by what codes hide
    frames = [still(), *TOUCHED, *TOUCHED]
    expected = whole(frames)
    if wrong == "planes":
        monkeypatch.setattr(layered, "patched_planes", lambda before, *_given: before)
    else:
        spoilt(0.123 if wrong == "a sample" else None, [2], monkeypatch)

    # When frames are upscaled
    subject = layers()
    found = upscale(subject, frames)

    # Then the first check notices it, and every frame is what it is by itself
    assert subject.is_reuse_refuted
    assert are_same(found, expected)
    assert all(result.computed_share == 1 for result in found)


@pytest.mark.parametrize("spoilt_call", [1, 2, 3])
def test_what_is_not_finite_is_computed_again_and_lends_nothing_to_the_next(
    spoilt_call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a frame that overflows, on its way through the layers
    frames = [still(), *TOUCHED, *TOUCHED]
    expected = whole(frames)
    spoilt(torch.inf, [spoilt_call], monkeypatch)

    # When frames are upscaled
    found = upscale(unchecked(layers()), frames)

    # Then that one is computed by itself, the next one whole, and all are right
    assert are_same(found, expected)


def test_a_network_that_is_never_finite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(*_given: object) -> Tensor:
        raise IntegrityError("the network's output is not finite even in fp32; the weights are unusable")

    spoilt(torch.nan, range(100), monkeypatch)
    monkeypatch.setattr(Engine, "redo", overflow)

    with pytest.raises(IntegrityError, match="not finite"):
        upscale(layers(), [still()])


def test_without_memory_for_the_layers_frames_go_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def kept(self: WinogradCompact, height: int, width: int) -> None:
        asked.append(height)
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(WinogradCompact, "kept", kept)
    frames = wandering(still(), 4)

    found = upscale(layers(), frames)

    assert are_same(found, whole(frames))
    assert [result.computed_share for result in found] == [1, 1, 1, 1, 1, 1]
    assert len(asked) == 1


@pytest.mark.parametrize("fails", ["kept", "compute_layer"])
def test_any_other_error_is_an_error(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(WinogradCompact, fails, fail)
    subject = layers()
    upscale(subject, [still()])

    with pytest.raises(RuntimeError, match="a mistake"):
        upscale(subject, TOUCHED[:1])


def test_memory_that_is_short_for_a_moment_costs_that_frame_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [still(), *TOUCHED, *TOUCHED, *TOUCHED]
    expected = whole(frames)
    usual, calls = WinogradCompact.compute_layer, [0]

    def compute_layer(self: WinogradCompact, *given: object, **named: object) -> float:
        calls[0] += 1
        if calls[0] == 15:  # in the midst of a frame that builds on the one before
            raise MemoryError
        return usual(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(WinogradCompact, "compute_layer", compute_layer)

    found = upscale(unchecked(layers()), frames)

    assert are_same(found, expected)
    assert [result.computed_share == 1 for result in found] == [True, True, False, True, True, False, False]


def test_a_frame_that_is_on_its_way_already_does_not_build_on_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given frames of which each is touched in one sample more, near the one before
    frames = [still()]
    for column in (16, 24, 32):
        frames.append(touched(frames[-1], plane=0, row=11, column=column))
    expected = whole(frames)
    subject = unchecked(layers())
    *before, fails, behind = [subject.step(frame, FORMATS[0]) for frame in frames]
    usual, has_begun = WinogradCompact.compute_layer, threading.Event()

    def compute_layer(self: WinogradCompact, index: int, *given: object, **named: object) -> float:
        if index == 2 and threading.current_thread() is thread:
            has_begun.set()
            while subject._entered is None or subject._entered.step is not behind:
                time.sleep(0.001)
            raise MemoryError
        return usual(self, index, *given, **named)  # type: ignore[arg-type]

    # When one is out of memory in the midst of the layers, and the next one follows it there
    found = [subject.upscale(step) for step in before]
    monkeypatch.setattr(WinogradCompact, "compute_layer", compute_layer)
    thread = threading.Thread(target=subject.begin, args=[fails])
    thread.start()
    assert has_begun.wait(timeout=60)
    subject.begin(behind)
    thread.join()

    # Then both are what they are by themselves
    found += [step.result.result(timeout=0) for step in (fails, behind)]
    assert are_same(found, expected)
    assert [result.computed_share for result in found] == [1, 1, 1, 1]
