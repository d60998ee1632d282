"""Which rectangles of a frame must be computed anew where cells of it changed, chosen by what they cost.

Of a network it knows its reach, and whether parts cost less than what is seen for them.
"""

from dataclasses import dataclass
from types import EllipsisType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_core.inference.changes import CELL_PX, CHROMA_REACH_PX, Cells, dilated, halved

CALL_COST_PX = 500
"""What one more call of a network costs, in its input pixels; see bench/README.md."""
SMALLEST_PX = 32
"""The least side of a rectangle: for very small pictures other kernels are used, which round otherwise."""
SIDE_STEP_PX = 8
"""Sides of rectangles are multiples of it where the picture is: a kernel is made anew for each shape, and kept."""
MOST_RECTANGLES = 128
"""With more to begin with, cells are taken in fours: finding rectangles must stay cheap beside a network."""
MOST_WORTHWHILE = 0.8
"""Above this share of a whole frame's cost, computing rectangles is not worth the trouble."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Half-open ranges in input pixels."""

    top: int
    bottom: int
    left: int
    right: int

    def scaled(self, scale: int) -> "Rectangle":
        """The same part of a picture that is so many times as large."""
        return Rectangle(self.top * scale, self.bottom * scale, self.left * scale, self.right * scale)

    def moved(self, down_px: int, right_px: int) -> "Rectangle":
        return Rectangle(self.top + down_px, self.bottom + down_px, self.left + right_px, self.right + right_px)

    def inside(self) -> tuple[EllipsisType | slice, ...]:
        """The index of it in (…, H, W)."""
        return ..., slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by_px: int, *, width_px: int, height_px: int) -> "Rectangle":
        """With what lies around it in a picture of that size."""
        return Rectangle(
            max(0, self.top - by_px),
            min(height_px, self.bottom + by_px),
            max(0, self.left - by_px),
            min(width_px, self.right + by_px),
        )

    def turned(self, quarter_turns: int, *, width_px: int, height_px: int) -> "Rectangle":
        """The same part of a picture, `width_px` wide before, that was turned clockwise."""
        if quarter_turns == 0:
            return self
        turned = Rectangle(self.left, self.right, height_px - self.bottom, height_px - self.top)
        return turned.turned(quarter_turns - 1, width_px=height_px, height_px=width_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What it costs to compute a part of a picture, in input pixels through a whole network."""

    width_px: int
    height_px: int
    halo_px: int
    """The network's receptive radius: a part is computed from so much more on all sides."""
    step_px: int = 1
    """Rows and columns that depend on the same pixels: a change in one of them is one of all."""
    narrows: bool = False
    """Whether each layer computes less of the surroundings than the one before it, down to none."""

    def of(self, bounds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of rectangles (…, 4): top, bottom, left, right."""
        top, bottom, left, right = (bounds[..., side] for side in range(4))
        height, width = bottom - top, right - left
        taller = np.minimum(top, self.halo_px) + np.minimum(self.height_px - bottom, self.halo_px)
        wider = np.minimum(left, self.halo_px) + np.minimum(self.width_px - right, self.halo_px)
        # Means over layers, whose share of the surroundings falls from one to zero.
        sides, corners = (1 / 2, 1 / 3) if self.narrows else (1, 1)
        around = sides * (height * wider + width * taller) + corners * taller * wider
        cost: NDArray[np.float64] = height * width + around + float(CALL_COST_PX)
        return cost


class Parts(NamedTuple):
    """What is to be computed of a picture."""

    rectangles: list[Rectangle]
    share: float
    """Their cost over that of the whole picture."""


def rectangles_to_compute(cells: Cells, costs: Costs) -> Parts | None:
    """Finds rectangles that hold every output pixel that a changed cell can reach.

    Returns None when computing the whole picture costs about as much.
    """
    cell_px = CELL_PX
    while cell_px < costs.step_px:
        cells, cell_px = halved(cells), cell_px * 2
    needed = dilated(cells, -(-(costs.halo_px + CHROMA_REACH_PX) // cell_px))
    if needed.mean() > MOST_WORTHWHILE:
        return None
    bounds = _merged(_enlarged(runs_px(needed, cell_px, most=MOST_RECTANGLES), costs), costs)
    bounds = _trimmed(_enlarged(bounds, costs, step_px=SIDE_STEP_PX), needed, costs, cell_px=cell_px)
    share = float(costs.of(bounds).sum() / (costs.width_px * costs.height_px))
    return Parts([Rectangle(*map(int, each)) for each in bounds], share) if share <= MOST_WORTHWHILE else None


def runs_px(cells: Cells, cell_px: int, *, most: int) -> NDArray[np.int64]:
    """At most so many rectangles (n, 4), in pixels, that hold all set cells: these are taken in fours until then."""
    while len(found := _runs(cells)) > most:
        cells, cell_px = halved(cells), cell_px * 2
    return found * cell_px


def _runs(cells: Cells) -> NDArray[np.int64]:
    """(n, 4) rectangles (top, bottom, left, right) in cells: the runs of each row, joined with equal ones below."""
    edges = np.diff(np.pad(cells, [(0, 0), (1, 1)]).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    growing: dict[tuple[int, int], list[int]] = {}
    done: list[list[int]] = []
    for (row, left), right in zip(starts.tolist(), ends[:, 1].tolist(), strict=True):
        above = growing.get((left, right))
        if above is not None and above[1] == row:
            above[1] = row + 1
        else:
            growing[left, right] = [row, row + 1, left, right]
            done.append(growing[left, right])
    return np.array(done, dtype=np.int64).reshape(-1, 4)


def _enlarged(bounds: NDArray[np.int64], costs: Costs, *, step_px: int = 1) -> NDArray[np.int64]:
    """Brings rectangles (n, 4) inside the picture, to the least size, and to multiples of `step_px`."""
    picture = np.array((costs.height_px, costs.width_px))
    starts, ends = bounds[:, ::2], np.minimum(bounds[:, 1::2], picture)
    lengths = np.maximum(-(-(bounds[:, 1::2] - starts) // step_px) * step_px, SMALLEST_PX)
    enlarged = np.empty_like(bounds)
    enlarged[:, 1::2] = np.minimum(np.maximum(starts + lengths, ends), picture)
    enlarged[:, ::2] = np.minimum(np.maximum(enlarged[:, 1::2] - lengths, 0), starts)
    return enlarged


def _merged(bounds: NDArray[np.int64], costs: Costs) -> NDArray[np.int64]:
    """Joins two rectangles into the one around both, the pair that saves most first, while that saves anything."""
    bounds, each = bounds.copy(), costs.of(bounds)
    alive = np.ones(len(bounds), dtype=np.bool_)
    savings = each[:, None] + each - costs.of(_around(bounds[:, None], bounds))
    np.fill_diagonal(savings, -np.inf)
    while True:
        kept, gone = divmod(int(savings.argmax()), len(bounds))
        if savings[kept, gone] < 0:
            return bounds[alive]
        bounds[kept] = _around(bounds[kept], bounds[gone])
        joined = costs.of(_around(bounds[kept], bounds))
        each[kept] = joined[kept]
        alive[gone] = False
        savings[gone] = savings[:, gone] = -np.inf
        changed = each[kept] + each - joined
        changed[~alive] = changed[kept] = -np.inf
        savings[kept] = savings[:, kept] = changed


def _trimmed(bounds: NDArray[np.int64], needed: Cells, costs: Costs, *, cell_px: int) -> NDArray[np.int64]:
    """Takes from rectangles what others compute as well, from the dearest first, as long as that leaves them smaller.

    Every needed cell lies whole in one of them before, and after.
    """
    bounds, alive = bounds.copy(), np.ones(len(bounds), dtype=np.bool_)
    times_computed = np.zeros(needed.shape, dtype=np.int16)
    for each in bounds:
        times_computed[_cells_inside(each, costs, cell_px)] += 1
    for index in np.argsort(-costs.of(bounds)):
        rows, columns = inside = _cells_inside(bounds[index], costs, cell_px)
        alone = needed[inside] & (times_computed[inside] == 1)
        used_rows, used_columns = (np.flatnonzero(alone.any(axis)) for axis in (1, 0))
        if used_rows.size == 0:
            alive[index] = False
            times_computed[inside] -= 1
            continue
        top, bottom = rows.start + used_rows[[0, -1]]
        left, right = columns.start + used_columns[[0, -1]]
        least = np.array([[top, bottom + 1, left, right + 1]]) * cell_px
        least = _enlarged(least, costs, step_px=SIDE_STEP_PX)[0]
        if costs.of(least) < costs.of(bounds[index]):
            times_computed[inside] -= 1
            bounds[index] = least
            times_computed[_cells_inside(least, costs, cell_px)] += 1
    return bounds[alive]


def _cells_inside(bounds: NDArray[np.int64], costs: Costs, cell_px: int) -> tuple[slice, slice]:
    """The rows and columns of cells that lie whole in a rectangle; the picture's last ones may be cut off by it."""
    top, bottom, left, right = bounds.tolist()
    if bottom == costs.height_px:
        bottom += -bottom % cell_px
    if right == costs.width_px:
        right += -right % cell_px
    return slice(-(-top // cell_px), bottom // cell_px), slice(-(-left // cell_px), right // cell_px)


def _around(some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least rectangles (…, 4) that hold one of each."""
    around: NDArray[np.int64] = np.maximum(some, others)
    np.minimum(some[..., ::2], others[..., ::2], out=around[..., ::2])
    return around
