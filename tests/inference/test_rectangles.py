"""Which rectangles a change makes necessary: all that it can reach, and little more."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sr_core.inference.changes import CHROMA_REACH_PX, changed_cells
from sr_core.inference.rectangles import CALL_COST_PX, Costs, Rectangle, rectangles_to_compute

WIDTH_PX, HEIGHT_PX = 333, 250


def costs(halo_px: int = 8, step_px: int = 1) -> Costs:
    return Costs(width_px=WIDTH_PX, height_px=HEIGHT_PX, halo_px=halo_px, step_px=step_px)


def frames_that_differ_at(points: list[tuple[int, int]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    before = torch.zeros(1, HEIGHT_PX, WIDTH_PX, dtype=torch.uint8)
    after = before.clone()
    for row, column in points:
        after[0, row, column] = 1
    return [before], [after]


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(0, HEIGHT_PX - 1), st.integers(0, WIDTH_PX - 1)), min_size=1, max_size=12),
    halo_px=st.integers(1, 20),
    step_px=st.sampled_from([1, 4, 8]),
)
def test_every_pixel_that_a_change_reaches_lies_in_a_rectangle(
    points: list[tuple[int, int]], halo_px: int, step_px: int
) -> None:
    cells = changed_cells(*frames_that_differ_at(points))
    assert cells is not None

    parts = rectangles_to_compute(cells, costs(halo_px, step_px))

    assume(parts is not None)  # hypothesis fails the test if that is hardly ever so
    assert parts is not None
    covered = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    for part in parts.rectangles:
        assert 0 <= part.top < part.bottom <= HEIGHT_PX
        assert 0 <= part.left < part.right <= WIDTH_PX
        covered[part.top : part.bottom, part.left : part.right] = True
    reach = halo_px + CHROMA_REACH_PX
    for place in points:
        # of what is computed at once, all is reached if a pixel of it is
        first = [max(0, at - reach) // step_px * step_px for at in place]
        end = [-(-(at + reach + 1) // step_px) * step_px for at in place]
        assert covered[first[0] : end[0], first[1] : end[1]].all()


def test_a_small_change_is_one_small_rectangle() -> None:
    cells = changed_cells(*frames_that_differ_at([(100, 100), (101, 104)]))
    assert cells is not None

    parts = rectangles_to_compute(cells, costs())

    assert parts is not None
    (part,) = parts.rectangles
    assert (part.bottom - part.top, part.right - part.left) == (32, 32)
    assert parts.share == pytest.approx(((32 + 16) ** 2 + CALL_COST_PX) / (WIDTH_PX * HEIGHT_PX), rel=0.2)


@pytest.mark.parametrize("narrows", [False, True])
def test_where_layers_narrow_the_surroundings_cost_what_layers_see_on_average(narrows: bool) -> None:
    # Given a part in the middle, and one in a corner, of 40×60 px, and eight layers
    parts = np.array([[100, 140, 100, 160], [0, 40, 0, 60]])

    cost = Costs(width_px=WIDTH_PX, height_px=HEIGHT_PX, halo_px=8, narrows=narrows).of(parts) - CALL_COST_PX

    margins = np.linspace(0, 8, 1001) if narrows else np.array([8])
    assert cost[0] == pytest.approx(((40 + 2 * margins) * (60 + 2 * margins)).mean(), rel=1e-3)
    assert cost[1] == pytest.approx(((40 + margins) * (60 + margins)).mean(), rel=1e-3)


def test_what_lies_far_apart_stays_apart_and_what_lies_close_is_joined() -> None:
    def count(*points: tuple[int, int]) -> int:
        cells = changed_cells(*frames_that_differ_at(list(points)))
        assert cells is not None
        parts = rectangles_to_compute(cells, costs())
        assert parts is not None
        return len(parts.rectangles)

    assert count((20, 20), (200, 300)) == 2
    assert count((100, 100), (100, 120)) == 1


def test_what_lies_between_rectangles_is_computed_once() -> None:
    # Given a change along a slope: rectangles around pieces of it, chosen one by one, would overlap at their corners
    slope = [(10 + 5 * step, 10 + 5 * step) for step in range(46)]
    cells = changed_cells(*frames_that_differ_at(slope))
    assert cells is not None

    parts = rectangles_to_compute(cells, costs())

    assert parts is not None
    times_computed = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=int)
    for part in parts.rectangles:
        times_computed[part.top : part.bottom, part.left : part.right] += 1
    assert len(parts.rectangles) > 1
    assert times_computed.sum() <= 1.05 * (times_computed > 0).sum()


def test_changes_all_over_are_not_worth_rectangles() -> None:
    points = [(row, column) for row in range(5, HEIGHT_PX, 25) for column in range(5, WIDTH_PX, 25)]
    cells = changed_cells(*frames_that_differ_at(points))
    assert cells is not None

    assert rectangles_to_compute(cells, costs(18)) is None


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_rectangle_turns_with_its_picture(quarter_turns: int) -> None:
    picture = torch.zeros(7, 11)
    picture[2:4, 3:8] = 1

    part = Rectangle(2, 4, 3, 8).turned(quarter_turns, width_px=11, height_px=7)

    turned = torch.rot90(picture, -quarter_turns)
    assert bool(turned[part.top : part.bottom, part.left : part.right].all())
    assert int(turned.sum()) == (part.bottom - part.top) * (part.right - part.left)
