"""Which frames are shown: spread over the video, with something to see, and the same every time."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import pytest

from sr_core.video.choosing import Candidate, choice
from sr_core.video.pairing import Shown


def chosen(amplitudes: Sequence[int], *, count: int = 3, times: Sequence[Fraction] = ()) -> list[int]:
    """Numbers of frames, ten a second, of noise of these amplitudes in codes; 0 is black with specks."""
    found = choice(count, times, len(amplitudes) / 10)
    numbers = []
    for index, amplitude in enumerate(amplitudes):
        noise = np.random.default_rng(index)
        luma = noise.integers(0, amplitude + 1, (16, 16)) if amplitude else noise.random((16, 16)) < 0.1
        shown = Shown(Fraction(index, 10), av.VideoFrame.from_ndarray(luma.astype(np.uint8), format="gray"))
        numbers += [candidate.index for candidate in found.offer(Candidate(index, shown, shown))]
    return numbers + [candidate.index for candidate in found.rest()]


def test_from_each_part_the_richest_in_detail() -> None:
    assert chosen([9, 50, 9, 9, 9, 40, 60, 9, 9]) == [1, 5, 6]


def test_the_first_of_equals_every_time() -> None:
    assert chosen([30] * 9) == chosen([30] * 9)
    assert len(chosen([30] * 9)) == 3


def test_a_part_that_is_black_is_left_out() -> None:
    assert chosen([0, 0, 0, 9, 40, 9, 0, 0, 0]) == [4]


def test_a_video_that_is_all_black_shows_its_first_frame() -> None:
    assert chosen([0] * 9) == [0]


def test_fewer_frames_than_asked_for_are_all_shown_once() -> None:
    assert chosen([30, 40], count=6) == [0, 1]


@pytest.mark.parametrize(
    ("times", "numbers"),
    [
        (["0"], [0]),
        (["0.25"], [2]),
        (["0.3"], [3]),
        (["0.2996"], [3]),  # as it is told, rounded
        (["0.5", "0.1", "0.12"], [1, 5]),
        (["0.89"], [8]),
        (["0.8", "0.85"], [8]),
    ],
)
def test_at_a_time_the_frame_that_is_on_the_screen(times: list[str], numbers: list[int]) -> None:
    assert chosen([30] * 9, times=[Fraction(time) for time in times]) == numbers
