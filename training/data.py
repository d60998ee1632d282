"""Pairs of low- and high-resolution crops from a folder of photographs.

Owns reading the photographs and cutting, turning and recolouring crops. A batch depends on nothing but the photographs,
the seed and the step, so that a resumed run sees the very batches of an uninterrupted one. It knows of no network.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.degrade import quantise, resize

IMAGE_SUFFIXES = frozenset({".png", ".webp", ".jpg", ".jpeg", ".bmp"})

ENV_REFERENCE_MEDIA = "SR_REFERENCE_MEDIA"
"""The folder that holds `photos/` and `stills/`."""


def reference_media() -> Path:
    """The folder of reference media: the environment's, else ``../shared/media`` beside the checkout. May not exist."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "media"
    return Path(os.environ.get(ENV_REFERENCE_MEDIA, beside))


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder by name, not of its sub-folders. Raises FileNotFoundError when there is none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no images in {folder}: name a folder with {', '.join(sorted(IMAGE_SUFFIXES))} files")
    return paths


def read_image(path: Path) -> Tensor:
    """Reads an image as (3, H, W) uint8 RGB; grey and palette images are converted."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Every photograph, once in full and once reduced; pixel (y, x) of the small one lies at (y, x) · scale."""

    high: Tensor
    """(N, 3, H, W) uint8."""
    low: Tensor
    """(N, 3, H / scale, W / scale) uint8: antialiased bicubic, rounded to 8 bits as a file would be."""
    scale: int

    def __post_init__(self) -> None:
        count, channels, height, width = self.low.shape
        expected = (count, channels, height * self.scale, width * self.scale)
        if tuple(self.high.shape) != expected:
            raise ValueError(f"the high-resolution images are {tuple(self.high.shape)}, not {expected}")


def load_pairs(folder: Path, *, scale: int) -> Pairs:
    """Reads all photographs of a folder into memory and reduces them by `scale`.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they differ in size, or their size is no multiple of `scale`.
    """
    images = [read_image(path) for path in image_paths(folder)]
    height, width = images[0].shape[1:]
    if any(image.shape != images[0].shape for image in images):
        raise ValueError(f"the images in {folder} differ in size: cut them into equal tiles first")
    if height % scale or width % scale:
        raise ValueError(f"the images in {folder} are {width}×{height}, no multiple of {scale}: crop them first")
    low = torch.stack([quantise(resize(image.float() / 255, scale=Fraction(1, scale))) for image in images])
    return Pairs(high=torch.stack(images), low=low, scale=scale)


def draw_batch(
    pairs: Pairs, *, size: int, crop_px: int, recolour: float, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """Cuts the random crops of one training step, each flipped and turned in one of eight ways.

    With the probability `recolour` a crop's channels are exchanged and each of them made negative or not, so that edges
    between saturated colours, rare in photographs, are seen as well.

    Returns:
        Low resolution, (size, 3, crop_px, crop_px), and high resolution, (size, 3, crop_px · scale, crop_px · scale),
        both fp32 in [0, 1].

    Raises ValueError when the photographs are smaller than a crop.
    """
    count, _, height, width = pairs.low.shape
    if crop_px > min(height, width):
        raise ValueError(f"a crop of {crop_px} px does not fit into reduced images of {width}×{height}")
    random = np.random.default_rng((seed, step))
    lows: list[Tensor] = []
    highs: list[Tensor] = []
    for _ in range(size):
        index = int(random.integers(count))
        y, x = int(random.integers(height - crop_px + 1)), int(random.integers(width - crop_px + 1))
        flip, turns = bool(random.integers(2)), int(random.integers(4))
        order, negative = random.permutation(3).tolist(), torch.from_numpy(random.integers(2, size=3) == 1)
        recoloured = bool(random.random() < recolour)
        for images, factor, crops in ((pairs.low, 1, lows), (pairs.high, pairs.scale, highs)):
            top, left, side = y * factor, x * factor, crop_px * factor
            crop = _turned(images[index, :, top : top + side, left : left + side], flip=flip, turns=turns)
            crops.append(_recoloured(crop, order=order, negative=negative) if recoloured else crop)
    return torch.stack(lows).float() / 255, torch.stack(highs).float() / 255


def _turned(image: Tensor, *, flip: bool, turns: int) -> Tensor:
    return torch.rot90(image.flip(2) if flip else image, turns, (1, 2))


def _recoloured(image: Tensor, *, order: list[int], negative: Tensor) -> Tensor:
    image = image[order]
    return torch.where(negative[:, None, None], 255 - image, image)
