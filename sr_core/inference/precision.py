"""In which precision a network is run: the one asked for, or the fastest that is safe for it on this device."""

import torch

from sr_core.errors import InputError
from sr_core.inference.gains import WORTHWHILE_GAIN, bf16_gain
from sr_core.types import Device, Precision, Settings


def choose_precision(
    settings: Settings, device: Device, *, safe: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
) -> Precision:
    """The precision asked for, or the fastest of the device that is `safe` for the network.

    fp16 on GPUs; bf16 on CPUs that have instructions for it, if those are faster, which is measured; else fp32.

    Raises InputError when the one asked for is not safe, or is bf16 on a GPU that does not compute it.
    """
    if settings.precision != "auto":
        if settings.precision not in safe:
            raise InputError(f"this network's result is wrong in {settings.precision}; choose one of {', '.join(safe)}")
        if settings.precision == "bf16" and device == "cuda" and not computes_bf16(device):
            raise InputError(f"{torch.cuda.get_device_name()} does not compute in bf16; use --precision fp16")
        return settings.precision
    if device == "cuda":
        return "fp16" if "fp16" in safe else "fp32"
    pays = "bf16" in safe and computes_bf16(device) and bf16_gain() >= WORTHWHILE_GAIN
    return "bf16" if pays else "fp32"


def computes_bf16(device: Device) -> bool:
    """Whether the device has instructions for it. A GPU older than compute capability 8.0 emulates it, far slower."""
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
    return supported
