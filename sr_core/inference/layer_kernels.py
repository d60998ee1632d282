"""The kernels of kernels/layer.cu: which there are, their source, their sizes, and their weights' order.

Each computes one layer of a compact network: convolution, bias and activation at once. Knows neither a compiler nor a
GPU; see docs/decisions/0705.
"""

import hashlib
from importlib import resources
from typing import Literal, NamedTuple

import torch
from torch import Tensor

HalfPrecision = Literal["fp16", "bf16"]
Capability = tuple[int, int]
"""Of a GPU: (7, 5) is a T4, (8, 6) an A10G, (9, 0) an H100."""

DTYPES: dict[HalfPrecision, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}
CHANNEL_STEP = 16
"""Channels come in multiples of it; what a network lacks is zeros."""
MOST_CHANNELS = 64
"""More would not leave room in a thread's registers for its sums."""
_SOURCES = ("gpu.cuh", "layer.cu", "planes.cu")
_WARPS, _COLUMNS = 4, 16
THREADS = 32 * _WARPS
_LARGE_SHARED_MEMORY: frozenset[Capability] = frozenset({(8, 0), (9, 0), (10, 0), (10, 3)})
"""GPUs whose processors have more than 160 KiB of it each; the others have 64 to 128."""


class Layer(NamedTuple):
    """One kind of layer, and how it is cut up. The names are those of layer.cu."""

    precision: HalfPrecision
    inputs: int
    """Channels of a pixel, a multiple of CHANNEL_STEP."""
    outputs: int
    """The same of its result."""
    rows: int
    """Of a tile, for each of its four warps."""
    scale: int = 0
    """Of the picture that the last layer makes of its outputs; 0 for layers that give features."""

    @property
    def name(self) -> str:
        return f"last_layer_{self.inputs}_x{self.scale}" if self.scale else f"layer_{self.inputs}_{self.outputs}"

    @property
    def shared_bytes(self) -> int:
        """A block's shared memory: what it sees or, in the same place, what it gives."""
        height = self.rows * _WARPS
        seen = (height + 2) * (_COLUMNS + 2) * _pixel_bytes(self.inputs)
        return max(seen, height * _COLUMNS * _pixel_bytes(self.outputs))

    def grid(self, count: int, height: int, width: int) -> tuple[int, int, int]:
        """Blocks for `count` pictures: beside one another, below one another, pictures."""
        return -(-width // _COLUMNS), -(-height // (self.rows * _WARPS)), count


def _pixel_bytes(channels: int) -> int:
    return 2 * channels + 16


def rows_for(capability: Capability) -> int:
    """Rows of a tile for each warp on a GPU.

    Four rows read each weight half as often, which an H100 needs; two make tiles of which a T4, with 64 KiB, holds two
    at once, so that one computes while the other is fetched (docs/decisions/0705). The bits are the same.
    """
    return 4 if capability in _LARGE_SHARED_MEMORY else 2


def padded(channels: int) -> int:
    """The next number of channels that kernels are made for."""
    return -(-channels // CHANNEL_STEP) * CHANNEL_STEP


def source(layers: list[Layer], *, instructions: str | None = None) -> str:
    """CUDA C++ of these kernels, each under its name.

    Args:
        layers: of one precision.
        instructions: what stands for gpu.cuh.
    """
    kernels = map(_wrapper, layers)
    return "\n".join([instructions or read_kernel_source("gpu.cuh"), read_kernel_source("layer.cu"), *kernels])


def _wrapper(layer: Layer) -> str:
    """The kernel of that name, which calls its template."""
    template, third, last, result = (
        ("last_layer", layer.scale, "picture", "float") if layer.scale else ("layer", layer.outputs, "slope", "uint4")
    )
    is_bf16 = "true" if layer.precision == "bf16" else "false"
    return (
        f'extern "C" __global__ void __launch_bounds__(THREADS) {layer.name}(const uint4* __restrict__ features, '
        f"const uint4* __restrict__ weights, const float* __restrict__ bias, const float* __restrict__ {last}, "
        f"{result}* __restrict__ result, int height, int width) {{\n"
        f"    {template}<{is_bf16}, {layer.inputs}, {third}, {layer.rows}>"
        f"(features, weights, bias, {last}, result, height, width);\n}}\n"
    )


def source_digest() -> str:
    """sha256 (hex) of all that fused kernels are made of."""
    return hashlib.sha256("".join(map(read_kernel_source, _SOURCES)).encode()).hexdigest()


def read_kernel_source(name: str) -> str:
    """Of a file of kernels/."""
    return (resources.files("sr_core.inference") / "kernels" / name).read_text(encoding="utf-8")


def packed_weights(weight: Tensor, layer: Layer) -> Tensor:
    """A convolution's weights (outputs, inputs, 3, 3), at most as many as the layer has, as its kernel reads them.

    By tap, sixteen inputs, sixteen outputs and thread: the eight numbers that a thread holds of the right-hand operands
    of two multiplications (PTX manual, "Matrix Fragments for mma.m16n8k16"). A step of zeros follows, since the kernel
    reads one ahead.
    """
    whole = torch.zeros((layer.outputs, layer.inputs, 9))
    whole[: weight.shape[0], : weight.shape[1]] = weight.float().flatten(2)
    # (pair, eight, group), (step, half, place in group, element), tap
    parts = whole.view(layer.outputs // 16, 2, 8, layer.inputs // 16, 2, 4, 2, 9)
    ordered = parts.permute(7, 3, 0, 2, 5, 1, 4, 6).reshape(-1)
    return torch.cat([ordered, torch.zeros(16 * layer.outputs)]).to(DTYPES[layer.precision])
