"""The record of a source's frames."""

from fractions import Fraction

import pytest

from sr_core.timestamps import FrameTable


def table(*times: int) -> FrameTable:
    made = FrameTable(time_base=Fraction(1, 1000), last_duration=40)
    for time in times:
        made.append(time, checksum=time * 7)
    return made


def test_a_record_survives_json() -> None:
    original = table(0, 33, 67, 600)

    restored = FrameTable.from_json(original.to_json())

    assert (restored.time_base, restored.pts, restored.checksums, restored.last_duration) == (
        original.time_base,
        original.pts,
        original.checksums,
        original.last_duration,
    )


def test_a_frame_is_shown_until_the_next_one() -> None:
    frames = table(0, 33, 67)

    assert [frames.duration(index) for index in range(3)] == [33, 34, 40]
    assert frames.total_seconds == Fraction(107, 1000)


def test_rounding_to_the_time_base_is_not_a_variable_rate() -> None:
    assert not table(0, 33, 67, 100).is_variable()
    assert table(0, 33, 100, 133).is_variable()


def test_times_must_increase() -> None:
    with pytest.raises(ValueError, match="frame 2 at 33 does not come after the one at 33"):
        table(0, 33, 33)


def test_a_record_with_more_times_than_checksums_is_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        FrameTable.from_json(b'{"time_base":"1/25","last_duration":1,"pts":[0,1],"checksums":[5]}')
