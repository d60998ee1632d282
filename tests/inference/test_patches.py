"""Planes are mended where their picture was, and are to the last bit what the whole picture would give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sr_core.inference.color import rgb_to_planes
from sr_core.inference.conversion import TorchConversion
from sr_core.inference.patches import patch, patched_planes
from sr_core.inference.rectangles import Rectangle
from tests import builders

WIDTH_PX, HEIGHT_PX = 117, 90


def picture(seed: int, height: int = HEIGHT_PX, width: int = WIDTH_PX) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangle:
    top, left = draw(st.integers(0, HEIGHT_PX - 1)), draw(st.integers(0, WIDTH_PX - 1))
    return Rectangle(top, draw(st.integers(top + 1, HEIGHT_PX)), left, draw(st.integers(left + 1, WIDTH_PX)))


@pytest.mark.parametrize("chroma", ["420", "422", "444", "gray", "rgb"])
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@settings(max_examples=25, deadline=None)
@given(parts=st.lists(rectangles(), min_size=1, max_size=3), bit_depth=st.sampled_from([8, 10]))
def test_mended_planes_are_those_of_the_mended_picture(
    chroma: str, siting: str, parts: list[Rectangle], bit_depth: int
) -> None:
    form = {"chroma": chroma, "bit_depth": bit_depth, "color": builders.color(siting=siting)}
    # Given a picture and its planes
    rgb = picture(1)
    before = rgb_to_planes(rgb, **form)  # type: ignore[arg-type]
    untouched = [plane.clone() for plane in before]

    # When parts of it are overwritten
    contents = [picture(2 + index, part.bottom - part.top, part.right - part.left) for index, part in enumerate(parts)]
    patch(rgb, parts, contents)
    mended = patched_planes(before, rgb, parts, TorchConversion(**form))  # type: ignore[arg-type]

    # Then nobody can tell that the planes were not made of the whole, and those of before are as they were
    assert all(map(torch.equal, mended, rgb_to_planes(rgb, **form)))  # type: ignore[arg-type]
    assert all(map(torch.equal, before, untouched))
