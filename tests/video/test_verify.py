"""The last check of a finished file: it can fail, and takes no more memory for more frames."""

import gc
import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from sr_core.errors import IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.video.verify import verify
from tests.clips import make_clip

from .work import Work, payloads, worked


def dropped_frame(work: Work) -> Work:
    shorter = FrameTable(work.frames.time_base, work.frames.pts[:], work.frames.checksums[:], work.frames.last_duration)
    shorter.append(shorter.pts[-1] + 100, checksum=0)
    return replace(work, frames=shorter)


def moved_frame(work: Work) -> Work:
    moved = FrameTable(work.frames.time_base, work.frames.pts[:], work.frames.checksums[:], work.frames.last_duration)
    moved.pts[7] += 1
    return replace(work, frames=moved)


def other_size(work: Work) -> Work:
    return replace(work, plan=work.plan.model_copy(update={"width_px": 128}))


def other_depth(work: Work) -> Work:
    delivery = work.plan.delivery.model_copy(update={"pixel_format": "yuv420p10le"})
    return replace(work, plan=work.plan.model_copy(update={"delivery": delivery}))


@pytest.mark.parametrize(
    ("promise", "complaint"),
    [
        (dropped_frame, "holds 24 frames instead of 25"),
        (moved_frame, "frame 7 of the result is shown at"),
        (other_size, "64×48 instead of 128×48"),
        (other_depth, "yuv420p instead of yuv420p10le"),
    ],
)
def test_a_result_that_does_not_hold_what_was_promised_is_refused(
    tmp_path: Path, promise: Callable[[Work], Work], complaint: str
) -> None:
    # Given a good result
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    output = tmp_path / "result.mp4"
    joined = work.join(output)
    work.verify(output, joined)

    # When something else had been promised, then it is refused
    with pytest.raises(IntegrityError, match=complaint):
        promise(work).verify(output, joined)


def test_a_changed_payload_is_noticed(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    output = tmp_path / "result.mp4"
    joined = work.join(output)
    content = bytearray(output.read_bytes())
    largest = max(payloads(output, "video"), key=len)
    content[content.index(largest) + len(largest) // 2] ^= 0xFF
    output.write_bytes(content)

    with pytest.raises(IntegrityError, match="payload of stream 0"):
        work.verify(output, joined)


def test_a_missing_stream_is_noticed(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    joined = work.join(tmp_path / "result.mp4")
    silent = worked(make_clip(tmp_path / "silent.mp4", frames=24, audio=None))
    silent.join(tmp_path / "other.mp4")

    with pytest.raises(IntegrityError, match="the result holds video h264 instead of video h264, audio aac"):
        work.verify(tmp_path / "other.mp4", joined)


def test_checking_keeps_no_object_for_each_frame(tmp_path: Path) -> None:
    """At the ten million frames that are let through, a rational for each would be a gigabyte."""
    # Given a result
    work, output = worked(make_clip(tmp_path / "source.mp4", frames=60, audio=None)), tmp_path / "result.mp4"
    joined = work.join(output)
    packets, rationals = itertools.count(1), {}

    # When it is checked, and the rational numbers that are alive are counted at an early packet and at the last
    def on_packet() -> None:
        number = next(packets)
        if number in (6, 60):
            rationals[number] = sum(type(thing) is Fraction for thing in gc.get_objects())

    verify(output, work.plan, work.frames, joined, container="mp4", on_packet=on_packet)

    # Then there are no more after the last frame than after the first ones
    assert rationals[60] == rationals[6]
