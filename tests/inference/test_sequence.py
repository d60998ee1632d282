"""Reuse: what did not change is not computed again, and nobody can tell from the result."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import IntegrityError
from sr_core.inference.engine import Engine
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format, Result
from sr_core.models.compact import Compact
from sr_core.types import Execution, Precision
from tests import builders

WIDTH_PX, HEIGHT_PX, SCALE, CONV_COUNT = 201, 143, 2, 3
HALO_PX = CONV_COUNT + 2
FORMATS = [
    Format(chroma, depth, builders.color(siting=siting))
    for chroma, depth, siting in (("420", 8, "left"), ("420", 10, "center"), ("422", 8, "left"), ("444", 8, "left"))
]
Frame = tuple[Tensor, ...]


class Counted(nn.Module):
    """A network that notes how many pixels it was given."""

    def __init__(self, *, fails_from: float = torch.inf) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.inner = Compact(scale=SCALE, feature_count=16, conv_count=CONV_COUNT)
        self.fails_from = fails_from
        self.pixels: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.pixels.append(x.shape[-1] * x.shape[-2])
        out: Tensor = self.inner(x)
        return out + torch.inf if float(x.max()) > self.fails_from else out

    def __deepcopy__(self, _memo: object) -> "Counted":
        return self


def upscaler(
    network: nn.Module | None = None, *, reuse: bool, precision: Precision = "fp32", quarter_turns: int = 0
) -> SequenceUpscaler:
    execution = Execution(device="cpu", precision=precision, tile_px=None, halo_px=HALO_PX, batch_frames=1)
    engine = Engine(network or Counted(), execution, scale=SCALE)
    return SequenceUpscaler(engine, output=FORMATS[0], quarter_turns=quarter_turns, reuse=reuse)


def upscale(sequence: SequenceUpscaler, frames: Sequence[Frame], form: Format = FORMATS[0]) -> list[Result]:
    return [sequence.upscale(sequence.step(frame, form)) for frame in frames]


def unchecked(sequence: SequenceUpscaler) -> SequenceUpscaler:
    """As it is between checks, which would put right what is wrong."""
    sequence._checks.partly_computed = 1
    return sequence


def still(form: Format = FORMATS[0]) -> Frame:
    random = np.random.default_rng(7)
    size = (HEIGHT_PX, WIDTH_PX)
    half = (-(-HEIGHT_PX // 2) if form.chroma == "420" else HEIGHT_PX, -(-WIDTH_PX // 2))
    chroma = size if form.chroma == "444" else half
    dtype = np.uint8 if form.bit_depth == 8 else np.uint16
    top = (1 << form.bit_depth) - 1
    return tuple(
        torch.from_numpy(random.integers(0, top, each, endpoint=True).astype(dtype))[None]
        for each in (size, chroma, chroma)
    )


def touched(frame: Frame, *, plane: int, row: int, column: int) -> Frame:
    """The frame with one sample changed."""
    planes = [each.clone() for each in frame]
    planes[plane][0, row, column] = int(planes[plane][0, row, column]) ^ 1
    return tuple(planes)


def wandering(frame: Frame, count: int) -> list[Frame]:
    """Frames in which a patch moves, here and there two at once, now and then nothing at all; at last a cut."""
    frames = [frame]
    for index in range(count):
        if index % 5 == 4:
            frames.append(tuple(each.clone() for each in frames[-1]))
            continue
        planes = [each.clone() for each in frame]
        for plane, scale in zip(planes, [1] + [plane.shape[-1] / WIDTH_PX for plane in planes[1:]], strict=True):
            for start in (7 * index, 160 - 11 * index if index % 3 else 0):
                left = max(0, int(start * scale))
                plane[0, left // 2 : left // 2 + 12, left : left + 20] = 77 + index
        frames.append(tuple(planes))
    return [*frames, tuple(each.flip(1) for each in frame)]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.chroma}-{form.bit_depth}")
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_reuse_gives_the_very_bytes_of_whole_frames(form: Format, quarter_turns: int) -> None:
    frames = wandering(still(form), 12)

    whole = upscale(upscaler(reuse=False, quarter_turns=quarter_turns), frames, form)
    reused = upscale(upscaler(reuse=True, quarter_turns=quarter_turns), frames, form)

    for one, other in zip(whole, reused, strict=True):
        assert all(map(torch.equal, one.planes, other.planes))
    assert sum(result.computed_share for result in reused) < 0.7 * len(frames)


def narrowing() -> Compact:
    """A network of which a part costs less than its surroundings would by themselves."""
    return Counted().inner


@pytest.mark.parametrize("network", [Counted, narrowing])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_reuse_gives_these_bytes_in_either_precision(precision: Precision, network: Callable[[], nn.Module]) -> None:
    frames = wandering(still(), 12)

    whole = upscale(upscaler(network(), reuse=False, precision=precision), frames)
    reused = upscale(upscaler(network(), reuse=True, precision=precision), frames)

    assert all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(whole, reused, strict=True))
    assert sum(result.computed_share for result in reused) < 0.5 * len(frames)


def test_where_only_the_inside_is_computed_a_part_costs_less() -> None:
    frames = [still(), touched(still(), plane=0, row=60, column=90)]

    (_, part), (_, with_surroundings) = (
        upscale(unchecked(upscaler(network, reuse=True)), frames) for network in (narrowing(), Counted())
    )

    assert 0 < part.computed_share < with_surroundings.computed_share
    assert all(map(torch.equal, part.planes, with_surroundings.planes))


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (37, 60), (71, 100), (70, 99), (40, 8), (39, 7)])
def test_one_changed_sample_is_enough(plane: int, row: int, column: int) -> None:
    # Given a frame and one that differs in a single sample, at corners and at the edges of cells
    frames = [still(), touched(still(), plane=plane, row=row, column=column)]

    # When the second is made of the first
    result = upscale(unchecked(upscaler(reuse=True)), frames)[1]

    # Then it is what it is by itself, at a fraction of the work
    alone = upscale(upscaler(reuse=False), frames[1:])[0]
    assert all(map(torch.equal, result.planes, alone.planes))
    assert 0 < result.computed_share < 0.3


def test_a_frame_like_the_one_before_costs_nothing() -> None:
    network = Counted()

    first, second = upscale(upscaler(network, reuse=True), [still(), still()])

    assert network.pixels == [WIDTH_PX * HEIGHT_PX]
    assert second.computed_share == 0
    assert all(map(torch.equal, first.planes, second.planes))


def test_a_scene_that_changes_all_over_is_computed_whole() -> None:
    network = Counted()

    upscale(upscaler(network, reuse=True), [still(), tuple(plane.flip(1) for plane in still())])

    assert network.pixels == [WIDTH_PX * HEIGHT_PX] * 2


def test_another_format_in_mid_stream_is_not_compared() -> None:
    sequence = upscaler(reuse=True)
    sequence.upscale(sequence.step(still(), FORMATS[0]))

    result = sequence.upscale(sequence.step(still(FORMATS[2]), FORMATS[2]))

    assert result.computed_share == 1


class Unsteady(Counted):
    """Rounds otherwise when it is not given whole frames, as kernels may for another shape."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out if x.shape[-1] == WIDTH_PX else out + 1e-6


def test_where_parts_come_out_otherwise_than_whole_frames_nothing_is_reused() -> None:
    # Given a machine on which a part of a frame is rounded otherwise
    frames = wandering(still(), 6)
    reused = upscaler(Unsteady(), reuse=True)

    # When frames are upscaled with reuse
    results = upscale(reused, frames)

    # Then the first check notices it, and every frame is what it is by itself
    whole = upscale(upscaler(Unsteady(), reuse=False), frames)
    assert reused.is_reuse_refuted
    assert all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(whole, results, strict=True))
    assert all(result.computed_share == 1 for result in results)


def test_frames_on_their_way_when_the_check_fails_are_computed_whole_too() -> None:
    # Given such a machine, and frames of which parts are computed before the first is there
    frames = wandering(still(), 4)
    reused = upscaler(Unsteady(), reuse=True)
    steps = [reused.step(frame, FORMATS[0]) for frame in frames]
    later = [reused.begin(step) for step in steps[1:]]

    # When the first is there, and the check of the second fails
    results = [reused.upscale(steps[0]), *(future.result(timeout=0) for future in later)]

    # Then no part of theirs is used
    whole = upscale(upscaler(Unsteady(), reuse=False), frames)
    assert reused.is_reuse_refuted
    assert all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(whole, results, strict=True))
    assert all(result.computed_share == 1 for result in results)


def test_a_frame_that_needed_fp32_lends_nothing_to_the_next() -> None:
    # Given a network that overflows wherever it sees white, except in fp32, and a white patch that stays for a frame
    class Overflows(Counted):
        def forward(self, x: Tensor) -> Tensor:
            out = super().forward(x)
            is_bf16 = next(self.parameters()).dtype == torch.bfloat16
            return out + torch.inf if is_bf16 and float(x.max()) > 0.99 else out

        def __deepcopy__(self, memo: object) -> "Overflows":
            copy = Overflows()
            copy.load_state_dict(self.state_dict())
            return copy

        def to(self, *args: object, **kwargs: object) -> "Overflows":
            super().to(*args, **kwargs)  # type: ignore[call-overload]
            return self

    dim = tuple((plane // 4 + 90).to(torch.uint8) for plane in still())
    white = [each.clone() for each in dim]
    white[0][0, 20:30, 20:30] = 235
    frames = [dim, tuple(white), touched(tuple(white), plane=0, row=100, column=150), dim]

    subject, plain = (unchecked(upscaler(Overflows(), reuse=reuse, precision="bf16")) for reuse in (True, False))
    reused, whole = upscale(subject, frames), upscale(plain, frames)

    assert subject._engine.redone_frames == plain._engine.redone_frames == 2
    assert all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(whole, reused, strict=True))


def test_a_frame_waits_for_the_one_before_and_no_thread_does() -> None:
    # Given frames that are begun before the ones that they are made of
    frames = wandering(still(), 5)
    sequence = unchecked(upscaler(reuse=True))
    steps = [sequence.step(frame, FORMATS[0]) for frame in frames]
    later = [sequence.begin(step) for step in reversed(steps[1:6])]
    assert not any(future.done() for future in later)

    # When the first is there
    first = sequence.upscale(steps[0])

    # Then all are, each what it is by itself
    results = [first, *(future.result(timeout=0) for future in reversed(later))]
    whole = upscale(upscaler(reuse=False), frames[:6])
    assert all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(whole, results, strict=True))


def test_any_number_of_frames_may_wait() -> None:
    sequence, count = upscaler(reuse=True), 2000
    steps = [sequence.step(still(), FORMATS[0]) for _ in range(count)]
    later = [sequence.begin(step) for step in steps[1:]]
    sequence.upscale(steps[0])

    assert all(future.result(timeout=0).computed_share == 0 for future in later)


def test_an_error_reaches_whoever_waits_for_the_frame() -> None:
    sequence = upscaler(Counted(fails_from=0.0), reuse=True)
    first = sequence.step(still(), FORMATS[0])
    second = sequence.step(still(), FORMATS[0])

    with pytest.raises(IntegrityError):
        sequence.upscale(first)
    with pytest.raises(IntegrityError):
        sequence.upscale(second)


def test_a_quarter_turn_turns_clockwise() -> None:
    execution = Execution(device="cpu", precision="fp32", tile_px=None, halo_px=0, batch_frames=1)
    form = Format("gray", 8, builders.color(range="full"))
    sequence = SequenceUpscaler(Engine(nn.Identity(), execution, scale=1), output=form, quarter_turns=1)

    result = sequence.upscale(sequence.step([torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8)], form))

    assert result.planes[0][0].tolist() == [[4, 1], [5, 2], [6, 3]]
