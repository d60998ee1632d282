"""Where a frame's time goes: ``python -m bench.parts [--model NAME|PATH] [--kernels torch] [--size WxH]``.

Processor time of one thread, as a worker on a CPU has it, for each part of a frame's way from planes to planes; the
best of several runs. Parts run one by one; the whole network stands beside them.
"""

import argparse
import copy
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.machine import describe, machine
from sr_core.heap import keep_freed_memory
from sr_core.inference.conversion import Conversion, TorchConversion
from sr_core.inference.own_planes import own_conversion
from sr_core.inference.settling import settle
from sr_core.inference.steps import Format
from sr_core.inference.winograd import WinogradCompact
from sr_core.inference.winograd_library import Library, library
from sr_core.models.catalogue import recommended, shipped
from sr_core.models.compact import Compact
from sr_core.models.describe import describe as describe_model
from sr_core.models.loading import load
from sr_core.types import ColorInfo, Settings

_FORMAT = Format("420", 8, ColorInfo(matrix="bt709", range="limited", primaries=1, transfer=1))
_BY_WINOGRAD = {"first layer": "convolve_planes", "inner layers": "convolve", "last layer": "enlarge"}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def thread_seconds(work: Callable[[], object], *, runs: int = 7) -> float:
    """Least processor time of the calling thread over some runs, after one that does not count."""
    work()
    best = float("inf")
    for _ in range(runs):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best


@torch.inference_mode()
def parts_by_winograd(network: Compact, planes: Sequence[Tensor], found: Library) -> dict[str, float]:
    """The same as `parts_of` by Winograd's kernels, and colours by theirs; of the best of several runs.

    A layer's activation, and the last one's skip and pixel shuffle, are not apart.
    """
    seconds: dict[str, float] = defaultdict(float)

    def timed(part: str, work: Callable[..., None]) -> Callable[..., None]:
        def working(*arguments: object, **named: object) -> None:
            started = time.thread_time()
            work(*arguments, **named)
            seconds[part] += time.thread_time() - started

        return working

    told = copy.copy(found)
    for part, name in _BY_WINOGRAD.items():
        setattr(told, name, timed(part, getattr(found, name)))
    conversion = own_conversion(*_FORMAT)
    made, rgb = WinogradCompact(network, told), conversion.rgb(planes)
    result, best = made(rgb), {"network, whole": float("inf")}
    for _ in range(7):
        seconds.clear()
        started = time.thread_time()
        made(rgb)
        seconds["network, whole"] = time.thread_time() - started
        best = min(best, dict(seconds), key=lambda run: run["network, whole"])
    return best | _around(conversion, planes, result)


def _around(conversion: Conversion, planes: Sequence[Tensor], result: Tensor) -> dict[str, float]:
    """What is done before the network, and with what it gave."""
    return {
        "planes to RGB": thread_seconds(lambda: conversion.rgb(planes)),
        "looking for values that are not finite": thread_seconds(lambda: result.sum()),
        "RGB to planes": thread_seconds(lambda: conversion.planes(result)),
    }


@torch.inference_mode()
def parts_of(network: Compact, planes: Sequence[Tensor], dtype: torch.dtype) -> dict[str, float]:
    """Seconds by part, for one 4:2:0 frame of 8 bits.

    Args:
        network: fp32; converted here.
        planes: uint8 (1, height, width) each.
    """
    network = network.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds: dict[str, float] = defaultdict(float)

    def timed(part: str, work: Callable[[], Tensor]) -> Tensor:
        seconds[part] += thread_seconds(work)
        return work()

    conversion = TorchConversion(*_FORMAT)
    rgb = timed("planes to RGB", lambda: conversion.rgb(planes))
    batch = rgb.contiguous(memory_format=torch.channels_last)
    out = timed("to channels_last and the network's precision", lambda: batch.to(dtype))
    last = len(network.body) - 1
    for index, layer in enumerate(network.body):
        is_conv = isinstance(layer, nn.Conv2d)
        name = {0: "first convolution", last: "last convolution"}.get(index, "inner convolutions")
        out = timed(name if is_conv else "activations", lambda layer=layer, out=out: layer(out))  # type: ignore[misc]
    whole = thread_seconds(lambda: network(batch))
    result = network(batch)
    seconds["skip and pixel shuffle"] = max(0.0, whole - sum(seconds.values()) + seconds["planes to RGB"])
    seconds["network, whole"] = whole
    seconds |= _around(conversion, planes, result)
    return dict(seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    spec = describe_model(options.model)
    network = load(spec, None if options.model in shipped() else Path(options.model))
    if not isinstance(network, Compact):
        print(f"{spec.name} is not a compact network: only those are taken apart")
        return 1
    width, height = map(int, options.size.split("x"))
    chosen = settle(Settings(device="cpu", kernels=options.kernels), spec)
    precision, found = chosen.precision, library() if chosen.kernels == "winograd" else None
    sizes = ((height, width), *2 * (((height + 1) // 2, (width + 1) // 2),))
    planes = [torch.randint(0, 256, (1, *size), dtype=torch.uint8) for size in sizes]
    seconds = parts_by_winograd(network, planes, found) if found else parts_of(network, planes, _DTYPES[precision])
    whole = seconds["network, whole"] + seconds["planes to RGB"] + seconds["RGB to planes"]
    print(describe(machine()))
    print(f"{Path(spec.name).stem} x{spec.scale}, {width}×{height}, {precision} by {chosen.kernels}, one thread")
    flops = 2.0 * spec.macs_per_pixel * width * height
    for part, each in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{part:<46} {each * 1e3:9.2f} ms  {each / whole:6.1%}")
    print(f"{flops / seconds['network, whole'] / 1e9:.0f} GFLOPS/s in the network")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.parts", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=recommended(None), metavar="NAME|PATH", help="(%(default)s)")
    parser.add_argument("--kernels", default="auto", choices=["auto", "torch", "winograd"], help="(%(default)s)")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="(%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
