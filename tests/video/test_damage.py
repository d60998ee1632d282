"""An error takes the checksums from the frames it may have touched, and from no others."""

import random
from fractions import Fraction
from pathlib import Path

import pytest

from sr_core.timestamps import UNSTEADY, FrameTable
from sr_core.video.damage import UnsteadyFrames
from tests.clips import make_clip

from .test_cut import cut_all, read_back

GROUPS = (0, 40, 80, 120)
"""Times of keyframes; there is a frame every ten."""


def marked(*errors: int | None, keys: tuple[int, ...] = GROUPS, times_are_exact: bool = True) -> list[int]:
    """Indices of the frames without checksum, of sixteen, after errors at those times (None: at the last packet)."""
    frames = FrameTable(time_base=Fraction(1, 100))
    unsteady = UnsteadyFrames()
    for index in range(16):
        frames.append(index * 10, index)
        unsteady.packet(index * 10, is_key=index * 10 in keys)
    for error in errors:
        unsteady.error(error)
    unsteady.mark(frames, times_are_exact=times_are_exact)
    return [index for index, checksum in enumerate(frames.checksums) if checksum == UNSTEADY]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((), []),
        ((50,), [*range(3, 12)]),  # its group, the one whose leading pictures may need it, and the frame before
        ((40,), [*range(3, 12)]),
        ((0,), [*range(8)]),
        ((130,), [*range(11, 16)]),
        ((None,), [*range(11, 16)]),
        ((0, 130), [*range(8), *range(11, 16)]),
    ],
)
def test_a_group_and_what_leans_on_it(errors: tuple[int | None, ...], expected: list[int]) -> None:
    assert marked(*errors) == expected


def test_without_keyframes_or_times_everything_may_be_touched() -> None:
    assert marked(50, keys=()) == [*range(16)]
    assert marked(50, times_are_exact=False) == [*range(16)]


def test_a_damaged_part_is_coded_losslessly_and_the_rest_is_copied(tmp_path: Path) -> None:
    # Given a clip with noise over some bytes in its middle
    path = make_clip(tmp_path / "clip.mp4", frames=60, size=(320, 240), gop=6, b_frames=0, audio=None)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = random.Random(0).randbytes(3000)
    path.write_bytes(data)

    # When it is cut into chunks of six frames
    found, made = cut_all(path, tmp_path, size=6)

    # Then the chunks that the damage may have touched are lossless, and all of them give their frames
    assert found.damage
    carriers = {one.chunk.index: one.carrier for one in made}
    touched = {
        one.chunk.index
        for one in made
        if UNSTEADY in found.frames.checksums[one.chunk.start_frame : one.chunk.end_frame]
    }
    assert 0 < len(touched) < len(made) - 3
    assert all(carriers[index] == "lossless" for index in touched)
    assert "copy" in carriers.values()
    assert sum(read_back(one, found) for one in made) == len(found.frames)
