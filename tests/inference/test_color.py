"""Colour conversion: exact where it can be, and the formulas of H.273 where it is checked by hand."""

import pytest
import torch
from torch import Tensor

from sr_core.inference.color import LUMA_WEIGHTS, planes_to_rgb, rgb_to_planes
from tests import builders

MATRICES = list(LUMA_WEIGHTS)


def codes(*shape: int, bit_depth: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 1 << bit_depth, shape, generator=generator, dtype=torch.int32)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("color_range", ["limited", "full"])
@pytest.mark.parametrize("bit_depth", [8, 10, 12])
def test_444_comes_back_to_the_last_code(matrix: str, color_range: str, bit_depth: int) -> None:
    color = builders.color(matrix=matrix, range=color_range)
    planes = [codes(1, 16, 16, bit_depth=bit_depth, seed=seed) for seed in range(3)]

    rgb = planes_to_rgb(planes, chroma="444", bit_depth=bit_depth, color=color)
    back = rgb_to_planes(rgb, chroma="444", bit_depth=bit_depth, color=color)

    for plane, returned in zip(planes, back, strict=True):
        assert torch.equal(plane, returned.to(torch.int32))


@pytest.mark.parametrize(
    ("luma", "blue", "red", "expected"),
    [
        (16, 128, 128, (0.0, 0.0, 0.0)),
        (235, 128, 128, (1.0, 1.0, 1.0)),
        (63, 102, 240, (1.0, 0.0, 0.0)),  # BT.709 red: 16 + 219·0.2126, 128 - 224·0.2126/1.8556, 128 + 112
        (32, 240, 118, (0.0, 0.0, 1.0)),
    ],
)
def test_bt709_primaries_have_the_codes_of_the_standard(
    luma: int, blue: int, red: int, expected: tuple[float, float, float]
) -> None:
    planes = [torch.full((1, 2, 2), code, dtype=torch.uint8) for code in (luma, blue, red)]

    rgb = planes_to_rgb(planes, chroma="444", bit_depth=8, color=builders.color())

    assert rgb[0, :, 0, 0].tolist() == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("chroma", ["420", "422"])
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (1, 1), (2, 3)])
def test_flat_colours_survive_subsampling_at_any_size(chroma: str, siting: str, height: int, width: int) -> None:
    color = builders.color(siting=siting)
    chroma_height = (height + 1) // 2 if chroma == "420" else height
    planes = [
        torch.full(shape, code, dtype=torch.uint8)
        for shape, code in (
            ((1, height, width), 120),
            ((1, chroma_height, (width + 1) // 2), 90),
            ((1, chroma_height, (width + 1) // 2), 200),
        )
    ]

    back = rgb_to_planes(
        planes_to_rgb(planes, chroma=chroma, bit_depth=8, color=color), chroma=chroma, bit_depth=8, color=color
    )

    for plane, returned in zip(planes, back, strict=True):
        assert torch.equal(plane, returned)


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_chroma_does_not_move(siting: str) -> None:
    # Given a chroma ramp: any shift would change its values
    ramp = torch.linspace(60, 180, 32).round().to(torch.uint8)
    blue = ramp.expand(1, 32, 32).contiguous()
    planes = [torch.full((1, 64, 64), 120, dtype=torch.uint8), blue, blue.transpose(1, 2).contiguous()]
    color = builders.color(siting=siting)

    # When it goes to RGB and back
    rgb = planes_to_rgb(planes, chroma="420", bit_depth=8, color=color)
    back = rgb_to_planes(rgb, chroma="420", bit_depth=8, color=color)

    # Then it is the same within a code, away from the repeated edge
    for plane, returned in zip(planes[1:], back[1:], strict=True):
        difference = (plane.int() - returned.int()).abs()[:, 1:-1, 1:-1]
        assert int(difference.max()) <= 1


def test_left_sited_chroma_lies_on_the_even_columns() -> None:
    step = torch.tensor([[[0, 0, 255, 255]]], dtype=torch.uint8)
    planes = [torch.full((1, 1, 8), 128, dtype=torch.uint8), torch.full((1, 1, 4), 128, dtype=torch.uint8), step]

    red = planes_to_rgb(planes, chroma="422", bit_depth=8, color=builders.color(range="full"))[0, 0, 0]

    # The step lies between the samples of columns 2 and 4, so column 3 is half way.
    assert red[3].item() == pytest.approx((red[2].item() + red[4].item()) / 2, abs=1e-6)
    assert red[1].item() == pytest.approx(red[2].item(), abs=1e-6)


def test_grey_has_no_colour_and_rgb_has_its_own_order() -> None:
    grey = planes_to_rgb([codes(1, 4, 4, bit_depth=8)], chroma="gray", bit_depth=8, color=builders.color())
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 1], grey[:, 2])

    green, blue, red = (torch.full((1, 1, 1), code, dtype=torch.uint8) for code in (255, 51, 102))
    color = builders.color(matrix="rgb", range="full")
    rgb = planes_to_rgb([green, blue, red], chroma="rgb", bit_depth=8, color=color)
    assert rgb.flatten().tolist() == pytest.approx([102 / 255, 1.0, 51 / 255])


def test_values_beyond_white_are_kept_until_they_become_codes() -> None:
    planes = [torch.full((1, 2, 2), code, dtype=torch.uint8) for code in (254, 128, 128)]

    rgb = planes_to_rgb(planes, chroma="444", bit_depth=8, color=builders.color())
    clipped = rgb_to_planes(rgb * 2, chroma="444", bit_depth=8, color=builders.color())

    assert float(rgb.max()) > 1.08
    assert int(clipped[0].max()) == 255
