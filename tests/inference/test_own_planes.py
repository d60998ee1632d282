"""Colours by the package's kernels: what torch gives but for the last bit, and for a part the bits of the whole."""

from collections.abc import Callable, Iterator
from itertools import product
from types import EllipsisType

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.inference import FrameUpscaler
from sr_core.inference.conversion import Conversion, TorchConversion
from sr_core.inference.own_planes import OwnConversion, own_conversion
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.steps import Format
from sr_core.inference.winograd_library import Library
from sr_core.models.describe import describe
from sr_core.planning import make_plan
from sr_core.types import Settings
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from tests import builders

from .compiled import VECTORS, compiled_for
from .lively import needs_kernels

pytestmark = pytest.mark.usefixtures("one_thread")

FORMATS = [
    Format(chroma, depth, builders.color(siting=siting, range=color_range, matrix=matrix))
    for (chroma, siting), (depth, color_range, matrix) in product(
        [
            *product(("420", "422"), ("left", "center", "topleft")),
            ("444", "left"),
            ("gray", "left"),
            ("rgb", "left"),
        ],
        [(8, "limited", "bt709"), (8, "full", "bt601"), (10, "limited", "bt2020nc"), (16, "full", "smpte240m")],
    )
]
SIZES = [(1, 1), (1, 2), (2, 1), (3, 5), (8, 64), (9, 65), (22, 131), (5, 257)]
"""Heights and widths: of one sample, odd, of whole blocks of 64 columns, and of a few beside one."""
SENTINEL = 77


def named(form: Format) -> str:
    return f"{form.chroma}-{form.color.siting}-{form.bit_depth}-{form.color.range}"


formats = pytest.mark.parametrize("form", FORMATS, ids=named)
of_each_kind = pytest.mark.parametrize("form", [form for form in FORMATS if form.color.range == "full"], ids=named)
"""What takes other instructions: of one byte a sample, and of two."""


@pytest.fixture(scope="module", params=VECTORS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return compiled_for(request.param, tmp_path_factory.mktemp("kernels"))


def noise(height: int, width: int, *, seed: int = 1) -> Tensor:
    """RGB with values beyond black and white."""
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.1


def samples(form: Format, height: int, width: int) -> tuple[Tensor, ...]:
    """Planes of every code, as decoders give them."""
    random = np.random.default_rng(3)
    dtype = np.uint8 if form.bit_depth == 8 else np.uint16
    shapes = [plane.shape for plane in TorchConversion(*form).planes(torch.zeros((1, 3, height, width)))]
    most = (1 << form.bit_depth) - 1
    return tuple(torch.from_numpy(random.integers(0, most, shape, dtype, endpoint=True)) for shape in shapes)


def off_by(planes: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> Tensor:
    """Of all samples, in codes."""
    assert [plane.shape for plane in planes] == [plane.shape for plane in expected]
    pairs = zip(planes, expected, strict=True)
    return torch.cat([(one.to(torch.int32) - other.to(torch.int32)).flatten() for one, other in pairs]).abs()


@formats
def test_planes_are_those_of_torch_but_for_single_codes(form: Format, found: Library) -> None:
    own, torchs = OwnConversion(*form, found), TorchConversion(*form)

    off = torch.cat([off_by(own.planes(noise(*size)), torchs.planes(noise(*size))) for size in SIZES])

    assert int(off.max()) <= 1
    # Of 16 bits fp32 leaves a few more in doubt
    assert float((off != 0).float().mean()) < (0.01 if form.bit_depth > 12 else 0.001)
    assert {plane.dtype for plane in own.planes(noise(2, 2))} == {torch.uint8 if form.bit_depth == 8 else torch.uint16}


@formats
def test_rgb_is_that_of_torch_but_for_rounding(form: Format, found: Library) -> None:
    own, torchs = OwnConversion(*form, found), TorchConversion(*form)

    for size in SIZES:
        planes = samples(form, *size)
        torch.testing.assert_close(own.rgb(planes), torchs.rgb(planes), rtol=0, atol=1e-6)


@of_each_kind
def test_what_lies_far_beyond_black_and_white_becomes_the_nearest_code(form: Format, found: Library) -> None:
    rgb = noise(9, 70) * torch.tensor([1, 1e3, 1e30])[torch.arange(70) % 3]
    off = off_by(OwnConversion(*form, found).planes(rgb), TorchConversion(*form).planes(rgb))

    assert int(off.max()) <= 1


@formats
def test_a_picture_comes_back_from_rgb_as_it_was_where_chroma_is_not_resampled(form: Format, found: Library) -> None:
    own, planes = OwnConversion(*form, found), samples(form, 20, 100)
    known = planes if form.chroma not in ("420", "422") else planes[:1]

    back = own.planes(own.rgb(planes))

    for plane, returned in zip(known, back, strict=False):
        assert torch.equal(plane, returned)


@pytest.fixture(scope="module", params=["torch", *VECTORS])
def conversion(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Format], Conversion]:
    """Either way from planes to RGB and back."""
    if request.param == "torch":
        return lambda form: TorchConversion(*form)
    kernels = compiled_for(request.param, tmp_path_factory.mktemp("kernels"))
    return lambda form: OwnConversion(*form, kernels)


def parts_of(height: int, width: int) -> Iterator[Rectangle]:
    """Of all first and all last columns and rows, the other ends by chance."""
    random = np.random.default_rng(5)

    def span(length: int, *, start: int | None = None, end: int | None = None) -> tuple[int, int]:
        if start is None:
            start = int(random.integers(0, length if end is None else end))
        return start, int(random.integers(start + 1, length + 1)) if end is None else end

    yield Rectangle(0, height, 0, width)
    for at in range(width):
        yield Rectangle(*span(height), *span(width, start=at))
        yield Rectangle(*span(height), *span(width, end=at + 1))
    for at in range(height):
        yield Rectangle(*span(height, start=at), *span(width))
        yield Rectangle(*span(height, end=at + 1), *span(width))


def told(part: Rectangle, form: Format, plane: int) -> tuple[EllipsisType | slice, ...]:
    """The index in a plane of a part of the picture, made larger to whole samples of chroma."""
    down, right = 1 + (form.chroma == "420"), 1 + (form.chroma in ("420", "422"))
    bounds = part.top // down, -(-part.bottom // down), part.left // right, -(-part.right // right)
    steps = (down, down, right, right) if plane == 0 else (1, 1, 1, 1)
    return Rectangle(*(bound * step for bound, step in zip(bounds, steps, strict=True))).inside()


@of_each_kind
@pytest.mark.parametrize(("height", "width"), [(13, 149), (6, 64)])
def test_a_part_of_planes_has_the_very_bits_of_the_whole_and_nothing_else_is_touched(
    form: Format, height: int, width: int, conversion: Callable[[Format], Conversion]
) -> None:
    made, rgb = conversion(form), noise(height, width)
    whole = made.planes(rgb)

    for part in parts_of(height, width):
        planes = tuple(torch.full_like(plane, SENTINEL) for plane in whole)
        made.write_planes(rgb, planes, part)

        for index, (plane, complete) in enumerate(zip(planes, whole, strict=True)):
            expected, inside = torch.full_like(complete, SENTINEL), told(part, form, index)
            expected[inside] = complete[inside]
            assert torch.equal(plane, expected), (part, index)


@of_each_kind
def test_planes_may_be_views_into_padded_rows_and_of_wider_integers(form: Format, found: Library) -> None:
    own, planes = OwnConversion(*form, found), samples(form, 11, 75)
    padded = []
    for plane in planes:
        buffer = np.zeros((1, plane.shape[1], plane.shape[2] + 5), plane.numpy().dtype)
        buffer[..., 2:-3] = plane.numpy()
        padded.append(torch.from_numpy(buffer)[..., 2:-3])

    assert torch.equal(own.rgb(padded), own.rgb(planes))
    assert torch.equal(own.rgb([plane.to(torch.int32) for plane in planes]), own.rgb(planes))


def test_a_picture_may_lie_in_memory_in_any_order(found: Library) -> None:
    own, rgb = OwnConversion(*FORMATS[0], found), noise(20, 30)

    turned = rgb.contiguous(memory_format=torch.channels_last)

    assert all(map(torch.equal, own.planes(turned), own.planes(rgb)))


@needs_kernels
@pytest.mark.parametrize("wrong", ["a plane", "a channel", "no number"])
def test_kernels_that_are_wrong_on_this_cpu_are_noticed_before_a_frame_is_made(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_planes, make_rgb = OwnConversion.write_planes, OwnConversion.rgb

    def write_planes_wrongly(self: OwnConversion, rgb: Tensor, planes: tuple[Tensor, ...], part: Rectangle) -> None:
        write_planes(self, rgb, planes, part)
        if wrong == "a plane":
            planes[2][0, -1, -1] ^= 2

    def rgb_wrongly(self: OwnConversion, planes: tuple[Tensor, ...]) -> Tensor:
        made = make_rgb(self, planes)
        if wrong != "a plane":
            made[0, 2, -1, -1] += 2e-5 if wrong == "a channel" else torch.nan
        return made

    assert own_conversion(*FORMATS[0]) is own_conversion(*FORMATS[0])
    monkeypatch.setattr(OwnConversion, "write_planes", write_planes_wrongly)
    monkeypatch.setattr(OwnConversion, "rgb", rgb_wrongly)
    own_conversion.cache_clear()  # as in a new process

    with pytest.raises(InputError, match=r"for colours are wrong on this CPU: .* take --kernels torch, and report it"):
        own_conversion(*FORMATS[0])
    own_conversion.cache_clear()


def test_where_none_were_compiled_whoever_asks_for_them_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.winograd.library", lambda: None)
    own_conversion.cache_clear()

    with pytest.raises(InputError, match=r"take --kernels torch"):
        own_conversion(*FORMATS[0])


@needs_kernels
@pytest.mark.parametrize("kernels", ["winograd", "torch"])
def test_frames_take_them_exactly_where_the_plan_has_kernels_of_our_own(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given jobs that differ by the kernels that are planned, and a note of who asks for these
    asked: list[str] = []

    def noted(chroma: str, bit_depth: int, color: object) -> Conversion:
        asked.append(chroma)
        return own_conversion(chroma, bit_depth, color)

    monkeypatch.setattr("sr_core.inference.upscaler.own_conversion", noted)
    settings = Settings.model_validate({"device": "cpu", "precision": "fp32", "kernels": kernels})
    video = builders.video(width_px=70, height_px=40)
    plan = make_plan(builders.request(settings), describe("compact-x2"), video, tier="local")
    frame = tuple(plane[0].numpy() for plane in samples(FORMATS[0], 40, 70))

    upscaler = FrameUpscaler(plan, None)
    made = upscaler.arrived(upscaler.upscale(upscaler.step(Planes(HANDLED["yuv420p"], frame))))

    assert [plane.shape for plane in made.planes] == [(80, 140), (40, 70), (40, 70)]
    assert asked == (["420", "420"] if kernels == "winograd" else [])
