"""Winograd's kernels as they are compiled for arm64, run by an emulator of it: NEON's results, not its speed."""

import hashlib
import shutil
import subprocess
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.inference import winograd_library
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd import WinogradCompact
from sr_core.inference.winograd_library import Chosen, Enlarged, Layer, Library, Pixels, library

from .compiled import flags
from .lively import lively, picture
from .test_winograd import MOST_ERROR, accelerated, difference, exactly, parts_of

COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
pytestmark = [
    pytest.mark.skipif(
        None in (COMPILER, EMULATOR), reason="needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user"
    ),
    pytest.mark.usefixtures("one_thread"),
]

HERE = Path(__file__).parent
SOURCE = Path(winograd_library.__file__).parent / "kernels" / "winograd.c"
FIRST, INNER, LAST = range(3)
NOTHING = torch.empty(0)
PANEL_CHANNELS = 16
"""What panel_channels() of winograd.c gives for vectors of four."""


class Emulated(Library):
    """The library of an arm64 CPU; each call is a process."""

    def __init__(self, program: Path) -> None:
        self._program, self._panel_channels = program, PANEL_CHANNELS

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
        assert EMULATOR is not None
        out = subprocess.run([EMULATOR, self._program], input=given, stdout=subprocess.PIPE, check=True).stdout
        computed.copy_(torch.from_numpy(np.frombuffer(out, np.float32).copy()).view(computed.shape))


def _numbers(pixels: Pixels) -> tuple[int, ...]:
    return (*pixels.values.shape, pixels.part.top, pixels.part.left)


@pytest.fixture(scope="module")
def neon(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    program = tmp_path_factory.mktemp("neon") / "winograd_call"
    named = f"-DSOURCE_ID=0x{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]}"
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, *flags(), named, "-static", f"-I{SOURCE.parent}", "-o", program, HERE / "winograd_call.c"],
        check=True,
    )
    return Emulated(program)


@pytest.mark.parametrize(("scale", "features"), [(2, 24), (3, 48), (4, 64)])
def test_a_network_gives_what_torchs_layers_give_but_for_rounding(scale: int, features: int, neon: Emulated) -> None:
    network, rgb = lively(scale, features), picture(21, 34)

    result = WinogradCompact(network, neon)(rgb)

    assert difference(result, exactly(network, rgb)) < MOST_ERROR
    if library() is not None:
        assert difference(result, accelerated(network)(rgb)) < MOST_ERROR


def test_a_part_has_the_very_bits_of_the_whole(neon: Emulated) -> None:
    made, rgb = WinogradCompact(lively(), neon), picture(43, 31)

    whole = made(rgb)

    for part in parts_of(43, 31)[::4]:
        assert torch.equal(made.part(rgb, part), whole[part.scaled(2).inside()]), part
