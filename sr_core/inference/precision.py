"""In which precision a network is run: the one asked for, or the fastest that is safe for it on this device."""

import time
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sr_core.errors import InputError
from sr_core.types import Device, Precision, Settings

WORTHWHILE_GAIN = 1.25
"""How many times as fast as fp32 bf16 must be to be worth its rounding. Measured: 2 on Zen 4, 0.5 on a Xeon of 2023
whose matrix unit (AMX) the hypervisor hides; so that chance does not decide."""
_FEATURES, _SIDE_PX, _RUNS = 64, 64, 5


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


@cache
@torch.inference_mode()
def bf16_gain() -> float:
    """How many times as fast as in fp32 this CPU convolves in bf16: the least processor time of several, in turns.

    Takes a few hundredths of a second, once in a process. Having the instructions says little: AVX-512's multiply as
    many numbers a cycle as fp32's on some processors and twice as many on others, the matrix unit's (AMX) eight times
    as many or more.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the pipeline works, and all that a thread's own clock sees
    try:
        convolutions = [_convolution(dtype) for dtype in (torch.float32, torch.bfloat16)]
        runs = [tuple(map(_seconds, convolutions)) for _ in range(1 + _RUNS)][1:]  # the first makes the kernels
    finally:
        torch.set_num_threads(threads)
    return min(fp32 for fp32, _ in runs) / min(bf16 for _, bf16 in runs)


def _convolution(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """An input and weights as the compact networks' inner layers have them."""
    pixels = torch.ones((1, _FEATURES, _SIDE_PX, _SIDE_PX), dtype=dtype)
    weights = torch.ones((_FEATURES, _FEATURES, 3, 3), dtype=dtype)
    return pixels.contiguous(memory_format=torch.channels_last), weights.contiguous(memory_format=torch.channels_last)


def _seconds(convolution: tuple[Tensor, Tensor]) -> float:
    """Of the processor, so that it counts for nothing if others want it, too."""
    pixels, weights = convolution
    started = time.thread_time()
    F.conv2d(pixels, weights, padding=1)
    return time.thread_time() - started
