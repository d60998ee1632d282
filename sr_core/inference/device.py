"""What this machine can run a network on, and the facts about it that can change a bit of the result."""

import os

import torch

from sr_core.errors import InputError
from sr_core.types import Device, Execution, Precision, Settings


def choose_device(settings: Settings) -> Device:
    """The device asked for, or the best there is. Raises InputError when the one asked for is not there."""
    has_cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not has_cuda:
        raise InputError("no CUDA device is available here; use --device cpu, or check `sr doctor`")
    if settings.device == "auto":
        return "cuda" if has_cuda else "cpu"
    return settings.device


def choose_precision(settings: Settings, device: Device) -> Precision:
    """The precision asked for, or the fastest that the device computes natively.

    fp16 on GPUs; bf16 on CPUs with AVX-512 BF16 or AMX, where it is about three times as fast; else fp32.
    """
    if settings.precision != "auto":
        return settings.precision
    if device == "cuda":
        return "fp16"
    return "bf16" if _cpu_computes_bf16() else "fp32"


def worker_count(execution: Execution) -> int:
    """How many frames to work on at once: on a CPU one per core, each on one thread, so that none waits for another."""
    return len(os.sched_getaffinity(0)) if execution.device == "cpu" else 1


def device_name(device: Device) -> str:
    """The GPU's name, or the CPU's widest vector instructions that torch uses."""
    return torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()


def fingerprint(execution: Execution) -> tuple[tuple[str, str], ...]:
    """Everything on the torch side that can change a bit of the result."""
    hardware = device_name(execution.device)
    return (
        ("torch", torch.__version__),
        ("device", f"{execution.device} {hardware}"),
        ("precision", execution.precision),
        ("tile_px", str(execution.tile_px)),
        ("batch_frames", str(execution.batch_frames)),
    )


def _cpu_computes_bf16() -> bool:
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
    return supported
