"""The machine's own limit: the rate of a large matrix product in a precision, on all cores as the pipeline uses them.

A convolution is a matrix product over the pixels, so no network can be faster than this; every speed of `bench.speed`
is also given as a part of it.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import torch

from sr_core.inference.device import worker_count
from sr_core.types import Execution

_SIDE = 1024
_QUEUED = 16
"""Products between two looks at a GPU's clock."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_peak_flops(execution: Execution, *, seconds: float = 1.0) -> float:
    """FLOPs a second (2 a multiply-accumulate) of products of 1024×1024 matrices, or 8192×8192 on a GPU.

    One product a worker at a time, as many workers as the upscale stage has; on a CPU each on one thread.

    Args:
        execution: device and precision.
        seconds: how long to measure.
    """
    if execution.device == "cuda":
        return _gpu_peak(_DTYPES[execution.precision], seconds)
    workers = worker_count(execution)
    with ThreadPoolExecutor(workers, initializer=lambda: torch.set_num_threads(1)) as pool:
        rates = pool.map(lambda _: _rate(_DTYPES[execution.precision], seconds), range(workers))
        return sum(rates)


@torch.inference_mode()
def _rate(dtype: torch.dtype, seconds: float) -> float:
    left, right = (torch.randn(_SIDE, _SIDE).to(dtype) for _ in range(2))
    out = left @ right
    count, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        torch.mm(left, right, out=out)
        count += 1
    return 2.0 * _SIDE**3 * count / elapsed


@torch.inference_mode()
def _gpu_peak(dtype: torch.dtype, seconds: float) -> float:
    """By the GPU's own clock: the host queues products well ahead, so that its pace does not count."""
    side = 8 * _SIDE
    left, right = (torch.randn(side, side, device="cuda").to(dtype) for _ in range(2))
    out = left @ right
    begun, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    count, gpu_seconds = 0, 0.0
    torch.cuda.synchronize()
    while gpu_seconds < seconds:
        begun.record()
        for _ in range(_QUEUED):
            torch.mm(left, right, out=out)
        done.record()
        done.synchronize()
        gpu_seconds += begun.elapsed_time(done) / 1000
        count += _QUEUED
    return 2.0 * side**3 * count / gpu_seconds
