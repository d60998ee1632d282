"""Puts parts that were computed anew into a picture and into the planes that were made of it.

Only around the parts are planes made again, and yet they are those of the whole picture to the last bit: a conversion
computes a sample alike wherever it stands. It does not know how parts are found or computed.
"""

from collections.abc import Sequence

from torch import Tensor

from sr_core.inference.conversion import REACH_PX, Conversion
from sr_core.inference.rectangles import Rectangle


def patch(rgb: Tensor, parts: Sequence[Rectangle], contents: Sequence[Tensor]) -> None:
    """Overwrites parts of (N, 3, H, W), in its pixels, with a tensor (N, 3, height, width) each."""
    for part, content in zip(parts, contents, strict=True):
        rgb[part.inside()] = content


def patched_planes(
    before: Sequence[Tensor], rgb: Tensor, parts: Sequence[Rectangle], conversion: Conversion
) -> tuple[Tensor, ...]:
    """The planes of a picture that differs in some parts from one whose planes are there.

    Args:
        before: `conversion.planes` of the other picture; not touched.
        rgb: float32 (1, 3, H, W).
        parts: rectangles in pixels of `rgb`, outside of which the two are equal.
        conversion: what makes planes.
    """
    planes = tuple(plane.clone() for plane in before)
    height, width = rgb.shape[-2:]
    for part in parts:
        conversion.write_planes(rgb, planes, part.grown(REACH_PX, width_px=width, height_px=height))
    return planes
