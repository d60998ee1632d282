"""Which cells changed from one frame to the next."""

import pytest
import torch

from sr_core.inference.changes import CELL_PX, changed_cells

WIDTH_PX, HEIGHT_PX = 53, 31


def planes() -> list[torch.Tensor]:
    """Of a frame with subsampled chroma whose sides are odd."""
    sizes = [(HEIGHT_PX, WIDTH_PX), *[(-(-HEIGHT_PX // 2), -(-WIDTH_PX // 2))] * 2]
    return [torch.zeros(1, height, width, dtype=torch.uint8) for height, width in sizes]


def test_equal_frames_have_no_changed_cell() -> None:
    assert changed_cells(planes(), planes()) is None


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("is_last", [False, True])
def test_one_sample_that_differs_by_one_marks_its_cell_alone(plane: int, is_last: bool) -> None:
    before, after = planes(), planes()
    height, width = after[plane].shape[-2:]
    row, column = (height - 1, width - 1) if is_last else (5, 8)
    after[plane][0, row, column] = 1

    cells = changed_cells(before, after)

    assert cells is not None
    assert cells.shape == (-(-HEIGHT_PX // CELL_PX), -(-WIDTH_PX // CELL_PX))
    samples_a_cell = CELL_PX if plane == 0 else CELL_PX // 2
    assert [tuple(map(int, cell)) for cell in zip(*cells.nonzero(), strict=True)] == [
        (row // samples_a_cell, column // samples_a_cell)
    ]
