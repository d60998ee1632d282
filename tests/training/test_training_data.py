"""Batches: pairs that belong together, drawn by seed and step alone."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.compress import VideoDegradation
from training.data import Pairs, draw_batch, image_paths, load_pairs, load_video_pairs, read_image
from training.degrade import quantise, resize


def write_photos(folder: Path, *, count: int = 3, width: int = 32, height: int = 24) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for index in range(count):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photo-{index}.png")
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    return load_pairs(write_photos(tmp_path / "photos"), scale=2)


def test_photographs_are_read_in_the_order_of_their_names_and_reduced(pairs: Pairs, tmp_path: Path) -> None:
    paths = image_paths(tmp_path / "photos")
    assert [path.name for path in paths] == ["photo-0.png", "photo-1.png", "photo-2.png"]
    assert pairs.high.dtype == pairs.low.dtype == torch.uint8
    assert pairs.high.shape == (3, 3, 24, 32)
    for index, path in enumerate(paths):
        assert torch.equal(pairs.high[index], read_image(path))
        assert torch.equal(pairs.low[index], quantise(resize(read_image(path).float() / 255, scale=Fraction(1, 2))))


def test_the_same_seed_and_step_draw_the_same_batch(pairs: Pairs) -> None:
    first = draw_batch(pairs, size=4, crop_px=6, recolour=0.5, seed=1, step=5)
    again = draw_batch(pairs, size=4, crop_px=6, recolour=0.5, seed=1, step=5)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("seed", "step"), [(2, 5), (1, 6)])
def test_another_seed_or_step_draws_another_batch(pairs: Pairs, seed: int, step: int) -> None:
    low, _ = draw_batch(pairs, size=4, crop_px=6, recolour=0.5, seed=1, step=5)
    other, _ = draw_batch(pairs, size=4, crop_px=6, recolour=0.5, seed=seed, step=step)
    assert not torch.equal(low, other)


def test_a_batch_is_fp32_in_zero_to_one_and_scale_times_as_large(pairs: Pairs) -> None:
    low, high = draw_batch(pairs, size=4, crop_px=6, recolour=0.5, seed=1, step=0)
    assert (low.shape, high.shape) == ((4, 3, 6, 6), (4, 3, 12, 12))
    assert low.dtype == high.dtype == torch.float32
    assert 0 <= float(high.min()) < float(high.max()) <= 1


@pytest.mark.parametrize("recolour", [0, 0.5, 1])
def test_both_crops_of_a_pair_show_the_same_place_turned_and_recoloured_the_same_way(recolour: float) -> None:
    # Given photographs whose high-resolution pixels all equal the low-resolution pixel above them
    low = torch.arange(2 * 3 * 10 * 8).remainder(251).to(torch.uint8).reshape(2, 3, 10, 8)
    pairs = Pairs.whole(high=low.repeat_interleave(2, 2).repeat_interleave(2, 3), low=low, scale=2)
    # When many crops are drawn, so that every flip and turn occurs
    small, large = draw_batch(pairs, size=64, crop_px=5, recolour=recolour, seed=3, step=0)
    # Then each high-resolution crop still is its low-resolution crop, enlarged
    assert torch.equal(large, small.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_all_eight_orientations_occur() -> None:
    corner = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    corner[..., 0, 1] = 255
    pairs = Pairs.whole(high=corner.repeat_interleave(2, 2).repeat_interleave(2, 3), low=corner, scale=2)
    low, _ = draw_batch(pairs, size=200, crop_px=4, recolour=0, seed=0, step=0)
    assert len({tuple(crop.flatten().tolist()) for crop in low}) == 8


def test_recolouring_exchanges_channels_and_makes_some_of_them_negative() -> None:
    red = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    red[:, 0] = 255
    pairs = Pairs.whole(high=red.repeat_interleave(2, 2).repeat_interleave(2, 3), low=red, scale=2)

    def colours(recolour: float) -> set[tuple[float, ...]]:
        low, _ = draw_batch(pairs, size=200, crop_px=2, recolour=recolour, seed=0, step=0)
        return {tuple(crop[:, 0, 0].tolist()) for crop in low}

    assert colours(0) == {(1, 0, 0)}
    assert len(colours(1)) == 8


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load_pairs(tmp_path, scale=2)


def test_photographs_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_photos(tmp_path, count=1)
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="differ in size"):
        load_pairs(tmp_path, scale=2)


def test_photographs_that_the_scale_does_not_divide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no multiple of 3"):
        load_pairs(write_photos(tmp_path), scale=3)


def test_a_crop_larger_than_the_photographs_is_refused(pairs: Pairs) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        draw_batch(pairs, size=1, crop_px=13, recolour=0, seed=0, step=0)


VIDEO = VideoDegradation(
    variants=2,
    frames=3,
    margin_px=8,
    still=0.2,
    kernels=("cubic", "box"),
    blur=0.5,
    blur_sigma_px=0.5,
    noise=0.5,
    noise_codes=2,
    compressed=0.9,
    hevc=0,
    crf=(18, 30),
)


def test_video_pairs_are_made_once_and_read_from_the_cache_afterwards(tmp_path: Path) -> None:
    # Given photographs, degraded once
    photos, cache = write_photos(tmp_path / "photos", count=2, width=72, height=72), tmp_path / "pairs.safetensors"
    first = load_video_pairs(photos, VIDEO, scale=2, seed=1, cache=cache)
    made = cache.stat().st_mtime_ns

    # When they are asked for again, then they are read; of another seed, they are made anew
    again = load_video_pairs(photos, VIDEO, scale=2, seed=1, cache=cache)
    assert cache.stat().st_mtime_ns == made
    assert torch.equal(again.low, first.low)
    assert first.low.shape == (4, 3, 32, 32)
    assert first.photographs.tolist() == [0, 0, 1, 1]
    assert not torch.equal(load_video_pairs(photos, VIDEO, scale=2, seed=2, cache=cache).low, first.low)


def test_a_crop_of_a_window_is_cut_where_the_window_lies() -> None:
    # Given one photograph with a window in it, ten pixels down and four to the right
    low = torch.arange(3 * 6 * 6).to(torch.uint8).reshape(1, 3, 6, 6)
    high = torch.zeros(1, 3, 24, 24, dtype=torch.uint8)
    high[:, :, 10:22, 4:16] = low.repeat_interleave(2, 2).repeat_interleave(2, 3)
    pairs = Pairs(
        high=high, low=low, scale=2, photographs=torch.zeros(1, dtype=torch.int64), origins=torch.tensor([[10, 4]])
    )

    # When crops are drawn, then both show the same
    small, large = draw_batch(pairs, size=16, crop_px=3, recolour=0, seed=1, step=0)
    assert torch.equal(large, small.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_a_window_that_does_not_lie_in_its_photograph_is_refused() -> None:
    picture = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="or larger"):
        Pairs(
            high=picture,
            low=picture[..., :4, :4],
            scale=2,
            photographs=torch.zeros(1, dtype=torch.int64),
            origins=torch.tensor([[0, 1]]),
        )
