"""Tiles with a halo, so that a network sees around every pixel what it would see in the whole frame.

With a halo of the network's receptive radius the inner part of a tile is what the whole frame would give. At the edge
of the frame the halo is clipped, not padded: the network's own padding acts there, as it does on the whole frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    """Half-open ranges in input pixels along one axis each: what is kept, and what is given to the network."""

    top: int
    bottom: int
    left: int
    right: int
    padded_top: int
    padded_bottom: int
    padded_left: int
    padded_right: int


def tiles(width_px: int, height_px: int, *, tile_px: int | None, halo_px: int) -> Iterator[Tile]:
    """Covers a frame with tiles of at most `tile_px` a side, row by row; a single one when `tile_px` is None.

    Sizes are evened out: a frame of 100 px with tiles of 64 gives two of 50, not 64 and 36.
    """
    for top, bottom in _spans(height_px, tile_px):
        for left, right in _spans(width_px, tile_px):
            yield Tile(
                top,
                bottom,
                left,
                right,
                max(0, top - halo_px),
                min(height_px, bottom + halo_px),
                max(0, left - halo_px),
                min(width_px, right + halo_px),
            )


def _spans(size_px: int, tile_px: int | None) -> Iterator[tuple[int, int]]:
    count = 1 if tile_px is None else -(-size_px // tile_px)
    for index in range(count):
        yield size_px * index // count, size_px * (index + 1) // count
