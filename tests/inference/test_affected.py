"""Which tiles depend on what changed: all that do, and few that do not."""

import numpy as np
import pytest
import torch

from sr_core.inference.affected import (
    Tiles,
    changed,
    chosen,
    first_affected,
    next_affected,
    rectangles,
    share_affected,
)
from sr_core.inference.changes import Cells, turned
from sr_core.inference.winograd_library import tile_count

SIZES_PX = [(8, 12), (9, 13), (10, 14), (11, 15), (1, 2)]
"""Height and width, with all that can be left of a tile."""


def covered(tiles: Tiles, *, grid: int, height: int, width: int) -> Cells:
    """(height, width): the pixels of marked tiles."""
    pixels = tiles.repeat(4, axis=0).repeat(4, axis=1)[4 - grid if grid else 0 :, 4 - grid if grid else 0 :]
    return pixels[:height, :width]


def grown(pixels: Cells, by: int) -> Cells:
    """With all pixels that are so near."""
    height, width = pixels.shape
    padded = np.pad(pixels, by)
    shifts = range(2 * by + 1)
    result: Cells = np.logical_or.reduce([padded[y : y + height, x : x + width] for y in shifts for x in shifts])
    return result


@pytest.mark.parametrize("grid", [0, 2])
@pytest.mark.parametrize(("height", "width"), SIZES_PX)
def test_a_layer_depends_on_tiles_that_it_looks_at(height: int, width: int, grid: int) -> None:
    before = 2 - grid
    rows, columns = (-(-(side + before) // 4) for side in (height, width))
    for index in range(rows * columns):
        # Given one tile of the layer before
        tiles = np.zeros((rows, columns), dtype=np.bool_)
        tiles.flat[index] = True

        # When the next one's tiles begin half a tile beside those
        found = next_affected(tiles, grid=grid, height_px=height, width_px=width)

        # Then those are affected of which a pixel looks at it, and no others
        assert found.size == tile_count(height, width, grid=grid)
        touched = grown(covered(tiles, grid=before, height=height, width=width), 1)
        for other in range(found.size):
            one = np.zeros_like(found)
            one.flat[other] = True
            looks = bool((covered(one, grid=grid, height=height, width=width) & touched).any())
            assert bool(found.flat[other]) == looks


@pytest.mark.parametrize("grid", [0, 2])
@pytest.mark.parametrize(("height", "width"), SIZES_PX)
def test_the_first_layer_sees_changed_samples_and_what_chroma_spreads(height: int, width: int, grid: int) -> None:
    for row in range(-(-height // 2)):
        cells = np.zeros((-(-height // 2), -(-width // 2)), dtype=np.bool_)
        cells[row, -1] = True

        found = first_affected(cells, grid=grid)

        assert found.size == tile_count(height, width, grid=grid)
        changed_px = cells.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
        assert not (grown(changed_px, 3) & ~covered(found, grid=grid, height=height, width=width)).any()


def test_only_tiles_that_came_out_otherwise_are_passed_on() -> None:
    tiles = np.array([[True, False, True], [True, True, False]])
    part = chosen(tiles)

    part.changed[:] = torch.tensor([False, True, False, True])

    assert part.tiles.tolist() == [0, 2, 3, 4]
    assert changed(tiles, part).tolist() == [[False, False, True], [False, True, False]]


def test_of_a_picture_that_stands_still_nothing_is_affected_and_of_another_all() -> None:
    cells = np.zeros((30, 40), dtype=np.bool_)

    assert share_affected(cells, 9) == 0
    assert share_affected(~cells, 9) == 1


@pytest.mark.parametrize("layer_count", [2, 9, 18])
def test_the_share_that_a_change_affects_is_known_about_beforehand(layer_count: int) -> None:
    # Given a change in the middle of a picture, and the tiles of each layer that it affects
    cells = np.zeros((150, 150), dtype=np.bool_)
    cells[70:80, 70:80] = True
    affected: list[Tiles] = []
    for grid in [(layer_count - 1 - layer) % 2 * 2 for layer in range(layer_count)]:
        if affected:
            affected.append(next_affected(affected[-1], grid=grid, height_px=300, width_px=300))
        else:
            affected.append(first_affected(cells, grid=grid))

    # Then about as many are expected
    share = np.mean([tiles.mean() for tiles in affected])
    assert share_affected(cells, layer_count) == pytest.approx(share, rel=0.2)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_a_few_rectangles_hold_all_tiles(share: float) -> None:
    height, width = 203, 318
    tiles = np.random.default_rng(5).random((51, 80)) < share

    found = rectangles(tiles, width_px=width, height_px=height)

    held = np.zeros((height, width), dtype=np.bool_)
    for each in found:
        held[each.inside()] = True
        assert each.bottom <= height
        assert each.right <= width
    assert not (covered(tiles, grid=0, height=height, width=width) & ~held).any()
    assert len(found) <= 32


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize(("height", "width"), SIZES_PX)
def test_cells_turn_with_the_picture(height: int, width: int, quarter_turns: int) -> None:
    for index in range(height * width):
        pixels = np.zeros((height, width), dtype=np.bool_)
        pixels.flat[index] = True
        padded = np.pad(pixels, [(0, height % 2), (0, width % 2)])
        cells = padded.reshape(padded.shape[0] // 2, 2, -1, 2).max((1, 3))

        found = turned(cells, quarter_turns, width_px=width, height_px=height)

        held = found.repeat(2, axis=0).repeat(2, axis=1)
        assert held[tuple(np.argwhere(np.rot90(pixels, -quarter_turns))[0])]
        assert found.sum() <= 4
