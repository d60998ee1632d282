"""What a decoded frame says about light: the static metadata of HDR10, and the dynamic kinds that are not carried.

libavutil hands both over as C structures; their layout is part of its ABI (mastering_display_metadata.h).
"""

import struct
from fractions import Fraction
from typing import Any

import av

from sr_core.media import LightLevel, MasteringDisplay

_MASTERING = "MASTERING_DISPLAY_METADATA"
_LIGHT_LEVEL = "CONTENT_LIGHT_LEVEL"
_DYNAMIC = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_MASTERING_LAYOUT = "=20i2i"
"""AVRational display_primaries[3][2] (red, green, blue), white_point[2], min_luminance, max_luminance; two flags."""


def mastering_display(frame: av.VideoFrame) -> MasteringDisplay | None:
    """None where the frame does not say, or says only a part of it."""
    data = _side_data(frame, _MASTERING)
    if data is None or len(data) < struct.calcsize(_MASTERING_LAYOUT):
        return None
    *numbers, has_primaries, has_luminance = struct.unpack_from(_MASTERING_LAYOUT, data)
    if not (has_primaries and has_luminance) or not all(numbers[1::2]):
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y, low, high = (
        Fraction(over, under) for over, under in zip(numbers[::2], numbers[1::2], strict=True)
    )
    return MasteringDisplay(
        red=(red_x, red_y),
        green=(green_x, green_y),
        blue=(blue_x, blue_y),
        white=(white_x, white_y),
        min_luminance=low,
        max_luminance=high,
    )


def light_level(frame: av.VideoFrame) -> LightLevel | None:
    """None where the frame does not say."""
    data = _side_data(frame, _LIGHT_LEVEL)
    if data is None:
        return None
    max_content, max_frame_average = struct.unpack_from("=II", data)
    return LightLevel(max_content=max_content, max_frame_average=max_frame_average)


def dynamic_kinds(frame: av.VideoFrame) -> tuple[str, ...]:
    """Names of the dynamic HDR metadata that the frame bears."""
    names = (data.type.name for data in _all_side_data(frame))
    return tuple(sorted({_DYNAMIC[name] for name in names if name in _DYNAMIC}))


def _side_data(frame: av.VideoFrame, name: str) -> bytes | None:
    return next((bytes(data) for data in _all_side_data(frame) if data.type.name == name), None)


def _all_side_data(frame: av.VideoFrame) -> list[Any]:
    side_data: Any = frame.side_data  # its type says that it is a mapping; iterated, it gives the items
    return list(side_data)
