"""Antialiased resizing as MATLAB's `imresize` does it; bicubic, it is the degradation behind published Set5 figures.

Owns the resampling weights and the 8-bit rounding. It knows nothing of files, batches or networks.

Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981 (a = -1/2), and the behaviour of
MATLAB's `imresize(image, scale, "bicubic")`: the kernel is stretched by 1/scale when shrinking, weights are normalised
to sum to one, and the image is continued by its mirror, edge pixel included.
"""

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F


def cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2, of any shape; zero from a distance of two pixels on."""
    near = distance.abs()
    inner = (1.5 * near - 2.5) * near**2 + 1
    outer = ((-0.5 * near + 2.5) * near - 4) * near + 2
    return torch.where(near <= 1, inner, torch.where(near < 2, outer, torch.zeros_like(near)))


def box(distance: Tensor) -> Tensor:
    """One up to half a pixel away: averages areas."""
    return (distance.abs() <= 0.5).to(distance.dtype)


def triangle(distance: Tensor) -> Tensor:
    """Linear interpolation; zero from a distance of one pixel on."""
    return (1 - distance.abs()).clamp(min=0)


def lanczos(distance: Tensor) -> Tensor:
    """Lanczos' windowed sinc with three lobes (Duchon, 1979); zero from a distance of three pixels on."""
    return torch.where(distance.abs() < 3, torch.sinc(distance) * torch.sinc(distance / 3), torch.zeros_like(distance))


KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "cubic": (cubic, 4),
    "box": (box, 1),
    "triangle": (triangle, 2),
    "lanczos": (lanczos, 6),
}
"""By name, with the width of their support in pixels of the coarser grid."""


def resize_matrix(length_px: int, *, scale: Fraction, kernel: str = "cubic") -> Tensor:
    """Returns the (ceil(length_px · scale), length_px) float64 matrix that resizes a line of pixels.

    Raises ValueError for a length or a scale that is not positive, and for a kernel that is not of `KERNELS`.
    """
    if length_px <= 0 or scale <= 0:
        raise ValueError(f"cannot resize {length_px} px by {scale}: both must be positive")
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}; choose one of {', '.join(KERNELS)}")
    weigh, width_px = KERNELS[kernel]
    out_px = math.ceil(length_px * scale)
    stretch = min(1.0, float(scale))
    radius_px = width_px / 2 / stretch
    centres = (torch.arange(out_px, dtype=torch.float64) + 0.5) / float(scale) - 0.5
    reach_px = math.ceil(2 * radius_px) + 2
    taps = torch.floor(centres - radius_px)[:, None] + torch.arange(reach_px, dtype=torch.float64)[None, :]
    weights = weigh((centres[:, None] - taps) * stretch)
    weights = weights / weights.sum(dim=1, keepdim=True)
    folded = taps.to(torch.int64).remainder(2 * length_px)
    source = torch.where(folded < length_px, folded, 2 * length_px - 1 - folded)
    return torch.zeros(out_px, length_px, dtype=torch.float64).scatter_add_(1, source, weights)


def resize(images: Tensor, *, scale: Fraction, kernel: str = "cubic") -> Tensor:
    """Resizes (…, H, W) floating-point images to (…, ceil(H · scale), ceil(W · scale)), same dtype, not clipped.

    Raises ValueError when the images are not floating-point: rounding is the caller's decision (`quantise`).
    """
    if not images.is_floating_point():
        raise ValueError(f"resize takes floating-point images, not {images.dtype}: convert them first")
    rows = resize_matrix(images.shape[-2], scale=scale, kernel=kernel).to(images.dtype)
    columns = resize_matrix(images.shape[-1], scale=scale, kernel=kernel).to(images.dtype)
    return rows @ images @ columns.T


def blurred(images: Tensor, *, sigma_px: float) -> Tensor:
    """(N, C, H, W) floating-point images under a Gaussian, edges repeated."""
    radius = max(1, round(3 * sigma_px))
    line = torch.exp(-torch.arange(-radius, radius + 1).square() / (2 * max(sigma_px, 1e-3) ** 2))
    line = (line / line.sum()).to(images.dtype)
    channels = images.shape[1]
    padded = F.pad(images, (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, line.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(rows, line.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)


def sharpened(images: Tensor, *, amount: float, sigma_px: float) -> Tensor:
    """(N, C, H, W) images in [0, 1] after unsharp masking, clipped to [0, 1]."""
    return (images + amount * (images - blurred(images, sigma_px=sigma_px))).clamp(0, 1)


def quantise(images: Tensor) -> Tensor:
    """Rounds images in [0, 1] to 8 bits as uint8 code values, clipping what lies outside."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)
