"""A clip for the benches."""

from pathlib import Path

import pytest

from bench.clips import write_clip

from .builders import FRAMES, SIZE_PX


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    return write_clip(path, None, frames=FRAMES, size_px=SIZE_PX, sound=True)
