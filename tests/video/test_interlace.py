"""Interlaced frames are made progressive without losing one, and film spread over them is recognised."""

from fractions import Fraction
from pathlib import Path

import pytest

from sr_core.delivery import lossless_encoding
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk
from sr_core.video.cut import cut
from sr_core.video.interlace import has_soft_pulldown
from sr_core.video.probe import probe
from sr_core.video.read import read_lossless, read_source
from sr_core.video.scan import scan
from tests.clips import make_clip
from tests.conformance import sources as made


@pytest.fixture
def interlaced(tmp_path: Path) -> Path:
    """36 frames of two moments each."""
    return made.interlaced("mpeg2video", ".mpg", *made.INTERLACED_MPEG2)(tmp_path)


def test_frames_and_times_stay_and_pictures_change(interlaced: Path) -> None:
    info = probe(interlaced)

    woven, done = scan(interlaced, info), scan(interlaced, info, deinterlace=True)

    assert info.is_interlaced
    assert woven.interlaced_count == done.interlaced_count == 36
    assert done.frames.pts == woven.frames.pts
    assert done.frames.last_duration == woven.frames.last_duration
    assert all(one != other for one, other in zip(done.frames.checksums, woven.frames.checksums, strict=True))
    assert "36 of 36 frames are interlaced; they are deinterlaced (bwdif)" in done.warnings


def test_progressive_frames_pass_through_as_they_are(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=12, audio=None)
    info = probe(clip)

    assert not info.is_interlaced
    assert scan(clip, info, deinterlace=True).frames == scan(clip, info).frames


def test_chunks_of_deinterlaced_frames_are_lossless_and_decoding_twice_gives_the_same(interlaced: Path) -> None:
    info = probe(interlaced)
    found = scan(interlaced, info, deinterlace=True)
    chunks = [
        Chunk(index=index, start_segment=0, end_segment=0, start_frame=start, end_frame=start + 18)
        for index, start in enumerate((0, 18))
    ]

    cuts = list(cut(interlaced, info, found, chunks, lossless=lossless_encoding("yuv420p"), folder=interlaced.parent))

    assert [one.carrier for one in cuts] == ["lossless", "lossless"]
    for one in cuts:
        assert len(list(read_lossless(one.path, found.frames, one.chunk.start_frame, one.chunk.end_frame))) == 18
    assert len(list(read_source(interlaced, info.stream_index, found.frames, deinterlace=True))) == 36


@pytest.mark.parametrize(("make", "is_film"), [(made.telecined, True), (made.becomes_interlaced, False)])
def test_pulldown_is_told_from_video(make: made.Maker, is_film: bool, tmp_path: Path) -> None:
    clip = make(tmp_path)

    warnings = " ".join(scan(clip, probe(clip)).warnings)

    assert ("telecined film (3:2 pulldown)" in warnings) == is_film


@pytest.mark.parametrize(
    ("fields", "is_soft"), [([2, 3] * 12, True), ([2] * 24, False), ([2, 2, 3] * 8, False), ([2, 3] * 3, False)]
)
def test_repeated_fields_show_in_the_durations(fields: list[int], is_soft: bool) -> None:
    frames = FrameTable(time_base=Fraction(1, 90000))
    time = 0
    for index, count in enumerate([*fields, 2]):
        frames.append(time, checksum=index)
        time += round(count * 1501.5)

    assert has_soft_pulldown(frames) == is_soft
