"""Tiles for networks that see further than any halo: they overlap, and each fades out where the next fades in.

The result is not that of the whole frame, but it has no seams. Networks with a measured radius never come here.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sr_core.inference.tiling import tiles


def run_blended(
    network: Callable[[Tensor], Tensor], rgb: Tensor, *, tile_px: int, overlap_px: int, multiple_px: int, scale: int
) -> Tensor:
    """Upscales (N, 3, H, W) in tiles that reach `overlap_px` into one another; float32 (N, 3, H·scale, W·scale).

    Every tile begins at a multiple of `multiple_px`, so that a network that works on a grid sees the same grid.
    """
    count, _, height, width = rgb.shape
    out = torch.zeros((count, 3, height * scale, width * scale), dtype=torch.float32, device=rgb.device)
    weights = torch.zeros((height * scale, width * scale), dtype=torch.float32, device=rgb.device)
    for tile in tiles(width, height, tile_px=tile_px, halo_px=overlap_px):
        top, left = (start // multiple_px * multiple_px for start in (tile.padded_top, tile.padded_left))
        piece = rgb[:, :, top : tile.padded_bottom, left : tile.padded_right]
        result = network(piece.contiguous(memory_format=torch.channels_last)).float()
        # Made where they are used: a copy from the host would wait for the GPU.
        down = _fade(top, tile.padded_bottom, height, overlap_px, scale, rgb.device)
        along = _fade(left, tile.padded_right, width, overlap_px, scale, rgb.device)
        weight = torch.outer(down, along)
        place = (
            slice(top * scale, tile.padded_bottom * scale),
            slice(left * scale, tile.padded_right * scale),
        )
        out[:, :, *place] += result * weight
        weights[place] += weight
    return out.div_(weights)


def _fade(start: int, stop: int, length: int, overlap_px: int, scale: int, device: torch.device) -> Tensor:
    """Weights along one side of a tile: they rise and fall over twice the overlap, but not at the frame's edge."""
    places = torch.arange((stop - start) * scale, dtype=torch.float32, device=device) + 0.5
    span = 2 * overlap_px * scale
    rising = (places / span).clamp(max=1) if start > 0 else torch.ones_like(places)
    falling = ((len(places) - places) / span).clamp(max=1) if stop < length else torch.ones_like(places)
    return rising * falling
