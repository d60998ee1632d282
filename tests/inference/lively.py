"""Compact networks of random weights whose values stay near 1 from layer to layer, and how they are run."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from sr_core.inference.winograd import has_own_kernels
from sr_core.models.compact import Compact
from sr_core.types import Execution

needs_kernels = pytest.mark.skipif(not has_own_kernels(), reason="needs a C compiler when the package is installed")


@cache
def lively(scale: int = 2, features: int = 24, inner_count: int = 3, activation: str = "prelu") -> Compact:
    """A network; each of its channels has a slope and a bias of its own, where there are any."""
    random = torch.Generator().manual_seed(scale + features)
    network = Compact(scale=scale, feature_count=features, conv_count=inner_count, activation=activation)
    for layer in network.body:
        match layer:
            case nn.Conv2d():
                nn.init.kaiming_normal_(layer.weight, generator=random)
                assert layer.bias is not None
                nn.init.uniform_(layer.bias, -0.3, 0.3, generator=random)
            case nn.PReLU():
                nn.init.uniform_(layer.weight, -0.2, 0.4, generator=random)
    return network.eval().requires_grad_(requires_grad=False)


def picture(height: int, width: int, *, count: int = 1, seed: int = 1) -> Tensor:
    """float32 (count, 3, height, width)."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def execution(*, inner_count: int = 3, tile_px: int | None = None) -> Execution:
    """As a job by Winograd's kernels is planned, for a network of so many inner layers."""
    return Execution(
        device="cpu",
        precision="fp32",
        tile_px=tile_px,
        halo_px=2 * (inner_count + 2) - 2,
        multiple_px=4,
        batch_frames=1,
        kernels="winograd",
    )
