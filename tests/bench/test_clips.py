"""The clips that the benches make."""

from pathlib import Path

import av

from bench.clips import write_clip

from .builders import FRAMES


def test_a_made_clip_has_exactly_the_frames_asked_for(source: Path) -> None:
    with av.open(str(source)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_a_longer_clip_plays_the_source_forward_and_backward(source: Path, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "long.mp4", source, frames=2 * FRAMES, size_px=(0, 0))

    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray().astype(int) for frame in container.decode(video=0)]
    turned = abs(pictures[FRAMES - 2] - pictures[FRAMES]).mean()
    assert len(pictures) == 2 * FRAMES
    assert turned < abs(pictures[FRAMES - 2] - pictures[FRAMES - 1]).mean()
