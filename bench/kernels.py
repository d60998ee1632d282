"""Each fused kernel on a GPU beside what torch does instead: ``python -m bench.kernels [--precision fp16|bf16]``.

Claims nothing. It says where `bench.speed`'s figures come from: for the layers of the usual network (64 features) on
one 960×540 frame, with tiles of either height, and for the planes of its 3840×2160 result. *of peak* is the arithmetic
that the network asks for (zeros that fill channels up do not count) against the machine's matrix-product rate.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import nn

from bench.machine import describe, machine
from bench.peak import matrix_peak_flops
from sr_core.errors import InputError
from sr_core.inference.color import rgb_to_planes
from sr_core.inference.cuda_driver import load
from sr_core.inference.device import choose_device
from sr_core.inference.fused_planes import fuse_planes
from sr_core.inference.layer_kernels import (
    DTYPES,
    THREADS,
    HalfPrecision,
    Layer,
    packed_weights,
    padded,
    rows_for,
    source,
)
from sr_core.inference.numerics import settle_gpu_numerics
from sr_core.inference.nvrtc import compile_cuda
from sr_core.inference.precision import computes_bf16
from sr_core.inference.steps import Format
from sr_core.models.compact import Compact
from sr_core.types import ColorInfo, Execution, Settings

SIZE_PX = (540, 960)
"""Height and width."""
SCALE = 4
_ROWS = (2, 4)
_RUNS = 20
_OUTPUT = Format("420", 8, ColorInfo(matrix="bt709", range="limited", primaries=1, transfer=1))
HEADER = f"{'what':<34} {'rows':>5} {'ms':>8} {'TFLOPS':>8} {'of peak':>8} {'GB/s':>7}"


def gpu_seconds(call: Callable[[], object]) -> float:
    """Of a call among several that are queued at once, by the GPU's own clock, after one that is not counted."""
    call()
    begun, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begun.record()
    for _ in range(_RUNS):
        call()
    done.record()
    done.synchronize()
    return float(begun.elapsed_time(done)) / 1000 / _RUNS


def line(what: str, rows: int | None, seconds: float, *, flops: float, moved_bytes: float, peak_flops: float) -> str:
    """One of the table."""
    tiles = "" if rows is None else str(rows)
    return (
        f"{what:<34} {tiles:>5} {seconds * 1e3:8.3f} {flops / seconds / 1e12:8.1f} "
        f"{flops / seconds / peak_flops:8.1%} {moved_bytes / seconds / 1e9:7.0f}"
    )


@torch.inference_mode()
def measure(precision: HalfPrecision, peak_flops: float) -> None:
    """Prints the lines of one precision."""
    torch.manual_seed(0)
    network = Compact(scale=SCALE).cuda().to(DTYPES[precision]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own_rows = rows_for(torch.cuda.get_device_capability())
    for what, number, last in (("first layer", 0, False), ("inner layer", 2, False), ("last layer", -1, True)):
        conv, activation = network.body[number], None if last else network.body[number + 1]
        assert isinstance(conv, nn.Conv2d)
        flops = 2.0 * conv.weight.numel() * SIZE_PX[0] * SIZE_PX[1]
        for rows in _ROWS:
            layer = Layer(precision, padded(conv.in_channels), padded(conv.out_channels), rows, SCALE if last else 0)
            seconds, moved = _fused(layer, conv)
            note = " *" if rows == own_rows else ""
            print(
                line(
                    f"{what}, {precision}, fused{note}",
                    rows,
                    seconds,
                    flops=flops,
                    moved_bytes=moved,
                    peak_flops=peak_flops,
                )
            )
        seconds, moved = _torchs(conv, activation)
        print(line(f"{what}, {precision}, torch", None, seconds, flops=flops, moved_bytes=moved, peak_flops=peak_flops))


def _fused(layer: Layer, conv: nn.Conv2d) -> tuple[float, float]:
    """Seconds, and bytes that must be moved."""
    height, width = SIZE_PX
    major, minor = torch.cuda.get_device_capability()
    kernel = load(compile_cuda(source([layer]), architecture=f"sm_{major}{minor}"), [layer.name])[layer.name]
    kernel.divide_memory(threads=THREADS, shared_bytes=layer.shared_bytes)
    features = torch.rand((1, height, width, layer.inputs), device="cuda").to(DTYPES[layer.precision])
    weights = packed_weights(conv.weight.cpu(), layer).cuda()
    numbers = torch.rand(layer.outputs, device="cuda")
    other = torch.rand((1, height, width, 3), device="cuda") if layer.scale else numbers
    result = (
        torch.empty((1, 3, height * layer.scale, width * layer.scale), device="cuda")
        if layer.scale
        else torch.empty((1, height, width, layer.outputs), dtype=features.dtype, device="cuda")
    )
    arguments = (features, weights, numbers, other, result, height, width)
    grid = layer.grid(1, height, width)
    seconds = gpu_seconds(lambda: kernel(arguments, grid=grid, threads=THREADS, shared_bytes=layer.shared_bytes))
    return seconds, float(features.nbytes + result.nbytes + (other.nbytes if layer.scale else 0))


def _torchs(conv: nn.Conv2d, activation: nn.Module | None) -> tuple[float, float]:
    """The same of what torch does, without pixel shuffle and skip, and without what its own passes move."""
    size = (1, conv.in_channels, *SIZE_PX)
    features = torch.rand(size, device="cuda").to(conv.weight.dtype).contiguous(memory_format=torch.channels_last)
    result = conv(features)
    seconds = gpu_seconds(lambda: conv(features) if activation is None else activation(conv(features)))
    return seconds, float(features.nbytes + result.nbytes)


@torch.inference_mode()
def measure_planes(peak_flops: float) -> None:
    """Prints the lines of RGB to planes."""
    rgb = torch.rand((1, 3, SIZE_PX[0] * SCALE, SIZE_PX[1] * SCALE), device="cuda")
    fused = fuse_planes(_OUTPUT, torch.device("cuda"))
    assert fused is not None
    moved = rgb.nbytes * (1 + 1 / 8)
    chroma, bit_depth, color = _OUTPUT
    for name, call in (
        ("fused", lambda: fused(rgb)),
        ("torch", lambda: rgb_to_planes(rgb, chroma=chroma, bit_depth=bit_depth, color=color)),
    ):
        print(
            line(f"RGB to planes, {name}", None, gpu_seconds(call), flops=0, moved_bytes=moved, peak_flops=peak_flops)
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 64 when there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--precision", action="append", choices=get_args(HalfPrecision), help="may be repeated (both)")
    options = parser.parse_args(arguments)
    try:
        choose_device(Settings(device="cuda"))
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    settle_gpu_numerics()
    print(describe(machine("cuda")))
    print(HEADER, flush=True)
    peak = 1.0
    for precision in options.precision or get_args(HalfPrecision):
        if precision == "bf16" and not computes_bf16("cuda"):
            print("bf16: left out, this GPU does not compute it")
            continue
        execution = Execution(device="cuda", precision=precision, tile_px=None, halo_px=0, batch_frames=1)
        peak = matrix_peak_flops(execution)
        measure(precision, peak)
    measure_planes(peak)
    print("*: as a job has it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
