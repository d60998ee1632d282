"""Winograd's kernels as they are compiled for arm64, run by an emulator of it: NEON's results, not its speed."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd import WinogradCompact
from sr_core.inference.winograd_library import Chosen, Enlarged, Layer, Library, Pixels

from .compiled import FOUR_LANES, compiled_for
from .lively import lively, picture
from .neon import needs_emulator, output, program
from .test_winograd import MOST_ERROR, difference, exactly, parts_of

pytestmark = [needs_emulator, pytest.mark.usefixtures("one_thread")]

FIRST, INNER, LAST = range(3)
NOTHING = torch.empty(0)
PANEL_CHANNELS = 16
"""What panel_channels() of winograd.c gives for vectors of four."""


class Emulated(Library):
    """The library of an arm64 CPU."""

    def __init__(self, made: Path) -> None:
        self._program, self._panel_channels = made, PANEL_CHANNELS

    def convolve_planes(
        self, layer: Layer, planes: Tensor, result: Pixels, *, grid: int = 0, chosen: Chosen | None = None
    ) -> None:
        assert chosen is None
        self._call(FIRST, layer, result.values, planes=planes, result=_numbers(result), grid=grid)

    def convolve(
        self, layer: Layer, picture: Pixels, result: Pixels, *, grid: int, chosen: Chosen | None = None
    ) -> None:
        assert chosen is None
        self._call(INNER, layer, result.values, picture=picture, result=_numbers(result), grid=grid)

    def enlarge(
        self,
        layer: Layer,
        picture: Pixels,
        planes: Tensor,
        result: Enlarged,
        part: Rectangle,
        *,
        chosen: Chosen | None = None,
    ) -> None:
        assert chosen is None
        top, bottom, left, right = astuple(result.part)
        self._call(
            LAST,
            layer,
            result.samples,
            planes=planes,
            picture=picture,
            result=(part.bottom - part.top, part.right - part.left, layer.outputs, part.top, part.left),
            scale=result.scale,
            enlarged=(bottom - top, right - left, top, left),
        )

    def _call(
        self,
        which: int,
        layer: Layer,
        computed: Tensor,
        *,
        result: tuple[int, ...],
        planes: Tensor | None = None,
        picture: Pixels | None = None,
        grid: int = 0,
        scale: int = 1,
        enlarged: tuple[int, ...] = (0,) * 4,
    ) -> None:
        shape = (0,) * 3 if planes is None else tuple(planes.shape)
        seen = (0,) * 5 if picture is None else _numbers(picture)
        given = np.array([which, grid, scale, *shape, *seen, *result, *enlarged], np.int32).tobytes()
        values = [planes, picture and picture.values, layer.weights, layer.bias, layer.slope, computed]
        for each in (NOTHING if value is None else value for value in values):
            given += np.int32(each.numel()).tobytes() + each.numpy().tobytes()
        made = np.frombuffer(output(self._program, given), np.float32)
        computed.copy_(torch.from_numpy(made.copy()).view(computed.shape))


def _numbers(pixels: Pixels) -> tuple[int, ...]:
    return (*pixels.values.shape, pixels.part.top, pixels.part.left)


@pytest.fixture(scope="module")
def neon(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    return Emulated(program("winograd_call", tmp_path_factory.mktemp("neon")))


@pytest.mark.parametrize(("scale", "features"), [(2, 24), (3, 48), (4, 64)])
def test_a_network_gives_what_torchs_layers_give_but_for_rounding(scale: int, features: int, neon: Emulated) -> None:
    network, rgb = lively(scale, features), picture(21, 34)

    assert difference(WinogradCompact(network, neon)(rgb), exactly(network, rgb)) < MOST_ERROR


@pytest.mark.parametrize(("scale", "features"), [(2, 24), (4, 64)])
def test_a_network_gives_the_bits_that_x86_has(scale: int, features: int, neon: Emulated, tmp_path: Path) -> None:
    network, rgb = lively(scale, features), picture(21, 35)

    expected = WinogradCompact(network, compiled_for(FOUR_LANES, tmp_path))(rgb)

    assert torch.equal(WinogradCompact(network, neon)(rgb), expected)


def test_a_part_has_the_very_bits_of_the_whole(neon: Emulated) -> None:
    made, rgb = WinogradCompact(lively(), neon), picture(43, 31)

    whole = made(rgb)

    for part in parts_of(43, 31)[::4]:
        assert torch.equal(made.part(rgb, part), whole[part.scaled(2).inside()]), part
