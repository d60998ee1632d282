"""Frames in, upscaled frames out: colour conversion, tiling, and the engine that runs a network over both.

With `models`, the only package that imports torch. It knows nothing of stores or stages.
"""

from sr_core.inference.device import choose_device, device_name
from sr_core.inference.precision import choose_precision
from sr_core.inference.upscaler import FrameUpscaler

__all__ = ["FrameUpscaler", "choose_device", "choose_precision", "device_name"]
