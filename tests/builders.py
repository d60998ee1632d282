"""Small values for tests: every field has a plausible default, so that a test names only what it is about."""

from fractions import Fraction
from typing import Any

import numpy as np

from sr_core.types import ColorInfo, ModelSpec, Report, Request, Settings, VideoInfo
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes


def color(**changes: Any) -> ColorInfo:
    return ColorInfo(**{"matrix": "bt709", "range": "limited", "primaries": 1, "transfer": 1, **changes})


def video(**changes: Any) -> VideoInfo:
    values: dict[str, Any] = {
        "container": "mov,mp4",
        "stream_index": 0,
        "codec": "h264",
        "width_px": 320,
        "height_px": 240,
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "chroma": "420",
        "rate": Fraction(25),
        "time_base": Fraction(1, 12800),
        "frame_count": 250,
        "variable_rate": False,
        "duration_seconds": 10.0,
        "field_order": "progressive",
        "color": color(),
        "streams": (),
    }
    return VideoInfo(**{**values, **changes})


def model(**changes: Any) -> ModelSpec:
    values: dict[str, Any] = {
        "name": "tiny",
        "architecture": "compact",
        "scale": 2,
        "radius_px": 3,
        "macs_per_pixel": 1000,
        "parameter_count": 1000,
        "sha256": "0" * 64,
    }
    return ModelSpec(**{**values, **changes})


def request(settings: Settings | None = None, **changes: Any) -> Request:
    values: dict[str, Any] = {"input": "in.mp4", "input_version": "sha256:1", "output": "out.mp4"}
    return Request(**{**values, "settings": settings or Settings(), **changes})


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "output": "out.mp4",
        "size_bytes": 8,
        "sha256": "0" * 64,
        "frame_count": 250,
        "width_px": 640,
        "height_px": 480,
        "segment_count": 3,
        "upscale_seconds": 1.0,
        "model_seconds": 1.0,
        "assemble_seconds": 1.0,
        "warnings": (),
    }
    return Report(**{**values, **changes})


def grey(width_px: int, height_px: int) -> Planes:
    """A frame of 8-bit 4:2:0 in which every sample is 128."""
    sizes = HANDLED["yuv420p"].plane_sizes_px(width_px, height_px)
    return Planes(HANDLED["yuv420p"], tuple(np.full((height, width), 128, np.uint8) for width, height in sizes))
