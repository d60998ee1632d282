"""Degradation as video does it: reproducible, really encoded, and of the place that the sample names."""

from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from training.compress import VideoDegradation, degrade, round_trip
from training.degrade import blurred, quantise, resize, sharpened
from training.evaluate import psnr

MILD = VideoDegradation(
    variants=1,
    frames=4,
    margin_px=16,
    still=0,
    kernels=("cubic",),
    blur=0,
    blur_sigma_px=0,
    noise=0,
    noise_codes=0,
    compressed=1,
    hevc=0,
    crf=(12, 12),
)


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(3, 80, 80) uint8: smooth blobs of grey with some edges."""
    random = np.random.default_rng(1)
    blobs = torch.from_numpy(random.random((1, 1, 10, 10))).float()
    picture = resize(blobs, scale=Fraction(8))
    picture[..., 20:50, 30:60] = 1 - picture[..., 20:50, 30:60]
    return quantise(picture[0].expand(3, -1, -1))


def planes(height: int = 64, width: int = 80, count: int = 5) -> tuple[Tensor, ...]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    luma = torch.stack([(x * 3 + y * 2 + 4 * index) % 200 + 20 for index in range(count)]).to(torch.uint8)
    chroma = torch.full((count, height // 2, width // 2), 128, dtype=torch.uint8)
    return luma, chroma, chroma


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_round_trip_gives_every_frame_back_and_loses_more_at_a_higher_crf(codec: Literal["h264", "hevc"]) -> None:
    source = planes()
    fine, coarse = (round_trip(source, codec=codec, crf=crf, preset="veryfast") for crf in (10, 40))
    assert [plane.shape for plane in fine] == [plane.shape for plane in source]
    assert psnr(fine[0], source[0]) > 40
    assert psnr(coarse[0], source[0]) < psnr(fine[0], source[0]) - 5
    # the frames are in their order
    distances = [[psnr(fine[0][a], source[0][b]) for b in range(5)] for a in range(5)]
    assert [row.index(max(row)) for row in distances] == list(range(5))


def test_a_sample_shows_the_place_that_it_names(photograph: Tensor) -> None:
    places = set()
    for variant in range(6):
        sample = degrade(photograph, MILD, scale=2, seed=1, index=0, variant=variant)
        window = photograph[:, sample.top_px : sample.top_px + 64, sample.left_px : sample.left_px + 64]
        reduced = quantise(resize(window.float() / 255, scale=Fraction(1, 2)))
        assert psnr(sample.low, reduced) > 38
        places.add((sample.top_px, sample.left_px))
    assert len(places) > 1


def test_the_same_numbers_give_the_same_sample_and_others_another(photograph: Tensor) -> None:
    rough = MILD.model_copy(
        update={"noise": 1.0, "noise_codes": 8.0, "blur": 1.0, "blur_sigma_px": 1.0, "crf": (20, 40)}
    )
    first, again, other = (degrade(photograph, rough, scale=2, seed=seed, index=3, variant=1) for seed in (1, 1, 2))
    assert torch.equal(first.low, again.low)
    assert not torch.equal(first.low, other.low)


def test_a_window_that_does_not_become_a_420_picture_is_refused(photograph: Tensor) -> None:
    with pytest.raises(ValueError, match="does not become a 4:2:0 picture"):
        degrade(photograph, MILD.model_copy(update={"margin_px": 15}), scale=2, seed=1, index=0, variant=0)


@pytest.mark.parametrize("kernel", ["cubic", "box", "triangle", "lanczos"])
def test_every_kernel_keeps_a_flat_picture_flat_and_a_ramp_a_ramp(kernel: str) -> None:
    ramp = torch.arange(64, dtype=torch.float64).expand(1, 3, 64, 64)
    reduced = resize(ramp, scale=Fraction(1, 4), kernel=kernel)[..., 4:-4, 4:-4]
    expected = (torch.arange(16, dtype=torch.float64) * 4 + 1.5)[4:-4]
    assert torch.allclose(reduced, expected.expand_as(reduced), atol=1e-9)


def test_x265_is_not_given_pictures_that_it_cannot_take() -> None:
    with pytest.raises(ValueError, match="48×32 is too small for x265"):
        round_trip(planes(32, 48), codec="hevc", crf=20, preset="fast")


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(ValueError, match="unknown kernel 'sinc'"):
        resize(torch.zeros(1, 1, 8, 8), scale=Fraction(1, 2), kernel="sinc")


def test_sharpening_raises_the_contrast_of_an_edge_and_leaves_flat_areas_alone() -> None:
    edge = torch.full((1, 1, 20, 20), 0.3)
    edge[..., 10:] = 0.7
    soft = blurred(edge, sigma_px=1.0)
    sharp = sharpened(soft, amount=0.5, sigma_px=1.0)
    assert float(sharp.max() - sharp.min()) > float(soft.max() - soft.min())
    assert torch.allclose(sharp[..., :3], soft[..., :3], atol=1e-6)
    assert torch.equal(sharpened(soft, amount=0, sigma_px=1.0), soft)
