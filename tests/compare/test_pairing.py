"""Frames are paired by when they are shown; videos that do not pair are refused where that shows."""

from pathlib import Path

import pytest

from sr_core.errors import InputError
from sr_core.video.pairing import Video, frames_shown, paired
from sr_core.video.probe import probe
from tests.compare.videos import blown_up, texture, write


def videos(*paths: Path) -> list[Video]:
    return [Video(path, probe(path)) for path in paths]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_variable_rate_pairs_in_any_container(suffix: str, tmp_path: Path) -> None:
    times = [0, 1, 5, 6, 20]
    source = write(tmp_path / "source.mkv", texture(), times=times)
    output = write(tmp_path / f"output{suffix}", blown_up(texture()), times=times)

    found = list(paired(videos(source, output)))

    assert [[float(shown.seconds) for shown in pair] for pair in found] == [[time / 10] * 2 for time in times]


def test_a_missing_frame_is_named_where_it_is_missed(tmp_path: Path) -> None:
    # Given an output without the source's fifth frame
    source = write(tmp_path / "source.mkv", texture())
    output = write(tmp_path / "output.mkv", texture(), times=[0, 1, 2, 3, 5, 6, 7])

    # Then no other frame takes its place
    with pytest.raises(InputError, match=r"frame 4 of .*output.mkv is shown 0.500 s after the first, .*0.400 s; give"):
        list(paired(videos(source, output)))


@pytest.mark.parametrize("longer", ["source", "output"])
def test_frames_at_the_end_of_one_alone_are_told(longer: str, tmp_path: Path) -> None:
    counts = {"source": 6, "output": 6, longer: 8}
    source, output = (write(tmp_path / f"{name}.mkv", texture(), times=range(counts[name])) for name in counts)
    shorter = "output" if longer == "source" else "source"

    with pytest.raises(InputError, match=rf"{shorter}.mkv has 6 frames and .*{longer}.mkv has more"):
        list(paired(videos(source, output)))


def test_an_output_that_starts_later_pairs_from_there(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", texture(), times=range(4))
    output = write(tmp_path / "output.mkv", texture(), times=range(3, 7))

    found = list(paired(videos(source, output)))

    assert [float(late.seconds - early.seconds) for early, late in found] == pytest.approx([0.3] * 4)


def test_frames_come_one_by_one(tmp_path: Path) -> None:
    """Nothing is decoded before it is asked for, but for what a decoder is ahead."""
    [video] = videos(write(tmp_path / "clip.mkv", texture()))
    frames = frames_shown(video)

    first = next(frames)

    assert first.seconds == 0
    assert len(list(frames)) == 11
