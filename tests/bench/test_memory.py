"""What memory and disk use are said to be, and that growth is noticed."""

import os
from pathlib import Path

import pytest

from bench.clips import write_clip
from bench.command import CommandFailed, sr
from bench.memory import DiskUse, Measured, folder_bytes, growth, tiny_network

from .builders import FRAMES, SIZE_PX


class TestMemory:
    def test_growth_is_long_over_short_for_each_part(self) -> None:
        disk = DiskUse(source_bytes=1, chunk_bytes=2, segment_bytes=3, result_bytes=4, peak_bytes=9)
        short = {"run": 100, "extract": 50, "upscale": 80, "assemble": 40}
        long = {"run": 105, "extract": 50, "upscale": 88, "assemble": 44}

        ratios = growth(
            Measured(frames=1, peak_memory_bytes=short, disk=disk),
            Measured(frames=10, peak_memory_bytes=long, disk=disk),
        )

        assert ratios == pytest.approx({"run": 1.05, "extract": 1.0, "upscale": 1.1, "assemble": 1.1})
        assert disk.allowed_bytes == 10

    def test_a_file_with_two_names_counts_once(self, tmp_path: Path) -> None:
        (tmp_path / "below").mkdir()
        (tmp_path / "a").write_bytes(b"12345")
        os.link(tmp_path / "a", tmp_path / "below" / "b")
        (tmp_path / "below" / "c").write_bytes(b"123")

        assert folder_bytes(tmp_path) == 8

    def test_a_command_says_what_it_cost(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "clip.mp4", None, frames=FRAMES, size_px=SIZE_PX, sound=True)

        cost = sr("probe", clip, "--model", tiny_network(tmp_path / "tiny.safetensors"))

        # A Python process with PyAV takes more than 20 MB, and probing loads no network
        assert 20e6 < cost.peak_memory_bytes < 200e6
        assert cost.cpu_seconds > 0

    def test_a_command_that_fails_says_why(self) -> None:
        with pytest.raises(CommandFailed, match=r"sr probe: .*missing\.mp4"):
            sr("probe", "missing.mp4")
