"""Puts parts that were computed anew into a picture and into the planes that were made of it.

Only around the parts are planes made again, and yet they are those of the whole picture to the last bit: torch computes
a sample alike wherever it stands. It does not know how parts are found or computed.
"""

from collections.abc import Sequence

from torch import Tensor

from sr_core.inference.color import rgb_to_planes
from sr_core.inference.rectangles import Rectangle
from sr_core.types import ColorInfo

_REACH_PX = 2
"""How far a sample of subsampled chroma looks, in luma samples, rounded up to whole chroma samples (`color._halve`)."""


def patch(rgb: Tensor, parts: Sequence[Rectangle], contents: Sequence[Tensor]) -> None:
    """Overwrites parts of (N, 3, H, W), in its pixels, with a tensor (N, 3, height, width) each."""
    for part, content in zip(parts, contents, strict=True):
        rgb[part.inside()] = content


def patched_planes(
    before: Sequence[Tensor],
    rgb: Tensor,
    parts: Sequence[Rectangle],
    *,
    chroma: str,
    bit_depth: int,
    color: ColorInfo,
) -> tuple[Tensor, ...]:
    """The planes of a picture that differs in some parts from one whose planes are there.

    Args:
        before: `color.rgb_to_planes` of the other picture, in the same format; not touched.
        rgb: float32 (N, 3, H, W).
        parts: rectangles in pixels of `rgb`, outside of which the two are equal.
    """
    planes = tuple(plane.clone() for plane in before)
    height, width = rgb.shape[-2:]
    for part in parts:
        around = part.grown(_REACH_PX, width_px=width, height_px=height)
        told = Rectangle(
            around.top // 2 * 2,
            min(-(-around.bottom // 2) * 2, height),
            around.left // 2 * 2,
            min(-(-around.right // 2) * 2, width),
        )
        seen = told.grown(_REACH_PX, width_px=width, height_px=height)
        made = rgb_to_planes(rgb[seen.inside()], chroma=chroma, bit_depth=bit_depth, color=color)
        for plane, new in zip(planes, made, strict=True):
            tall = 2 if plane.shape[1] < height else 1
            wide = 2 if plane.shape[2] < width else 1
            rows = slice(told.top // tall, -(-told.bottom // tall))
            columns = slice(told.left // wide, -(-told.right // wide))
            top, left = seen.top // tall, seen.left // wide
            plane[:, rows, columns] = new[
                :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return planes
