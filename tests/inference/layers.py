"""A layer of random numbers, for tests of its kernels: what is given, and what must come of it."""

from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_core.inference import nvrtc
from sr_core.inference.fused import Launch
from sr_core.inference.layer_kernels import DTYPES, THREADS, HalfPrecision, Layer, packed_weights

ROUNDING: dict[HalfPrecision, float] = {"fp16": 2**-11, "bf16": 2**-8}
"""Of one number, relative to it: half a unit in the last place."""
_BESIDE = 4096
"""Numbers before and after a result, which no kernel may touch."""


@cache
def compiler() -> str | None:
    try:
        return nvrtc.version()
    except nvrtc.NoCompiler:
        return None


needs_nvrtc = pytest.mark.skipif(
    compiler() is None, reason="needs NVRTC: uv pip install -c constraints.txt nvidia-cuda-nvrtc"
)


class Given:
    """A layer's features, (N, H, W, inputs) in half precision, and its weights; every other slope is negative."""

    def __init__(self, layer: Layer, count: int, height: int, width: int) -> None:
        generator = torch.Generator().manual_seed(3)
        self.layer = layer
        self.features = torch.randn((count, height, width, layer.inputs), generator=generator).to(
            DTYPES[layer.precision]
        )
        weight = 0.1 * torch.randn((layer.outputs, layer.inputs, 3, 3), generator=generator)
        self.weight = weight.to(DTYPES[layer.precision]).float()
        self.bias = torch.randn(layer.outputs, generator=generator)
        self.slope = torch.linspace(-0.5, 0.5, layer.outputs)

    def computed_by(self, kernel: Launch) -> Tensor:
        """Fails if the kernel leaves a number unwritten, or writes beside them."""
        count, height, width, _ = self.features.shape
        size = count * height * width * self.layer.outputs
        memory = torch.full((size + 2 * _BESIDE,), float("nan"), dtype=DTYPES[self.layer.precision])
        result = memory[_BESIDE:-_BESIDE].view(count, height, width, self.layer.outputs)
        weights = packed_weights(self.weight, self.layer)
        kernel(
            (self.features, weights, self.bias, self.slope, result, height, width),
            grid=self.layer.grid(count, height, width),
            threads=THREADS,
            shared_bytes=self.layer.shared_bytes,
        )
        assert bool(memory[:_BESIDE].isnan().all())
        assert bool(memory[-_BESIDE:].isnan().all())
        return result.float()

    def expected(self) -> Tensor:
        """By torch, in fp64."""
        pictures = self.features.double().permute(0, 3, 1, 2)
        convolved = F.conv2d(pictures, self.weight.double(), self.bias.double(), padding=1)
        return F.prelu(convolved, self.slope.double()).permute(0, 2, 3, 1)

    def is_right(self, result: Tensor) -> bool:
        expected, rounding = self.expected(), ROUNDING[self.layer.precision]
        return torch.allclose(result.double(), expected, rtol=1.01 * rounding, atol=2e-5)


class GivenLast(Given):
    """A last layer, and the float picture (N, H, W, 3) that its result lies on."""

    def __init__(self, layer: Layer, count: int, height: int, width: int) -> None:
        super().__init__(layer, count, height, width)
        self.picture = torch.rand((count, height, width, 3), generator=torch.Generator().manual_seed(4))

    def computed_by(self, kernel: Launch) -> Tensor:
        """float32 (N, 3, H·scale, W·scale)."""
        count, height, width, _ = self.features.shape
        channels, scale = 3 * self.layer.scale**2, self.layer.scale
        memory = torch.full((count * channels * height * width + 2 * _BESIDE,), float("nan"))
        kernel(
            (
                self.features,
                packed_weights(self.weight[:channels], self.layer),
                self.bias,
                self.picture,
                memory[_BESIDE:-_BESIDE],
                height,
                width,
            ),
            grid=self.layer.grid(count, height, width),
            threads=THREADS,
            shared_bytes=self.layer.shared_bytes,
        )
        assert bool(memory[:_BESIDE].isnan().all())
        assert bool(memory[-_BESIDE:].isnan().all())
        return memory[_BESIDE:-_BESIDE].view(count, 3, height * scale, width * scale)

    def expected(self) -> Tensor:
        """By torch, in fp64."""
        channels, scale = 3 * self.layer.scale**2, self.layer.scale
        pictures = self.features.double().permute(0, 3, 1, 2)
        weight, bias = self.weight[:channels].double(), self.bias[:channels].double()
        under = F.interpolate(self.picture.double().permute(0, 3, 1, 2), scale_factor=scale, mode="nearest")
        return under + F.pixel_shuffle(F.conv2d(pictures, weight, bias, padding=1), scale)

    def is_right(self, result: Tensor) -> bool:
        return torch.allclose(result.double(), self.expected(), rtol=1e-6, atol=2e-5)
