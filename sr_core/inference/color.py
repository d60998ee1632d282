"""Colour conversion between integer planes and gamma-encoded RGB, in torch, on whatever device the planes are.

Formulas: ITU-T H.273 (2021) 8.3, equations for limited and full range and for matrix coefficients from Kr and Kb.
Chroma is resampled linearly with its siting, as zimg's bilinear filter does: interpolation on the way up, a triangle of
twice the width on the way down; edges are repeated. Values beyond black and white are kept on the way to RGB and
clipped only when they become integers again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_core.types import ColorInfo

LUMA_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020nc": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}
"""(Kr, Kb) by matrix: H.273 table 4."""


def planes_to_rgb(planes: Sequence[Tensor], *, chroma: str, bit_depth: int, color: ColorInfo) -> Tensor:
    """Converts planes to RGB.

    Args:
        planes: integer tensors (N, height, width), chroma planes at their own size; G, B, R order when `chroma` is rgb.
        chroma: 420, 422, 444, gray or rgb.
        bit_depth: significant bits of a sample.
        color: the meaning of the samples.

    Returns:
        float32 (N, 3, height, width), black at 0 and white at 1, not clipped.
    """
    black, luma_span, chroma_span = spans(bit_depth, color.range)
    if chroma == "rgb":
        green, blue, red = (_to_unit(plane, black, luma_span) for plane in planes)
        return torch.stack((red, green, blue), dim=1)
    luma = _to_unit(planes[0], black, luma_span)
    if chroma == "gray":
        return luma.unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    height, width = luma.shape[-2:]
    center = float(1 << (bit_depth - 1))
    blue_difference, red_difference = (
        _enlarge_chroma(_to_unit(plane, center, chroma_span), chroma, color.siting)[:, :height, :width]
        for plane in planes[1:]
    )
    kr, kb = LUMA_WEIGHTS[color.matrix]
    kg = 1 - kr - kb
    rgb = torch.empty((luma.shape[0], 3, height, width), dtype=torch.float32, device=luma.device)
    torch.add(luma, red_difference, alpha=2 * (1 - kr), out=rgb[:, 0])
    torch.add(luma, blue_difference, alpha=2 * (1 - kb), out=rgb[:, 2])
    torch.add(luma, red_difference, alpha=-2 * (1 - kr) * kr / kg, out=rgb[:, 1])
    rgb[:, 1].add_(blue_difference, alpha=-2 * (1 - kb) * kb / kg)
    return rgb


def rgb_to_planes(rgb: Tensor, *, chroma: str, bit_depth: int, color: ColorInfo) -> tuple[Tensor, ...]:
    """Converts RGB to planes: the inverse of `planes_to_rgb`, rounded to the nearest integer and clipped to the depth.

    Args:
        rgb: float (N, 3, height, width).

    Returns:
        tensors (N, height, width), uint8 for 8 bits and int32 above (torch has few operations for uint16).
    """
    rgb = rgb.float()
    black, luma_span, chroma_span = spans(bit_depth, color.range)
    red, green, blue = rgb.unbind(1)
    if chroma == "rgb":
        return tuple(_to_code(channel, black, luma_span, bit_depth) for channel in (green, blue, red))
    kr, kb = LUMA_WEIGHTS.get(color.matrix, LUMA_WEIGHTS["bt709"])
    luma = red * kr
    luma.add_(green, alpha=1 - kr - kb).add_(blue, alpha=kb)
    if chroma == "gray":
        return (_to_code(luma, black, luma_span, bit_depth),)
    center = float(1 << (bit_depth - 1))
    # Both differences go through the rest together: small parts of pictures take as long as there are calls.
    differences = rgb[:, ::2] - luma.unsqueeze(1)
    for index, weight in enumerate((kr, kb)):
        differences[:, index] /= 2 * (1 - weight)
    reduced = _reduce_chroma(differences.flatten(0, 1), chroma, color.siting)
    codes = _to_code(reduced, center, chroma_span, bit_depth)
    return _to_code(luma, black, luma_span, bit_depth), codes[1::2], codes[::2]


def spans(bit_depth: int, color_range: str) -> tuple[float, float, float]:
    """(code of black, codes from black to white, codes from the least to the greatest colour difference)."""
    if color_range == "full":
        full = float((1 << bit_depth) - 1)
        return 0.0, full, full
    unit = float(1 << (bit_depth - 8))
    return 16 * unit, 219 * unit, 224 * unit


def _to_unit(plane: Tensor, zero: float, span: float) -> Tensor:
    return (plane.to(torch.float32) - zero) * (1 / span)


def _to_code(plane: Tensor, zero: float, span: float, bit_depth: int) -> Tensor:
    codes = (plane * span).add_(zero + 0.5).floor_().clamp_(0, (1 << bit_depth) - 1)
    return codes.to(torch.uint8 if bit_depth == 8 else torch.int32)


def _enlarge_chroma(plane: Tensor, chroma: str, siting: str) -> Tensor:
    """(N, h, w) to luma's size (rounded up to even), by linear interpolation."""
    if chroma == "444":
        return plane
    wide = _double(plane, dim=2, cosited=siting in ("left", "topleft"))
    return wide if chroma == "422" else _double(wide, dim=1, cosited=siting == "topleft")


def _reduce_chroma(plane: Tensor, chroma: str, siting: str) -> Tensor:
    """(N, h, w) to chroma's size (odd sizes rounded up), by a triangle filter."""
    if chroma == "444":
        return plane
    narrow = _halve(plane, dim=2, cosited=siting in ("left", "topleft"))
    return narrow if chroma == "422" else _halve(narrow, dim=1, cosited=siting == "topleft")


def _double(plane: Tensor, *, dim: int, cosited: bool) -> Tensor:
    """Interpolates between samples: cosited samples lie on the even positions, others between two positions."""
    size = plane.shape[dim]
    following = torch.cat((plane.narrow(dim, 1, size - 1), plane.narrow(dim, size - 1, 1)), dim)
    if cosited:
        even, odd = plane, torch.lerp(plane, following, 0.5)
    else:
        preceding = torch.cat((plane.narrow(dim, 0, 1), plane.narrow(dim, 0, size - 1)), dim)
        even, odd = torch.lerp(plane, preceding, 0.25), torch.lerp(plane, following, 0.25)
    return torch.stack((even, odd), dim=dim + 1).flatten(dim, dim + 1)


def _halve(plane: Tensor, *, dim: int, cosited: bool) -> Tensor:
    """Weights (1, 2, 1)/4 around the even positions when cosited, (1, 3, 3, 1)/8 around the middles otherwise."""
    size = plane.shape[dim]
    half = (size + 1) // 2
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, size - 1, 1)
    padded = torch.cat((first, plane, last, last, last), dim)

    def every_second(start: int) -> Tensor:
        stop = start + 2 * half - 1
        return padded[:, :, start:stop:2] if dim == 2 else padded[:, start:stop:2]

    if cosited:
        return (every_second(0) + every_second(2)).mul_(0.25).add_(every_second(1), alpha=0.5)
    outer = (every_second(0) + every_second(3)).mul_(0.125)
    return outer.add_(every_second(1), alpha=0.375).add_(every_second(2), alpha=0.375)
