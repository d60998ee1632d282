"""Pictures to look at: the right colours, and the part that is worth a look."""

from typing import Any

import numpy as np
import pytest

from sr_core.inference.picture import busiest, miniature, part_of, rgb_of
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from tests import builders

RED = (255, 0, 0)


def flat(name: str, *codes: int) -> Planes:
    dtype: Any = np.uint8 if HANDLED[name].bytes_per_sample == 1 else np.uint16
    return Planes(HANDLED[name], tuple(np.full((6, 8), code, dtype) for code in codes))


@pytest.mark.parametrize(
    ("name", "codes", "matrix", "color_range"),
    [
        ("yuv444p", (81, 90, 240), "bt601", "limited"),
        ("yuv444p", (63, 102, 240), "bt709", "limited"),
        ("yuv444p", (76, 85, 255), "bt601", "full"),
        ("yuv444p10le", (250, 409, 960), "bt709", "limited"),
        ("gbrp", (0, 0, 255), "rgb", "full"),
    ],
)
def test_red_is_red_whatever_stands_for_it(name: str, codes: tuple[int, ...], matrix: str, color_range: str) -> None:
    rgb = rgb_of(flat(name, *codes), builders.color(matrix=matrix, range=color_range))

    assert rgb.shape == (6, 8, 3)
    assert np.abs(rgb.astype(int) - RED).max() <= 2


def test_the_busiest_part_is_where_the_texture_is() -> None:
    image = np.full((64, 80), 100, np.uint8)
    image[40:60:2, 48:76] = 200

    left, top = busiest(image, width_px=16, height_px=12)

    assert 40 <= top <= 48
    assert 44 <= left <= 64


def test_the_busiest_part_may_be_the_whole() -> None:
    assert busiest(np.zeros((12, 16), np.uint8), width_px=16, height_px=12) == (0, 0)


def test_a_part_and_a_small_picture_are_of_the_same_frame() -> None:
    rows, columns = np.mgrid[0:40, 0:60]
    frame = Planes(HANDLED["gray"], ((2 * rows + 2 * columns).astype(np.uint8),))

    part, small = part_of(frame, 10, 20, 8, 4), miniature(frame, 15)

    assert (part.planes[0] == frame.planes[0][20:24, 10:18]).all()
    assert small.planes[0].shape == (10, 15)
    assert small.planes[0][3, 5] == frame.planes[0][12:16, 20:24].mean()
