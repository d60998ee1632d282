"""What this machine can run a network on, and the facts about it that can change a bit of the result."""

import torch

from sr_core.cores import core_count
from sr_core.errors import InputError, TransientError
from sr_core.inference.fused import fused_builds
from sr_core.inference.numerics import gpu_builds
from sr_core.inference.winograd import winograd_builds
from sr_core.types import Device, Execution, Settings


def choose_device(settings: Settings) -> Device:
    """The device asked for, or the best there is. Raises InputError when the one asked for is not there."""
    if settings.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available here; see `sr doctor`, or take --device cpu")
    return settings.device


def check_planned_device(device: Device) -> None:
    """Raises TransientError when a plan's device does not answer: the plan is right, and another machine's may."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TransientError("the job is planned for a GPU, and none answers here (see `sr doctor`); start it again")


_GPU_WORKERS = 3
"""Frames in flight on a GPU: one comes back, one is computed, one waits for its turn."""


def worker_count(execution: Execution) -> int:
    """How many frames to work on at once: on a CPU one per core, each on one thread, so that none waits for another."""
    return core_count() if execution.device == "cpu" else _GPU_WORKERS


def device_name(device: Device) -> str:
    """The GPU's name, or the CPU's widest vector instructions that torch uses."""
    return torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()


def fingerprint(execution: Execution, *, tile_px: int | None, has_redone: bool = False) -> tuple[tuple[str, str], ...]:
    """Everything from planes to upscaled planes that can change a bit of the result, and no more.

    Args:
        execution: what was planned.
        tile_px: the tile in use: on a GPU another shape may take another kernel.
        has_redone: whether a frame was computed again in fp32, which torch does, whatever kernels were planned.
    """
    if execution.kernels == "winograd" and not has_redone:
        return winograd_builds()
    hardware = device_name(execution.device)
    return (
        ("torch", torch.__version__),
        ("device", f"{execution.device} {hardware}"),
        ("precision", execution.precision),
        ("tile_px", str(tile_px if execution.device == "cuda" else execution.tile_px)),
        ("batch_frames", str(execution.batch_frames)),
        *(gpu_builds() if execution.device == "cuda" else ()),
        *(fused_builds() if execution.kernels == "fused" else ()),
        *(winograd_builds() if execution.kernels == "winograd" else ()),
    )
