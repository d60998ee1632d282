"""How many times as fast as by torch in fp32 this CPU convolves in other ways: measured, once in a process.

Having instructions says little. AVX-512's multiply as many numbers a cycle in bf16 as in fp32 on some processors and
twice as many on others, the matrix unit's (AMX) eight times as many or more; Winograd's kernels are compiled or not.
"""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd_library import Pixels, library

WORTHWHILE_GAIN = 1.25
"""How many times as fast another way must be to be worth its rounding, so that chance does not decide. Measured: bf16
2 on Zen 4, 0.5 on a Xeon of 2023 whose matrix unit (AMX) the hypervisor hides; Winograd's kernels 2.6 there."""
_FEATURES, _SIDE_PX, _RUNS = 64, 64, 5
"""As the compact networks' inner layers have them; so large a picture that a layer is not all overhead."""


@cache
@torch.inference_mode()
def bf16_gain() -> float:
    """Of convolutions in bf16: the least processor time of several, in turns. Takes a few hundredths of a second."""
    return _gain(_by_torch(torch.bfloat16))


@cache
@torch.inference_mode()
def winograd_gain() -> float:
    """Of Winograd's kernels, with bias and activation; 0 where there are none for this CPU. Takes as long."""
    found = library()
    if found is None:
        return 0.0
    layer = found.layer(torch.ones((_FEATURES, _FEATURES, 3, 3)), None, torch.ones(_FEATURES))
    whole = Rectangle(0, _SIDE_PX, 0, _SIDE_PX)
    picture, result = (Pixels(torch.ones((_SIDE_PX, _SIDE_PX, _FEATURES)), whole) for _ in range(2))
    return _gain(lambda: found.convolve(layer, picture, result, grid=0))


def _gain(other: Callable[[], object]) -> float:
    usual = _by_torch(torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the pipeline works, and all that a thread's own clock sees
    try:
        runs = [(_seconds(usual), _seconds(other)) for _ in range(1 + _RUNS)][1:]  # the first makes the kernels
    finally:
        torch.set_num_threads(threads)
    return min(seconds for seconds, _ in runs) / min(seconds for _, seconds in runs)


def _by_torch(dtype: torch.dtype) -> Callable[[], Tensor]:
    pixels = torch.ones((1, _FEATURES, _SIDE_PX, _SIDE_PX), dtype=dtype).contiguous(memory_format=torch.channels_last)
    weights = torch.ones((_FEATURES, _FEATURES, 3, 3), dtype=dtype).contiguous(memory_format=torch.channels_last)
    return lambda: F.conv2d(pixels, weights, padding=1)


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that it counts for nothing if others want it, too."""
    started = time.thread_time()
    work()
    return time.thread_time() - started
