"""A decoded frame as planes of integers, and its checksum.

This is the frame type that video and inference share. It knows nothing of colour or time.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError
from sr_core.video.formats import PixelFormat, target_of

Plane = NDArray[np.uint8] | NDArray[np.uint16]


TRANSPARENCY_IS_LOST = "transparency is not kept: the picture is as it is without what lies behind it"


@dataclass(frozen=True, slots=True)
class Planes:
    """One frame: an array (height, width) for each plane, uint8 for 8 bits and uint16 above, in `format`'s order.

    Arrays may be views into a decoder's buffer with padded rows; they are never written to.
    """

    format: PixelFormat
    planes: tuple[Plane, ...]

    @property
    def width_px(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def height_px(self) -> int:
        return int(self.planes[0].shape[0])

    def checksum(self) -> int:
        """CRC-32 over the visible samples of all planes, row by row: it detects accidents, not intent."""
        crc = 0
        for plane in self.planes:
            crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
        return crc


def from_av(frame: av.VideoFrame) -> Planes:
    """Views or rewrites a decoded frame into one of the handled formats.

    Raises InputError for a pixel format that has no handled counterpart.
    """
    target = target_of(frame.format.name)
    if target is None:
        raise InputError(
            f"pixel format {frame.format.name} is not supported; convert the file first, for example to yuv444p"
        )
    wanted = target.format
    if frame.format.name != wanted.name and not frame.format.name.startswith("yuvj"):
        frame = frame.reformat(format=wanted.name)
    dtype = np.uint8 if wanted.bytes_per_sample == 1 else np.uint16
    planes: list[Plane] = []
    for plane, (width, height) in zip(frame.planes, wanted.plane_sizes_px(frame.width, frame.height), strict=True):
        rows = _rows(plane, dtype)
        planes.append(rows[:height, :width])
    return Planes(wanted, tuple(planes))


def is_transparent(frame: av.VideoFrame) -> bool:
    """Whether any sample of the frame lets through what lies behind it."""
    target = target_of(frame.format.name)
    if target is None or not target.has_alpha:
        return False
    return bool(frame.reformat(format="rgba").to_ndarray()[..., 3].min() < 255)


def to_av(frame: Planes) -> av.VideoFrame:
    """Copies planes into a new frame of the same pixel format, without a time."""
    out = av.VideoFrame(frame.width_px, frame.height_px, frame.format.name)
    for plane, samples in zip(out.planes, frame.planes, strict=True):
        rows = _rows(plane, samples.dtype)
        rows[: samples.shape[0], : samples.shape[1]] = samples
    return out


def _rows(plane: Any, dtype: Any) -> Plane:
    """The whole buffer of an av plane, padding included, as (rows, samples); it keeps the plane alive."""
    samples: Plane = np.frombuffer(plane, dtype=dtype)
    return samples.reshape(-1, plane.line_size // samples.dtype.itemsize)
