"""Between planes and RGB of one format, and planes of a part of a picture: what there is to ask for, and torch's way.

The other way is `own_planes`. By either, parts have the bits of the whole: a sample is computed alike wherever it
stands.
"""

from collections.abc import Sequence
from types import EllipsisType
from typing import Protocol

from torch import Tensor

from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.rectangles import Rectangle
from sr_core.types import ColorInfo

REACH_PX = 2
"""How far samples of chroma look, or are seen, in luma samples, rounded up to whole chroma samples (`color._halve`)."""


def samples_of_luma(chroma: str) -> tuple[int, int]:
    """For one of chroma: beside and below one another."""
    return {"420": (2, 2), "422": (2, 1)}.get(chroma, (1, 1))


class Conversion(Protocol):
    """Of one format: made of `color.planes_to_rgb`'s chroma, bit depth and color."""

    def rgb(self, planes: Sequence[Tensor]) -> Tensor:
        """Integers (1, height, width) each to float32 (1, 3, height, width): `color.planes_to_rgb`."""
        ...

    def planes(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """The way back: `color.rgb_to_planes`, but that more than 8 bits may be uint16 as well."""
        ...

    def write_planes(self, rgb: Tensor, planes: Sequence[Tensor], part: Rectangle) -> None:
        """Overwrites a part of planes, as `planes` gives them, with what it gives there of float32 (1, 3, H, W).

        Args:
            part: in pixels of `rgb`; made larger to whole samples of chroma.
        """
        ...


class ConversionOf(Protocol):
    """What makes a conversion; raises InputError where there is none."""

    def __call__(self, chroma: str, bit_depth: int, color: ColorInfo) -> Conversion: ...


class TorchConversion:
    """By torch; arguments as of `color.planes_to_rgb`. Takes several pictures at once, too."""

    def __init__(self, chroma: str, bit_depth: int, color: ColorInfo) -> None:
        self._chroma, self._bit_depth, self._color = chroma, bit_depth, color

    def rgb(self, planes: Sequence[Tensor]) -> Tensor:
        return planes_to_rgb(planes, chroma=self._chroma, bit_depth=self._bit_depth, color=self._color)

    def planes(self, rgb: Tensor) -> tuple[Tensor, ...]:
        return rgb_to_planes(rgb, chroma=self._chroma, bit_depth=self._bit_depth, color=self._color)

    def write_planes(self, rgb: Tensor, planes: Sequence[Tensor], part: Rectangle) -> None:
        height, width = rgb.shape[-2:]
        told = self._told(part, rgb)
        seen = told.grown(REACH_PX, width_px=width, height_px=height)
        made, inner = self.planes(rgb[seen.inside()]), told.moved(-seen.top, -seen.left)
        for index, (plane, new) in enumerate(zip(planes, made, strict=True)):
            plane[self._inside(told, index)] = new[self._inside(inner, index)]

    def _told(self, part: Rectangle, rgb: Tensor) -> Rectangle:
        """A part in whole samples of chroma, or up to the picture's end."""
        right, down = samples_of_luma(self._chroma)
        return Rectangle(
            part.top // down * down,
            min(-(-part.bottom // down) * down, rgb.shape[-2]),
            part.left // right * right,
            min(-(-part.right // right) * right, rgb.shape[-1]),
        )

    def _inside(self, part: Rectangle, index: int) -> tuple[EllipsisType | slice, ...]:
        """The index of a part in one of the planes."""
        right, down = samples_of_luma(self._chroma) if index else (1, 1)
        return Rectangle(
            part.top // down, -(-part.bottom // down), part.left // right, -(-part.right // right)
        ).inside()
