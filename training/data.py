"""Pairs of low- and high-resolution crops from a folder of photographs.

Owns reading the photographs and cutting, turning and recolouring crops. A batch depends on nothing but the photographs,
the seed and the step, so that a resumed run sees the very batches of an uninterrupted one. It knows of no network.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.compress import VideoDegradation, degrade
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
    """Photographs and reduced pictures of them; pixel (y, x) of a reduced one lies at `origins` + (y, x) · scale."""

    high: Tensor
    """(N, 3, H, W) uint8."""
    low: Tensor
    """(M, 3, h, w) uint8."""
    scale: int
    photographs: Tensor
    """(M,) int64: of which photograph each reduced picture is."""
    origins: Tensor
    """(M, 2) int64: top and left, in high-resolution pixels."""

    def __post_init__(self) -> None:
        count, channels, height, width = self.low.shape
        reach = torch.tensor([height, width]) * self.scale + self.origins
        if channels != self.high.shape[1] or bool((reach > torch.tensor(self.high.shape[2:])).any()):
            expected = (channels, height * self.scale, width * self.scale)
            raise ValueError(f"the high-resolution images are {tuple(self.high.shape[1:])}, not {expected} or larger")
        if self.photographs.shape != (count,) or int(self.photographs.max()) >= self.high.shape[0]:
            raise ValueError("every reduced picture must name its photograph")

    @classmethod
    def whole(cls, *, high: Tensor, low: Tensor, scale: int) -> "Pairs":
        """One reduced picture of each photograph, which shows the whole of it."""
        origins = torch.zeros((len(low), 2), dtype=torch.int64)
        return cls(high=high, low=low, scale=scale, photographs=torch.arange(len(low)), origins=origins)


def load_pairs(folder: Path, *, scale: int) -> Pairs:
    """Reads all photographs of a folder into memory and reduces each, whole, by antialiased bicubic and 8-bit rounding.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they differ in size, or their size is no multiple of `scale`.
    """
    high = _load_photographs(folder)
    height, width = high.shape[2:]
    if height % scale or width % scale:
        raise ValueError(f"the images in {folder} are {width}×{height}, no multiple of {scale}: crop them first")
    low = torch.stack([quantise(resize(image.float() / 255, scale=Fraction(1, scale))) for image in high])
    return Pairs.whole(high=high, low=low, scale=scale)


def load_video_pairs(folder: Path, kind: VideoDegradation, *, scale: int, seed: int, cache: Path) -> Pairs:
    """Reads all photographs and makes `kind.variants` degraded pictures of each; those are kept in `cache`.

    Encoding takes minutes, so a cache made from the same photographs, kind, scale and seed is read instead.

    Raises as `load_pairs`, and ValueError when the kind does not suit the size of the photographs.
    """
    high = _load_photographs(folder)
    recipe = json.dumps([kind.model_dump(mode="json"), scale, seed, hashlib.sha256(high.numpy().tobytes()).hexdigest()])
    if not cache.is_file() or _recipe(cache) != recipe:
        samples = [
            degrade(photograph, kind, scale=scale, seed=seed, index=index, variant=variant)
            for index, photograph in enumerate(high)
            for variant in range(kind.variants)
        ]
        made = {
            "low": torch.stack([sample.low for sample in samples]),
            "origins": torch.tensor([[sample.top_px, sample.left_px] for sample in samples]),
        }
        partial = cache.with_suffix(".partial")
        save_file(made, partial, metadata={"recipe": recipe})
        partial.replace(cache)
    tensors = load_file(cache)
    photographs = torch.arange(high.shape[0]).repeat_interleave(kind.variants)
    return Pairs(high=high, low=tensors["low"], scale=scale, photographs=photographs, origins=tensors["origins"])


def _recipe(cache: Path) -> str | None:
    with safe_open(cache, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
        return metadata.get("recipe")


def _load_photographs(folder: Path) -> Tensor:
    images = [read_image(path) for path in image_paths(folder)]
    if any(image.shape != images[0].shape for image in images):
        raise ValueError(f"the images in {folder} differ in size: cut them into equal tiles first")
    return torch.stack(images)


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
        origin_y, origin_x = pairs.origins[index].tolist()
        photograph = pairs.high[pairs.photographs[index]]
        for image, (top, left), side, crops in (
            (pairs.low[index], (y, x), crop_px, lows),
            (photograph, (origin_y + y * pairs.scale, origin_x + x * pairs.scale), crop_px * pairs.scale, highs),
        ):
            crop = _turned(image[:, top : top + side, left : left + side], flip=flip, turns=turns)
            crops.append(_recoloured(crop, order=order, negative=negative) if recoloured else crop)
    return torch.stack(lows).float() / 255, torch.stack(highs).float() / 255


def _turned(image: Tensor, *, flip: bool, turns: int) -> Tensor:
    return torch.rot90(image.flip(2) if flip else image, turns, (1, 2))


def _recoloured(image: Tensor, *, order: list[int], negative: Tensor) -> Tensor:
    image = image[order]
    return torch.where(negative[:, None, None], 255 - image, image)
