"""PSNR and SSIM of a network on stills, beside bicubic and Lanczos: ``python -m training.evaluate WEIGHTS``.

Owns the measuring protocol and its formulas, in float64: the still is cropped to a multiple of the scale, reduced by
antialiased bicubic and rounded to 8 bits; the enlarged image is rounded to 8 bits; luma is BT.601 in studio range; a
border of `scale` pixels is left out. It does not know how the network was trained.
"""

import argparse
import copy
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from sr_core.models.compact import from_state, read_tensors
from training.data import image_paths, read_image, reference_media
from training.degrade import quantise, resize

LUMA_WEIGHTS = (65.481, 128.553, 24.966)
"""BT.601 luma of RGB in [0, 1], studio range: 16 to 235 (MATLAB's `rgb2ycbcr`)."""

Upscaler = Callable[[Tensor], Tensor]
"""Maps a (3, H, W) uint8 image to a (3, H · scale, W · scale) one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How near an image comes to the original, on luma."""

    psnr_db: float
    ssim: float


def luma(image: Tensor) -> Tensor:
    """Returns the (H, W) float64 luma of a (3, H, W) uint8 RGB image, in code values (16 … 235), not rounded."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=torch.float64)
    return 16 + torch.einsum("c,chw->hw", weights, image.to(torch.float64) / 255)


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of two tensors of equal shape, peak 255; infinite when they are equal."""
    if first.shape != second.shape:
        raise ValueError(f"cannot compare {tuple(first.shape)} with {tuple(second.shape)}")
    error = float((first.to(torch.float64) - second.to(torch.float64)).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(first: Tensor, second: Tensor) -> float:
    """Structural similarity of two (H, W) planes of at least 11×11 in code values.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004: Gaussian
    window of 11 px and σ = 1.5 px, K₁ = 0.01, K₂ = 0.03, whole windows only.
    """
    if first.shape != second.shape:
        raise ValueError(f"cannot compare {tuple(first.shape)} with {tuple(second.shape)}")
    line = torch.exp(-torch.arange(-5, 6, dtype=torch.float64).square() / (2 * 1.5**2))
    line = line / line.sum()
    window = torch.outer(line, line)[None, None]
    a, b = first.to(torch.float64), second.to(torch.float64)
    means = F.conv2d(torch.stack([a, b, a * a, b * b, a * b])[:, None], window)
    mean_a, mean_b, square_a, square_b, product = means[:, 0]
    variance_a, variance_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    return float(similarity.mean())


def by_network(network: nn.Module, *, dtype: torch.dtype = torch.float32) -> Upscaler:
    """Enlarges with a network whose weights are in the given precision, and rounds to 8 bits."""
    network = copy.deepcopy(network).to(dtype).eval()

    def upscale(image: Tensor) -> Tensor:
        with torch.inference_mode():
            return quantise(network(image.float()[None] / 255)[0].float())

    return upscale


def by_bicubic(scale: int) -> Upscaler:
    """Enlarges as MATLAB's bicubic `imresize` does: the baseline of published tables."""
    return lambda image: quantise(resize(image.double() / 255, scale=Fraction(scale)))


def by_lanczos(scale: int) -> Upscaler:
    """Enlarges with Pillow's Lanczos filter (three lobes)."""

    def upscale(image: Tensor) -> Tensor:
        small = Image.fromarray(image.permute(1, 2, 0).numpy())
        large = small.resize((small.width * scale, small.height * scale), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(large)).permute(2, 0, 1)

    return upscale


def reduced(still: Tensor, *, scale: int) -> Tensor:
    """A (3, H, W) uint8 still, its sides multiples of `scale`, made smaller by the protocol; uint8."""
    return quantise(resize(still.double() / 255, scale=Fraction(1, scale)))


def score_image(still: Tensor, upscaler: Upscaler, *, scale: int) -> Score:
    """Reduces a (3, H, W) uint8 still, enlarges it again and compares."""
    height, width = (length // scale * scale for length in still.shape[1:])
    still = still[:, :height, :width]
    small = reduced(still, scale=scale)
    enlarged = upscaler(small)
    inside = (slice(scale, -scale), slice(scale, -scale))
    first, second = luma(enlarged)[inside], luma(still)[inside]
    return Score(psnr_db=psnr(first, second), ssim=ssim(first, second))


def score_folder(folder: Path, upscaler: Upscaler, *, scale: int) -> dict[str, Score]:
    """Scores every still of a folder, by its name. Raises FileNotFoundError when there is none."""
    return {path.stem: score_image(read_image(path), upscaler, scale=scale) for path in image_paths(folder)}


def mean(scores: Mapping[str, Score]) -> Score:
    """The plain mean of at least one score."""
    values = list(scores.values())
    return Score(
        psnr_db=math.fsum(score.psnr_db for score in values) / len(values),
        ssim=math.fsum(score.ssim for score in values) / len(values),
    )


def table(results: Mapping[str, Mapping[str, Score]]) -> str:
    """A Markdown table of PSNR in dB / SSIM: one row for each still and the mean, one column for each method."""
    methods = list(results)
    lines = ["| still | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    stills = next(iter(results.values()))
    lines += [_row(name, [scores[name] for scores in results.values()]) for name in stills]
    return "\n".join([*lines, _row("**mean**", [mean(scores) for scores in results.values()])])


def _row(name: str, scores: list[Score]) -> str:
    return f"| {name} | " + " | ".join(f"{score.psnr_db:.2f} / {score.ssim:.4f}" for score in scores) + " |"


def main(arguments: list[str] | None = None) -> None:
    """Prints one table for each folder of stills, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=main.__doc__)
    parser.add_argument("weights", type=Path, help="safetensors file of a compact network")
    parser.add_argument("--stills", type=Path, action="append", help="may be repeated (default: Set5 and Set14)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--bf16", action="store_true", help="run the network in bfloat16")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    network = from_state(read_tensors(load_file(options.weights)))
    methods = {
        "bicubic": by_bicubic(network.scale),
        "Lanczos": by_lanczos(network.scale),
        options.weights.stem: by_network(network, dtype=torch.bfloat16 if options.bf16 else torch.float32),
    }
    report = {}
    for folder in options.stills or [reference_media() / "stills" / name for name in ("set5", "set14")]:
        try:
            results = {name: score_folder(folder, method, scale=network.scale) for name, method in methods.items()}
        except FileNotFoundError as error:
            parser.error(str(error))
        report[folder.name] = {
            name: {still: asdict(score) for still, score in {**scores, "mean": mean(scores)}.items()}
            for name, scores in results.items()
        }
        if not options.json:
            print(f"{folder.name}, x{network.scale}, PSNR-Y in dB / SSIM-Y\n\n{table(results)}\n")
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
