"""RGB to the encoder's planes in one kernel, on a GPU: what `color.rgb_to_planes` does, in a tenth of its traffic.

torch runs some twenty passes over fp32 samples for it. The formulas are the same, the last bit is not: a sample that
lies between two codes may fall to either side. So it is planned, with fused layers. Grey and RGB stay torch's, without
colour differences to be resampled. See docs/decisions/0705.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.inference.color import LUMA_WEIGHTS, rgb_to_planes, spans
from sr_core.inference.fused import INSTEAD, Launch, ready
from sr_core.inference.layer_kernels import read_kernel_source
from sr_core.inference.steps import Format

ToPlanes = Callable[[Tensor], tuple[Tensor, ...]]
"""float32 (N, 3, height, width) to integer planes (N, height, width) each."""
NAME = "to_planes_of_this_format"
_ACROSS, _BELOW = 32, 4
"""Samples of chroma that a block makes: planes.cu's."""
_STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
"""Luma samples for one of chroma, beside and below one another."""
_CHECKED_PX = (37, 53)


class Subsampling(NamedTuple):
    """What the kernel is compiled for."""

    right: int
    down: int
    is_cosited_right: bool
    is_cosited_down: bool
    is_wide: bool
    """Whether samples have two bytes."""

    def grid(self, count: int, height: int, width: int) -> tuple[int, int, int]:
        """Blocks for `count` pictures."""
        return -(-width // (self.right * _ACROSS)), -(-height // (self.down * _BELOW)), count


def subsampling(output: Format) -> Subsampling | None:
    """Of planes; None for those that torch makes."""
    steps = _STEPS.get(output.chroma)
    if steps is None:
        return None
    siting = output.color.siting
    return Subsampling(*steps, siting in ("left", "topleft"), siting == "topleft", output.bit_depth > 8)


def source(kind: Subsampling) -> str:
    """CUDA C++ of the kernel, under NAME."""
    right, down, cosited_right, cosited_down, is_wide = kind
    sample = "unsigned short" if is_wide else "unsigned char"
    return (
        f'{read_kernel_source("planes.cu")}\nextern "C" __global__ void __launch_bounds__(THREADS) {NAME}('
        f"const float* __restrict__ rgb, const Meaning* __restrict__ meaning, {sample}* __restrict__ luma, "
        f"{sample}* __restrict__ blue, {sample}* __restrict__ red, int height, int width) {{\n"
        f"    to_planes<{right}, {down}, {int(cosited_right)}, {int(cosited_down)}, {sample}>"
        "(rgb, meaning, luma, blue, red, height, width);\n}\n"
    )


def meaning(output: Format) -> Tensor:
    """The kernel's numbers, in its order."""
    black, luma_span, chroma_span = spans(output.bit_depth, output.color.range)
    kr, kb = LUMA_WEIGHTS.get(output.color.matrix, LUMA_WEIGHTS["bt709"])
    center, most = 1 << (output.bit_depth - 1), (1 << output.bit_depth) - 1
    weights = (kr, 1 - kr - kb, kb, 0.5 / (1 - kb), 0.5 / (1 - kr))
    return torch.tensor((*weights, luma_span, black + 0.5, chroma_span, center + 0.5, most))


class FusedPlanes:
    """Makes planes, each of 8 bits or, for more, of 16.

    Args:
        kind: of the output.
        meaning: as the function of that name gives it, on the device.
        launch: the kernel.
    """

    def __init__(self, kind: Subsampling, meaning: Tensor, launch: Launch) -> None:
        self._kind, self._meaning, self._launch = kind, meaning, launch

    def __call__(self, rgb: Tensor) -> tuple[Tensor, ...]:
        count, _, height, width = rgb.shape
        chroma = (count, -(-height // self._kind.down), -(-width // self._kind.right))
        dtype = torch.uint16 if self._kind.is_wide else torch.uint8
        planes = tuple(
            torch.empty(size, dtype=dtype, device=rgb.device) for size in ((count, height, width), chroma, chroma)
        )
        self._launch(
            (rgb.float().contiguous(), self._meaning, *planes, height, width),
            grid=self._kind.grid(count, height, width),
            threads=_ACROSS * _BELOW,
            shared_bytes=0,
        )
        return planes


def fuse_planes(output: Format, device: torch.device) -> ToPlanes | None:
    """The kernel for an output on a GPU, held against torch's way there; None where that is the way.

    Raises InputError when it cannot be compiled, or is wrong.
    """
    kind = subsampling(output)
    if kind is None:
        return None
    kernels = ready(source(kind), [NAME], torch.cuda.get_device_capability(device))
    fused = FusedPlanes(kind, meaning(output).to(device), kernels[NAME])
    check_planes(fused, output, device)
    return fused


@torch.inference_mode()
def check_planes(fused: ToPlanes, output: Format, device: torch.device) -> None:
    """Holds planes against torch's, on noise. Raises InputError when a sample is off by more than a code."""
    noise = torch.rand((1, 3, *_CHECKED_PX), generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    exact = rgb_to_planes(noise.to(device), chroma=output.chroma, bit_depth=output.bit_depth, color=output.color)
    off = max(
        int((one.to(torch.int32) - other).abs().max())
        for one, other in zip(fused(noise.to(device)), exact, strict=True)
    )
    if off > 1:
        raise InputError(f"the planes of fused kernels are wrong on this device: off by {off} codes; {INSTEAD}")
