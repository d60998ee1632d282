"""Which tiles of a layer depend on what changed in the layer before it, or in the picture.

Of a network it knows that layers are 3×3 convolutions, and are computed by tiles that begin half a tile beside those of
the layer before. Tiles are four cells: what is known of a picture's changes has half their sides.
"""

import numpy as np
import torch

from sr_core.inference.changes import CELL_PX, CHROMA_REACH_PX, Cells, dilated, halved
from sr_core.inference.rectangles import Rectangle, runs_px
from sr_core.inference.winograd_library import TILE_PX, Chosen, tile_rows_and_columns

Tiles = Cells
"""(rows, columns): a mark for each of the tiles that a picture lies in."""
_FIRST_REACH = CHROMA_REACH_PX // CELL_PX + 1
"""How many cells a changed sample reaches by interpolated chroma, and then by the first layer."""
_MOST_RECTANGLES = 32
"""More are not worth their calls."""


def share_affected(cells: Cells, layer_count: int) -> float:
    """About what share of all layers' tiles depends on changed cells, at most."""
    reach = _FIRST_REACH + layer_count // 2
    return float(dilated(halved(cells), -(-reach // 2)).mean())  # by fours of cells: every frame pays for it


def first_affected(cells: Cells, *, grid: int) -> Tiles:
    """The first layer's tiles that depend on changed cells, or the last one's, to which the picture is added.

    Cells begin at rows and columns `grid` beyond a tile's.
    """
    before = grid // CELL_PX
    return halved(np.pad(dilated(cells, _FIRST_REACH), [(before, 0), (before, 0)]))


def next_affected(tiles: Tiles, *, grid: int, height_px: int, width_px: int) -> Tiles:
    """A layer's tiles, of a picture of that size, that look at marked ones of the layer before."""
    rows, columns = tile_rows_and_columns(height_px, width_px, grid=grid)
    first = 0 if grid else 1
    seen = np.pad(tiles, 1)[first:, first:]
    tall = seen[:rows] | seen[1 : rows + 1]
    affected: Tiles = tall[:, :columns] | tall[:, 1 : columns + 1]
    return affected


def chosen(tiles: Tiles) -> Chosen:
    """The marked ones."""
    numbers = torch.from_numpy(np.flatnonzero(tiles).astype(np.int32))
    return Chosen(numbers, torch.empty(len(numbers), dtype=torch.bool))


def changed(tiles: Tiles, computed: Chosen) -> Tiles:
    """Those whose bits are others since they were computed, of the marked ones."""
    marks = np.zeros_like(tiles)
    marks[tiles] = computed.changed.numpy()
    return marks


def rectangles(tiles: Tiles, *, width_px: int, height_px: int) -> list[Rectangle]:
    """Some rectangles that hold all marked tiles, which begin at multiples of TILE_PX, of a picture of that size."""
    return [
        Rectangle(top, min(bottom, height_px), left, min(right, width_px))
        for top, bottom, left, right in runs_px(tiles, TILE_PX, most=_MOST_RECTANGLES).tolist()
    ]
