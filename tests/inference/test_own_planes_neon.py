"""Colours by the kernels as they are compiled for arm64, run by an emulator of it: the bits that x86 has."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.inference.own_planes import OwnConversion, _format
from sr_core.inference.steps import Format
from sr_core.inference.winograd_library import Library

from .compiled import FOUR_LANES, compiled_for
from .neon import needs_emulator, output, program
from .test_own_planes import formats, noise, samples

pytestmark = [needs_emulator, pytest.mark.usefixtures("one_thread")]

SIZES = [(1, 1), (13, 149), (6, 64)]


@pytest.fixture(scope="module")
def neon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return program("planes_call", tmp_path_factory.mktemp("neon"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return compiled_for(FOUR_LANES, tmp_path_factory.mktemp("kernels"))


def given(form: Format, size: tuple[int, int], tensors: tuple[Tensor, ...], *, makes_planes: bool) -> bytes:
    head = bytes(_format(*form)) + np.array([makes_planes, *size], np.int32).tobytes()
    return head + b"".join(tensor.numpy().tobytes() for tensor in tensors)


@formats
def test_colours_both_ways_have_the_bits_that_x86_has(form: Format, neon: Path, found: Library) -> None:
    own = OwnConversion(*form, found)

    for size in SIZES:
        rgb, planes = noise(*size), samples(form, *size)

        made_planes = output(neon, given(form, size, (rgb,), makes_planes=True))
        made_rgb = output(neon, given(form, size, planes, makes_planes=False))

        assert made_planes == b"".join(plane.numpy().tobytes() for plane in own.planes(rgb))
        assert torch.equal(torch.from_numpy(np.frombuffer(made_rgb, np.float32).copy()).view_as(rgb), own.rgb(planes))
