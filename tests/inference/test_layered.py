"""Layers' results are kept from frame to frame: nobody can tell from what comes out, from any threads."""

import copy
import weakref
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from sr_core.inference import FrameUpscaler
from sr_core.inference.engine import Engine
from sr_core.inference.layered import LayeredUpscaler
from sr_core.inference.own_planes import own_conversion
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format, Result
from sr_core.models.describe import describe
from sr_core.planning import make_plan
from sr_core.types import Settings
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from tests import builders

from .lively import execution, lively, needs_kernels
from .test_sequence import FORMATS, HEIGHT_PX, WIDTH_PX, Frame, still, touched, wandering
from .test_winograd_engine import small

pytestmark = [needs_kernels, pytest.mark.usefixtures("one_thread")]

TOUCHED = [touched(still(), plane=0, row=11, column=16), touched(still(), plane=0, row=10, column=15)]
"""Frames that differ from one another in a few pixels."""


def engine(inner_count: int = 4) -> Engine:
    return Engine(lively(features=16, inner_count=inner_count), execution(inner_count=inner_count), scale=2)


def layers(quarter_turns: int = 0, *, inner_count: int = 4) -> LayeredUpscaler:
    subject = engine(inner_count)
    assert subject.by_winograd is not None
    return LayeredUpscaler(
        subject, subject.by_winograd, output=FORMATS[0], quarter_turns=quarter_turns, conversion=own_conversion
    )


def unchecked(subject: LayeredUpscaler) -> LayeredUpscaler:
    """As it is between checks, which would put right what is wrong."""
    subject._checks.partly_computed = 1
    return subject


def upscale(subject: LayeredUpscaler, frames: Sequence[Frame], form: Format = FORMATS[0]) -> list[Result]:
    return [subject.upscale(subject.step(frame, form)) for frame in frames]


def whole(
    frames: Sequence[Frame], form: Format = FORMATS[0], *, quarter_turns: int = 0, inner_count: int = 4
) -> list[Result]:
    """What comes of each frame by itself."""
    plain = SequenceUpscaler(
        engine(inner_count),
        output=FORMATS[0],
        quarter_turns=quarter_turns,
        reuse=False,
        conversion=own_conversion,
    )
    return [plain.upscale(plain.step(frame, form)) for frame in frames]


def are_same(some: Sequence[Result], others: Sequence[Result]) -> bool:
    return all(all(map(torch.equal, one.planes, other.planes)) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.chroma}-{form.bit_depth}")
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_frames_have_the_very_bytes_of_whole_ones(form: Format, quarter_turns: int) -> None:
    frames = wandering(still(form), 12)

    found = upscale(unchecked(layers(quarter_turns)), frames, form)

    assert are_same(found, whole(frames, form, quarter_turns=quarter_turns))
    assert all(result.computed_share < 0.3 for result in found[2:-1])


@pytest.mark.parametrize("inner_count", [0, 1, 2, 3])
def test_networks_of_any_length_have_these_bytes(inner_count: int) -> None:
    frames = wandering(still(), 4)

    found = upscale(unchecked(layers(inner_count=inner_count)), frames)

    assert are_same(found, whole(frames, inner_count=inner_count))


@pytest.mark.parametrize("quarter_turns", [0, 3])
def test_a_frame_touched_in_one_sample_has_the_very_bits_of_a_whole_one(quarter_turns: int) -> None:
    # Given frames of which each is touched in one sample more, some at the edges
    frames = [small(still())]
    for plane, row, column in ((0, 60, 47), (0, 61, 48), (0, 0, 0), (0, 94, 120), (1, 30, 20), (2, 47, 60)):
        frames.append(touched(frames[-1], plane=plane, row=row, column=column))

    # When each is made of the one before
    subject = unchecked(layers(quarter_turns))
    found, pictures = [], []
    for frame in frames:
        found += upscale(subject, [frame])
        pictures.append(subject._kept.result.samples.clone() if subject._kept else None)

    # Then so is the RGB, in which rounding shows that planes of 8 bits hide, and little was computed
    assert are_same(found, whole(frames, quarter_turns=quarter_turns))
    for frame, picture in zip(frames[1:], pictures[1:], strict=True):
        rgb = torch.rot90(own_conversion(*FORMATS[0]).rgb(frame), -quarter_turns, dims=(2, 3))
        assert picture is not None
        assert torch.equal(picture[None], engine().upscale_rgb(rgb))
    assert all(0 < result.computed_share < 0.2 for result in found[2:])


def test_what_no_layer_passes_on_is_seen_in_the_picture_that_the_last_one_adds() -> None:
    # Given a network whose third layer is never active, and frames that are touched far from one another
    network = copy.deepcopy(lively(features=16, inner_count=4, activation="relu"))
    nn.init.constant_(network.get_parameter("body.4.bias"), -1000)
    subject = Engine(network, execution(inner_count=4), scale=2)
    assert subject.by_winograd is not None
    kept = LayeredUpscaler(subject, subject.by_winograd, output=FORMATS[0], conversion=own_conversion)
    plain = SequenceUpscaler(subject, output=FORMATS[0], reuse=False, conversion=own_conversion)
    frames = [still()]
    for row, column in ((11, 16), (60, 100), (142, 200)):
        frames.append(tuple(plane.clone() for plane in frames[-1]))
        frames[-1][0][0, row, column] ^= 255

    found = upscale(unchecked(kept), frames)

    # Then they are what they are by themselves, and layers after that one have computed next to nothing
    assert are_same(found, [plain.upscale(plain.step(frame, FORMATS[0])) for frame in frames])
    assert all(result.computed_share < 0.005 for result in found[2:])


def test_a_frame_like_the_one_before_costs_nothing() -> None:
    found = upscale(layers(), [still(), still(), still()])

    assert [result.computed_share for result in found] == [1, 0, 0]
    assert [result.busy_seconds > 0 for result in found] == [True, False, False]
    assert are_same(found, found[:1] * 3)


def test_nothing_is_kept_where_everything_moves() -> None:
    random = torch.Generator().manual_seed(1)
    frames = [
        tuple(torch.randint(16, 235, plane.shape, dtype=torch.uint8, generator=random) for plane in still())
        for _ in range(4)
    ]
    subject = layers()

    found = upscale(subject, frames)

    assert subject._kept is None
    assert are_same(found, whole(frames))


def test_a_scene_that_follows_one_that_stood_still_is_kept_at_once() -> None:
    # Given a still scene, a cut, and the scene after it; and two cuts after that
    other, third = (tuple(plane.flip(side) for plane in still()) for side in (1, 2))
    frames = [still(), touched(still(), plane=0, row=9, column=9), touched(still(), plane=0, row=5, column=5)]
    frames += [other, touched(other, plane=0, row=70, column=70)]
    frames += [still(), third, touched(third, plane=0, row=20, column=90)]

    found = upscale(unchecked(layers()), frames)

    # Then only one frame of it is computed whole, but nothing is kept of the second of two that are all new
    assert [result.computed_share == 1 for result in found] == [True, True, False, True, False, True, True, True]
    assert are_same(found, whole(frames))


def test_what_has_another_format_or_size_in_mid_stream_is_not_compared() -> None:
    # Given frames and, one after another, the same samples in another range, smaller ones, and other chroma
    frames, full = wandering(still(), 2)[:3], FORMATS[0]._replace(color=builders.color(siting="left", range="full"))
    kinds = [(frames, FORMATS[0]), (frames[::-1], full), ([small(frame) for frame in frames], full)]
    kinds.append((wandering(still(FORMATS[2]), 2)[:3], FORMATS[2]))
    subject = unchecked(layers())

    for index, (given, form) in enumerate(kinds):
        found = upscale(subject, given, form)

        # Then the first ones are computed whole, and what follows is made of those
        assert are_same(found, whole(given, form))
        assert [result.computed_share == 1 for result in found] == [True, index == 0, False]


def test_an_error_reaches_whoever_waits_for_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "upscale_rgb", lambda _engine, _rgb: 1 / 0)
    subject = layers()

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            upscale(subject, [still()])


def test_of_frames_that_are_through_only_planes_of_the_result_are_held() -> None:
    # Given frames of which nobody but the upscaler holds the planes
    subject, alive = unchecked(layers()), []
    frames = wandering(still(), 8)
    results = []
    while frames:
        frame = frames.pop(0)
        alive.append(weakref.ref(frame[0]))
        results += upscale(subject, [frame])
        del frame

    # Then at last there are those of the last frame, and of the one that it was made of
    assert sum(each() is not None for each in alive) <= 2


@pytest.mark.parametrize(
    ("memory_bytes", "reuse", "least", "most"),
    [(1 << 40, True, 3.01, 3.99), (1 << 20, True, 2.01, 2.99), (1 << 40, False, 4, 4)],
)
def test_a_job_keeps_layers_where_there_is_the_memory_for_it_and_reuse_is_asked_for(
    memory_bytes: int, reuse: bool, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a job by these kernels on a machine with so much memory
    monkeypatch.setattr("sr_core.inference.upscaler.memory_bytes", lambda: memory_bytes)
    settings = Settings.model_validate({"device": "cpu", "precision": "fp32", "kernels": "winograd"})
    video = builders.video(width_px=WIDTH_PX, height_px=HEIGHT_PX)
    plan = make_plan(builders.request(settings), describe("compact-x2"), video, tier="local")

    # When frames are upscaled that differ in little
    upscaler = FrameUpscaler(plan, None, reuse=reuse)
    frames = [
        Planes(HANDLED["yuv420p"], tuple(plane[0].numpy() for plane in each)) for each in [still(), *TOUCHED, still()]
    ]
    for frame in frames:
        upscaler.arrived(upscaler.upscale(upscaler.step(frame)))

    # Then three are computed whole, the last one of them to be sure; or two where parts of frames are computed; or all
    assert least <= upscaler.computed_frames <= most


@pytest.mark.parametrize("inner_count", [0, 3])
def test_what_layers_give_takes_the_memory_that_is_reckoned_with(inner_count: int) -> None:
    network = engine(inner_count).by_winograd
    assert network is not None

    kept = network.kept(13, 30)

    tensors = [kept.result.samples, *(pixels.values for pixels in kept.features)]
    assert network.kept_bytes(13, 30) == sum(tensor.nbytes for tensor in tensors)
