"""Where a frame differs from the one before it: decoded samples are compared, and only what is equal to the last bit
counts as equal. It knows nothing of networks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

CELL_PX = 2
"""Changes are known by cells of so many luma samples a side."""
CHROMA_REACH_PX = 2
"""How far a changed sample reaches, in luma samples, while chroma is interpolated (`color.planes_to_rgb`)."""

Cells = NDArray[np.bool_]
"""(rows, columns): whether anything changed within a cell."""


def changed_cells(before: Sequence[Tensor], after: Sequence[Tensor]) -> Cells | None:
    """Compares the planes of two frames of one size and format.

    Args:
        before, after: a tensor (1, height, width) of integers for each plane, on any device; the first plane is the
            largest, others may have half its width or height, rounded up.

    Returns:
        None when the frames are equal.
    """
    height, width = after[0].shape[-2:]
    changed: Tensor | None = None
    for old, new in zip(before, after, strict=True):
        cell_height = CELL_PX // 2 if new.shape[-2] < height else CELL_PX
        cell_width = CELL_PX // 2 if new.shape[-1] < width else CELL_PX
        cells = _any_by_cell(old[0] != new[0], cell_height, cell_width)
        changed = cells if changed is None else changed | cells
    assert changed is not None
    found: Cells = changed.bool().cpu().numpy()
    return found if found.any() else None


def _any_by_cell(changed: Tensor, cell_height: int, cell_width: int) -> Tensor:
    """(height, width) bool to uint8 (rows, columns)."""
    height, width = changed.shape
    padded = F.pad(changed, (0, -width % cell_width, 0, -height % cell_height)).view(torch.uint8)
    rows = padded.reshape(-1, cell_height, padded.shape[1]).amax(1)
    return rows.reshape(rows.shape[0], -1, cell_width).amax(2)


def dilated(cells: Cells, reach: int) -> Cells:
    """Sets every cell that has a set one within `reach` rows and columns."""
    padded = np.pad(cells, reach)
    rows, columns = cells.shape
    tall = np.logical_or.reduce([padded[shift : shift + rows] for shift in range(2 * reach + 1)])
    result: Cells = np.logical_or.reduce([tall[:, shift : shift + columns] for shift in range(2 * reach + 1)])
    return result


def halved(cells: Cells) -> Cells:
    """Squares of two by two cells, those at the ends cut off: whether one of them is set."""
    padded = np.pad(cells, [(0, size % 2) for size in cells.shape])
    result: Cells = padded[::2, ::2] | padded[1::2, ::2] | padded[::2, 1::2] | padded[1::2, 1::2]
    return result


def turned(cells: Cells, quarter_turns: int, *, width_px: int, height_px: int) -> Cells:
    """Cells of a picture, of that size before, that was turned clockwise: those in which a pixel of a set one lies."""
    if quarter_turns == 0:
        return cells
    pixels = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)[:height_px, :width_px]
    return halved(np.rot90(pixels, -quarter_turns))
