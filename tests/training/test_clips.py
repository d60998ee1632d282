"""Measuring enlarged video: the figures mean what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.reference import MEDIA, needs_media
from training.clips import Clip, ClipScore, enlarge_by_filter, enlarge_by_network, flicker, mean, prepare, score, table


def clip(count: int = 3, height: int = 64, width: int = 96) -> np.ndarray:
    """(N, height · 3 / 2, width): a texture that moves, grey chroma."""
    y, x = np.mgrid[0:height, 0:width]
    luma = [128 + 60 * np.sin((x + 2 * index) / 5) * np.cos(y / 4) for index in range(count)]
    chroma = np.full((height // 2, width), 128.0)
    return np.stack([np.concatenate([plane, chroma]) for plane in luma]).round().astype(np.uint8)


class Nearest(nn.Module):
    """Repeats every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=2, mode="nearest")


def test_a_clip_that_is_the_original_scores_full_and_a_blurred_one_less(tmp_path: Path) -> None:
    original = clip()
    small = original[:, ::2, ::2]
    assert small.shape == (3, 48, 48)
    same = score(original, original, scratch=tmp_path)
    lanczos = score(original, enlarge_by_filter(small, scale=2, flags="lanczos"), scratch=tmp_path)
    assert same.vmaf > 95
    assert same.psnr_y_db > 55
    assert same.flicker_codes == 0
    assert lanczos.vmaf_neg < same.vmaf_neg
    assert lanczos.psnr_y_db < same.psnr_y_db


def test_a_network_sees_frames_as_rgb_and_gives_frames_back() -> None:
    small = clip(count=2, height=16, width=24)
    enlarged = enlarge_by_network(Nearest(), small)
    assert enlarged.shape == (2, 48, 48)
    expected = small[:, :16].repeat(2, axis=1).repeat(2, axis=2)
    assert np.abs(enlarged[:, :32].astype(int) - expected).max() <= 1


def test_flicker_is_what_changes_from_frame_to_frame_and_should_not() -> None:
    original = np.full((4, 12, 8), 100, np.uint8)
    brighter = original + 20
    unsteady = original.copy()
    unsteady[1::2, :8] += 6
    assert flicker(original, brighter) == 0
    assert flicker(original, unsteady) == pytest.approx(6)
    assert flicker(original[:1], unsteady[:1]) == 0


def test_clips_of_different_sizes_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        score(clip(count=2), clip(count=3), scratch=tmp_path)


def test_the_table_has_a_row_for_each_clip_and_their_mean() -> None:
    scores = {
        "a": ClipScore(vmaf=80, vmaf_neg=70, psnr_y_db=30, flicker_codes=1),
        "b": ClipScore(vmaf=90, vmaf_neg=80, psnr_y_db=40, flicker_codes=2),
    }
    assert mean(scores).vmaf_neg == 75
    assert table({"ours": scores}).splitlines()[-1] == "| **mean** | 85.0 / 75.0 / 35.00 / 1.50 |"


@needs_media
def test_a_real_clip_is_cut_reduced_and_really_encoded(tmp_path: Path) -> None:
    made = prepare(
        MEDIA / "video", Clip(file="realshort.mp4", start_seconds=0, frames=5), scale=4, crf=28, scratch=tmp_path
    )
    assert made.original.shape == (5, 360, 320)
    assert made.small.shape == (5, 90, 80)
    assert (tmp_path / "realshort-x4-crf28.mp4").stat().st_size < made.small.nbytes / 5


def test_a_clip_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no clip .*nowhere\.mp4"):
        prepare(tmp_path, Clip(file="nowhere.mp4", start_seconds=0, frames=1), scale=2, crf=23, scratch=tmp_path)
