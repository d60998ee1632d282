"""Tiles that fade into one another: nothing is added, nothing is left out, and no seam shows."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_core.inference.blending import run_blended
from sr_core.inference.engine import Engine
from sr_core.types import Execution


class Nearest(nn.Module):
    """Sees one pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest")


class Average(Nearest):
    """Sees the whole picture: every pixel becomes its average."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mean(dim=(2, 3), keepdim=True).expand_as(x))


class Grid(Nearest):
    """Works on blocks of four pixels: every block becomes its first pixel."""

    def forward(self, x: Tensor) -> Tensor:
        blocks = x[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3)
        return super().forward(blocks[..., : x.shape[2], : x.shape[3]])


def blended(network: nn.Module, picture: Tensor, *, tile_px: int = 20, multiple_px: int = 1) -> Tensor:
    return run_blended(network, picture, tile_px=tile_px, overlap_px=8, multiple_px=multiple_px, scale=2)


@pytest.mark.parametrize("tile_px", [1, 7, 20, 64, 1000])
def test_what_every_tile_agrees_on_is_not_changed(tile_px: int) -> None:
    picture = torch.rand(2, 3, 37, 50)
    assert torch.allclose(blended(Nearest(), picture, tile_px=tile_px), Nearest()(picture), atol=1e-6)


def test_what_tiles_do_not_agree_on_changes_gradually() -> None:
    ramp = torch.arange(96.0).expand(1, 3, 40, 96) / 96
    result = blended(Average(), ramp, tile_px=24)[0, 0, 40]
    steps = result.diff().abs()
    apart = float(result.max() - result.min())  # what hard seams would show in three jumps
    assert apart > 0.4
    assert float(steps.max()) < apart / 20


def test_tiles_begin_where_the_networks_grid_does() -> None:
    picture = torch.rand(1, 3, 50, 62)
    whole = Grid()(picture)
    assert torch.allclose(blended(Grid(), picture, tile_px=18, multiple_px=4), whole, atol=1e-6)
    assert not torch.allclose(blended(Grid(), picture, tile_px=18, multiple_px=1), whole, atol=1e-2)


@pytest.mark.parametrize("is_exact", [True, False])
def test_the_engine_blends_where_the_halo_is_not_exact(is_exact: bool) -> None:
    """A network that sees everything: blended it has no jump, cut at the halo it has one at each tile's edge."""
    network = nn.Sequential(Average(), nn.Conv2d(3, 3, 1))
    execution = Execution(
        device="cpu", precision="fp32", tile_px=64, halo_px=16, halo_is_exact=is_exact, multiple_px=1, batch_frames=1
    )
    ramp = torch.arange(256.0).expand(1, 3, 32, 256) / 256
    result = Engine(network, execution, scale=2).upscale_rgb(ramp)[0, :, 30]
    apart = float((result.max(dim=1).values - result.min(dim=1).values).max())
    jump = float(result.diff(dim=1).abs().max())
    assert (jump < apart / 20) == (not is_exact)
