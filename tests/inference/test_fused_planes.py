"""RGB to planes in one kernel: what `color.rgb_to_planes` gives, but for samples that lie between two codes."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import InputError
from sr_core.inference.color import rgb_to_planes
from sr_core.inference.engine import Engine
from sr_core.inference.fused import Launch
from sr_core.inference.fused_planes import (
    NAME,
    FusedPlanes,
    check_planes,
    fuse_planes,
    meaning,
    source,
    subsampling,
)
from sr_core.inference.nvrtc import compile_cuda
from sr_core.inference.steps import Format
from sr_core.inference.streamed import StreamedUpscaler
from sr_core.models.compact import Compact
from sr_core.types import Execution
from tests import builders
from tests.inference import ptx
from tests.inference.emulated import built_alone, needs_compiler
from tests.inference.layers import needs_nvrtc
from tests.inference.ptx_program import Program

CPU = torch.device("cpu")
USUAL = Format("420", 8, builders.color())
FORMATS = {
    "4:2:0": USUAL,
    "4:2:0, chroma in the middle": Format("420", 8, builders.color(siting="center", matrix="bt601")),
    "4:2:0, 10 bits, chroma at the top": Format("420", 10, builders.color(siting="topleft", matrix="bt2020nc")),
    "4:2:2, full range": Format("422", 8, builders.color(range="full")),
    "4:2:2, 12 bits, chroma in the middle": Format("422", 12, builders.color(siting="center")),
    "4:4:4, 16 bits": Format("444", 16, builders.color()),
}
formats = pytest.mark.parametrize("output", FORMATS.values(), ids=FORMATS)


def emulated(output: Format, *, change: tuple[str, str] = ("", "")) -> FusedPlanes:
    kind = subsampling(output)
    assert kind is not None
    code = source(kind)
    assert change[0] in code
    return FusedPlanes(kind, meaning(output), built_alone(code.replace(*change) if change[0] else code, NAME))


class Interpreted:
    """What NVRTC makes of the kernel, on a CPU."""

    def __init__(self, output: Format, architecture: str) -> None:
        kind = subsampling(output)
        assert kind is not None
        self._program = Program(compile_cuda(source(kind), architecture=architecture).decode().rstrip("\0"), NAME)

    def __call__(
        self, arguments: tuple[Tensor | int, ...], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
    ) -> None:
        ptx.run(self._program, arguments, grid=grid, threads=threads, shared_bytes=shared_bytes)


def noise(count: int, height: int, width: int) -> Tensor:
    """With values beyond black and white."""
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(5)) * 1.2 - 0.1


def differences(output: Format, fused: FusedPlanes, rgb: Tensor) -> Tensor:
    """Of all samples, in codes."""
    expected = rgb_to_planes(rgb, chroma=output.chroma, bit_depth=output.bit_depth, color=output.color)
    planes = fused(rgb)
    assert [each.shape for each in planes] == [each.shape for each in expected]
    assert {each.element_size() for each in planes} == {1 if output.bit_depth == 8 else 2}
    pairs = zip(planes, expected, strict=True)
    return torch.cat([(one.to(torch.int32) - other.to(torch.int32)).flatten() for one, other in pairs])


@needs_compiler
@formats
@pytest.mark.parametrize(("height", "width"), [(21, 67), (8, 64), (1, 1)], ids=["odd", "even", "a pixel"])
def test_planes_are_those_of_torch_but_for_single_codes(output: Format, height: int, width: int) -> None:
    off = differences(output, emulated(output), noise(2, height, width))

    assert int(off.abs().max()) <= 1
    # Of 16 bits fp32 leaves a few more in doubt
    assert float((off != 0).float().mean()) < (0.02 if output.bit_depth > 12 else 0.002)


@needs_nvrtc
@formats
@pytest.mark.parametrize("architecture", ["compute_75", "compute_90"])
def test_compiled_code_gives_them_too(output: Format, architecture: str) -> None:
    kind = subsampling(output)
    assert kind is not None

    fused = FusedPlanes(kind, meaning(output), Interpreted(output, architecture))

    assert int(differences(output, fused, noise(1, 9, 35)).abs().max()) <= 1


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        ("COSITED  ? (tap == 1 ? 0.5f : 0.25f)", "COSITED  ? (tap == 0 ? 0.5f : 0.25f)"),
        ("blue[at] =", "blue[at] = 0 *"),
        ("value * span + zero", "value * span + zero + 1.5f"),
    ],
    ids=["another filter", "a plane without content", "codes that are off"],
)
def test_a_kernel_that_is_wrong_on_a_device_is_found_out(change: tuple[str, str]) -> None:
    check_planes(emulated(USUAL), USUAL, CPU)

    with pytest.raises(InputError, match=r"the planes of fused kernels are wrong on this device: off by .*--kernels"):
        check_planes(emulated(USUAL, change=change), USUAL, CPU)


@needs_compiler
def test_it_is_compiled_for_the_gpu_and_only_where_colours_are_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def ready(code: str, names: list[str], capability: tuple[int, int]) -> dict[str, Launch]:
        assert (names, capability) == ([NAME], (7, 5))
        return {NAME: built_alone(code, NAME)}

    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (7, 5))
    monkeypatch.setattr("sr_core.inference.fused_planes.ready", ready)

    fused = fuse_planes(USUAL, CPU)

    assert isinstance(fused, FusedPlanes)
    assert int(differences(USUAL, fused, noise(1, 20, 20)).abs().max()) <= 1
    for chroma in ("gray", "rgb"):
        assert fuse_planes(Format(chroma, 8, builders.color()), CPU) is None


@needs_compiler
@pytest.mark.parametrize("output", [USUAL, FORMATS["4:2:2, 12 bits, chroma in the middle"]], ids=["8 bits", "12 bits"])
def test_frames_on_their_way_through_a_gpu_become_planes_by_it(output: Format) -> None:
    # Given a network whose result is its input, enlarged
    network = Compact(scale=2, feature_count=16, conv_count=1)
    nn.init.zeros_(network.state_dict()["body.4.weight"])
    nn.init.zeros_(network.state_dict()["body.4.bias"])
    execution = Execution(device="cpu", precision="fp32", tile_px=None, halo_px=3, batch_frames=1)
    random = np.random.default_rng(1)
    frame = [random.integers(0, 256, size).astype(np.uint8) for size in ((20, 30), (10, 15), (10, 15))]

    usual, fused = (
        StreamedUpscaler(Engine(network, execution, scale=2), output=output, size_px=(30, 20), to_planes=each)
        for each in (None, emulated(output))
    )

    one, other = (each.arrived(each.upscale(each.step(frame, USUAL))).planes for each in (usual, fused))
    assert [plane.dtype for plane in one] == [plane.dtype for plane in other]
    for expected, plane in zip(one, other, strict=True):
        assert np.abs(expected.astype(int) - plane.astype(int)).max() <= 1
