"""Frames in, upscaled frames out: colour conversion, tiling, and the engine that runs a network over both.

With `models`, the only package that imports torch. It knows nothing of stores or stages.
"""

from sr_core.inference.device import choose_device, device_name
from sr_core.inference.own_kernels import why_none
from sr_core.inference.settling import settle
from sr_core.inference.upscaler import FrameUpscaler
from sr_core.inference.winograd import has_own_kernels

__all__ = ["FrameUpscaler", "choose_device", "device_name", "has_own_kernels", "settle", "why_none"]
