"""An engine and a sequence of frames by Winograd's kernels: memory, infinities and reuse change no bit."""

import copy
from math import ceil

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import HostCapacity, IntegrityError
from sr_core.inference.engine import Engine
from sr_core.inference.own_planes import own_conversion
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format, Result
from sr_core.inference.winograd_library import Layer, Library, Pixels

from .lively import execution, lively, needs_kernels, picture
from .test_sequence import FORMATS, HEIGHT_PX, WIDTH_PX, Frame, still, touched, unchecked, wandering

pytestmark = [needs_kernels, pytest.mark.usefixtures("one_thread")]

PARTS = [Rectangle(0, 32, 0, 40), Rectangle(17, 18, 129, 130), Rectangle(50, 96, 3, 130)]
CONVOLVE = Library.convolve


def engine(tile_px: int | None = None, inner_count: int = 3) -> Engine:
    return Engine(
        lively(features=16, inner_count=inner_count), execution(inner_count=inner_count, tile_px=tile_px), scale=2
    )


@pytest.mark.parametrize("tile_px", [None, 50])
def test_parts_and_tiles_have_the_very_bits_of_the_whole(tile_px: int | None) -> None:
    rgb = picture(96, 130)
    whole = engine().upscale_rgb(rgb)

    parts = engine(tile_px).upscale_parts(rgb, PARTS)

    assert torch.equal(engine(tile_px).upscale_rgb(rgb), whole)
    assert parts is not None
    for part, found in zip(PARTS, parts, strict=True):
        assert torch.equal(found, whole[part.scaled(2).inside()])


def short_of_memory(limit_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no memory for a layer of more than `limit_px` a side."""

    def convolve(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        if max(result.values.shape[:2]) > limit_px:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")
        CONVOLVE(self, layer, seen, result, grid=grid)

    monkeypatch.setattr(Library, "convolve", convolve)


def test_out_of_memory_means_smaller_tiles_and_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = picture(96, 130)
    whole, by_parts, by_whole = engine().upscale_rgb(rgb), engine(), engine()

    short_of_memory(100, monkeypatch)
    parts = by_parts.upscale_parts(rgb, PARTS)

    assert torch.equal(by_whole.upscale_rgb(rgb), whole)
    assert parts is not None
    assert torch.equal(parts[2], whole[PARTS[2].scaled(2).inside()])
    assert (by_whole.tile_px, by_parts.tile_px) == (65, 65)


def test_memory_that_is_short_for_a_moment_ends_no_small_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a part no larger than the smallest tile, while whole frames in other threads hold the memory
    rgb, part, subject = picture(96, 130), Rectangle(10, 50, 20, 60), engine()
    whole, calls = engine().upscale_rgb(rgb), [0]

    def fail_once(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise MemoryError
        CONVOLVE(self, layer, seen, result, grid=grid)

    monkeypatch.setattr(Library, "convolve", fail_once)

    parts = subject.upscale_parts(rgb, [part])

    assert parts is not None
    assert torch.equal(parts[0], whole[part.scaled(2).inside()])


def test_out_of_memory_at_the_smallest_tile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    starved = engine()
    short_of_memory(10, monkeypatch)

    with pytest.raises(HostCapacity, match="use a machine with more memory"):
        starved.upscale_rgb(picture(96, 130))


def test_what_is_not_finite_is_computed_again_by_torchs_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given kernels that overflow in the midst of their work
    subject, rgb = engine(), picture(40, 60)

    def overflow(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        CONVOLVE(self, layer, seen, result, grid=grid)
        result.values[20, 30, 0] = torch.inf

    monkeypatch.setattr(Library, "convolve", overflow)

    # Then a picture is what torch makes of it, and of parts nothing is made
    usual = execution().model_copy(update={"kernels": "torch"})
    assert torch.equal(subject.upscale_rgb(rgb), Engine(lively(features=16), usual, scale=2).upscale_rgb(rgb))
    assert subject.redone_frames == 1
    assert subject.upscale_parts(rgb, [Rectangle(0, 40, 0, 60)]) is None


def test_weights_that_are_infinite_by_torchs_layers_too_are_unusable() -> None:
    broken = copy.deepcopy(lively())
    nn.init.constant_(broken.convolutions()[0][0].weight, torch.inf)

    with pytest.raises(IntegrityError, match="the weights are unusable"):
        Engine(broken, execution(), scale=2).upscale_rgb(picture(8, 8))


INNER_COUNT = 4
"""Of the networks below: what a change reaches is three tiles, and nothing too much is computed."""
SIZE_PX = (121, 95)
"""No multiples of what is computed at once: after a turn, that lies otherwise in the frame."""


def sequence(quarter_turns: int, *, reuse: bool, output: Format = FORMATS[0]) -> SequenceUpscaler:
    """As jobs by these kernels have it, colours by their own as well."""
    return SequenceUpscaler(
        engine(inner_count=INNER_COUNT),
        output=output,
        quarter_turns=quarter_turns,
        reuse=reuse,
        conversion=own_conversion,
    )


def upscaled(subject: SequenceUpscaler, frames: list[Frame], form: Format) -> list[tuple[Result, Tensor]]:
    """Of each frame its planes, and the RGB in which rounding shows that planes of 8 bits hide."""
    found = []
    for frame in frames:
        step = subject.step(frame, form)
        result = subject.upscale(step)
        assert step.upscaled is not None
        found.append((result, step.upscaled.rgb.clone()))
    return found


def small(frame: Frame) -> Frame:
    """The upper left of it, of SIZE_PX."""
    width, height = SIZE_PX
    return tuple(
        plane[:, : ceil(height * plane.shape[-2] / HEIGHT_PX), : ceil(width * plane.shape[-1] / WIDTH_PX)]
        for plane in frame
    )


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.chroma}-{form.bit_depth}")
def test_a_frame_touched_in_one_sample_has_the_very_bits_of_a_whole_one(form: Format, quarter_turns: int) -> None:
    # Given frames of which each is touched in one sample more: at all places of a tile, in luma and in chroma
    frames = [small(still(form))]
    for plane, count in ((0, 4), (1, 2)):
        row, column = (length // 2 for length in frames[0][plane].shape[-2:])
        frames += [touched(frames[-1], plane=plane, row=row + at, column=column + at) for at in range(count)]

    # When each is made of the one before, and no check would put it right
    reused = upscaled(unchecked(sequence(quarter_turns, reuse=True, output=form)), frames, form)

    # Then it is what it is by itself, at a fraction of the work
    whole = upscaled(sequence(quarter_turns, reuse=False, output=form), frames, form)
    for (result, rgb), (expected, expected_rgb) in zip(reused, whole, strict=True):
        assert torch.equal(rgb, expected_rgb)
        assert all(map(torch.equal, result.planes, expected.planes))
    assert all(0 < result.computed_share < 0.5 for result, _ in reused[1:])


@pytest.mark.parametrize("quarter_turns", [0, 3])
def test_the_check_refutes_no_reuse_of_what_moves(quarter_turns: int) -> None:
    frames, subject = wandering(still(), 6), sequence(quarter_turns, reuse=True)

    reused = upscaled(subject, frames, FORMATS[0])

    whole = upscaled(sequence(quarter_turns, reuse=False), frames, FORMATS[0])
    assert not subject.is_reuse_refuted
    assert all(torch.equal(rgb, expected) for (_, rgb), (_, expected) in zip(reused, whole, strict=True))
    assert np.mean([result.computed_share for result, _ in reused]) < 0.8
