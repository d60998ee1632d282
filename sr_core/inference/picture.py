"""Frames as pictures to look at: 8-bit RGB by the file's own matrix and range, and the part that is worth a look."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sr_core.inference.color import planes_to_rgb
from sr_core.types import ColorInfo
from sr_core.video.frames import Plane, Planes

_STEP_PX = 4
"""Between places that `busiest` looks at."""


def rgb_of(frame: Planes, color: ColorInfo) -> NDArray[np.uint8]:
    """(H, W, 3), black at 0 and white at 255; what lies beyond is clipped, and tones are not mapped."""
    planes = [torch.from_numpy(plane.astype(np.int32)).unsqueeze(0) for plane in frame.planes]
    rgb = planes_to_rgb(planes, chroma=frame.format.chroma, bit_depth=frame.format.bit_depth, color=color)
    codes = rgb[0].mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return np.asarray(codes.permute(1, 2, 0).contiguous().numpy())


def part_of(frame: Planes, left: int, top: int, width: int, height: int) -> Planes:
    """A part of a frame whose planes are all of one size: 4:4:4, grey or RGB."""
    return Planes(frame.format, tuple(plane[top : top + height, left : left + width] for plane in frame.planes))


def miniature(frame: Planes, longest_px: int) -> Planes:
    """The frame, its planes all of one size, reduced by a whole number to sides of at most so many pixels, by means."""
    step = -(-max(frame.width_px, frame.height_px) // longest_px)
    height, width = frame.height_px // step, frame.width_px // step

    def reduced(plane: Plane) -> Plane:
        blocks = plane[: height * step, : width * step].reshape(height, step, width, step)
        means: Plane = blocks.mean(axis=(1, 3)).round().astype(plane.dtype)
        return means

    return Planes(frame.format, tuple(map(reduced, frame.planes))) if height and width else frame


def busiest(grey: NDArray[Any], *, width_px: int, height_px: int) -> tuple[int, int]:
    """(left, top) of the part of an (H, W) picture in which neighbouring samples differ most; the part fits into it."""
    samples = grey.astype(np.float64)
    change = np.zeros_like(samples)
    change[1:] += np.abs(np.diff(samples, axis=0))
    change[:, 1:] += np.abs(np.diff(samples, axis=1))
    # Sums of all above and to the left: four of them give the sum of any part.
    sums = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = samples.shape
    tops, lefts = (np.arange(0, most + 1, _STEP_PX) for most in (height - height_px, width - width_px))
    above, below = sums[tops], sums[tops + height_px]
    found = below[:, lefts + width_px] - below[:, lefts] - above[:, lefts + width_px] + above[:, lefts]
    top, left = divmod(int(found.argmax()), len(lefts))
    return left * _STEP_PX, top * _STEP_PX
