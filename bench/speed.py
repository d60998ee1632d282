"""Speed beside the loop that scripts use and beside the machine's limit: ``python -m bench.speed [--json FILE]``.

For each network and size, on the same frames (bikes, scaled), with the same encoder settings, in one run:

- plain: `bench.plain_loop`, the usual script: fp32, frame by frame, numpy, a pipe to ffmpeg;
- model: the network alone, frames decoded beforehand, nothing reused; as a part of the machine's matrix-product rate;
- codec: decoding and encoding without a network;
- stage: `sr upscale` from the chunk file to the receipts; beside what model and codec allow, and beside the plain loop.

On a CPU model and codec share the cores, so they allow 1 / (1/model + 1/codec); on a GPU the lesser of the two. The
rounds take the four in turn; figures are medians of the quiet rounds (`bench.rounds`). The number of frames follows
from what a frame costs (`--work`).

``--device cuda`` measures, unless told otherwise, the usual size of compact networks (64 features, 16 inner
convolutions), in fp16 and bf16, on 960×540 for x4 and 1920×1080 for x2, by torch's layers and by fused ones, and ends
with 1 when what is claimed of a GPU (`bench.speeds.GPU_CLAIM`) does not hold for the faster of the two. No such network
ships, so its weights are random: speed does not depend on them. They are small in the last layer, so that the encoder
gets a picture and not noise.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file

from bench.clips import reference_clip, reference_media, write_clip
from bench.job import CRF, Job, wait_for_quiet
from bench.machine import describe, machine, write_results
from bench.peak import matrix_peak_flops
from bench.plain_loop import network_of, plain_seconds
from bench.speeds import HEADER, Speed, SpeedRound, fastest
from sr_core.errors import InputError
from sr_core.inference import choose_device
from sr_core.inference.precision import computes_bf16
from sr_core.models.catalogue import shipped
from sr_core.models.compact import Compact
from sr_core.models.describe import describe as describe_model
from sr_core.models.loading import load
from sr_core.types import Device, Kernels, Settings

SIZES_PX = ("320x180", "640x360", "1280x720", "1920x1080")
RANDOM = {"random-x2": 2, "random-x4": 4}
"""Names for networks of the usual size with random weights, and their scales."""
GPU_CASES = (("random-x4", "960x540"), ("random-x2", "1920x1080"))
GPU_PRECISIONS = ("fp16", "bf16")
_FEWEST_FRAMES = 4
_MOST_FRAMES: dict[Device, int] = {"cpu": 96, "cuda": 480}
"""They are held in memory; on a GPU more are needed to see past the start of a stage, which takes seconds."""
_MOST_BYTES, _BYTES_PER_PX = 3e9, 1.5
"""Of upscaled frames, 4:2:0 in 8 bits, beside two processes that use a GPU: the smallest GPU machine has 16 GiB."""
_PLAIN_FEWER = 4
"""The plain loop runs on so many times fewer frames: it has no start-up worth speaking of beside its frames."""


def frame_count(
    flops_per_frame: float, flops_per_second: float, work_seconds: float, *, output_px: int, device: Device = "cpu"
) -> int:
    """Frames of `output_px` pixels that take the network about `work_seconds`, within bounds of number and memory."""
    most = min(_MOST_FRAMES[device], int(_MOST_BYTES / (_BYTES_PER_PX * output_px)))
    return max(_FEWEST_FRAMES, min(most, round(work_seconds * flops_per_second / flops_per_frame)))


def random_network(folder: Path, name: str) -> Path:
    """Writes the network that a name of RANDOM means."""
    torch.manual_seed(0)
    network = Compact(scale=RANDOM[name])
    state = network.state_dict()
    last = f"body.{len(network.body) - 1}"
    for tensor in (state[f"{last}.weight"], state[f"{last}.bias"]):
        tensor.mul_(0.01)
    path = folder / f"{name}.safetensors"
    save_file(state, path)
    return path


def measure(
    model: str,
    size_px: tuple[int, int],
    *,
    device: Device,
    precision: str,
    kernels: str,
    preset: str,
    work_seconds: float,
    rounds: int,
    wait_seconds: float,
) -> Speed | None:
    """Measures one network on frames of one size; None where a single frame takes longer than `work_seconds`."""
    with tempfile.TemporaryDirectory(prefix="sr-bench-") as temporary:
        folder = Path(temporary)
        if model in RANDOM:
            model = str(random_network(folder, model))
        spec, weights = describe_model(model), None if model in shipped() else Path(model)
        network = load(spec, weights)
        asked = {"model": model, "device": device, "precision": precision, "kernels": kernels}
        settings = Settings.model_validate(asked)
        probe = Job.describe_execution(settings)
        peak = matrix_peak_flops(probe, seconds=0.5)
        flops = 2.0 * spec.macs_per_pixel * size_px[0] * size_px[1]
        if flops / peak > work_seconds:
            return None
        output_px = size_px[0] * size_px[1] * spec.scale**2
        frames = frame_count(flops, peak, work_seconds, output_px=output_px, device=device)
        clip = write_clip(folder / "clip.mp4", reference_clip("bikes.mp4"), frames=frames, size_px=size_px, scale=True)
        job = Job(clip, folder, preset=preset, model=model, device=device, precision=precision, kernels=kernels)
        origin = network_of(network)[1] if isinstance(network, Compact) else "sr_core"
        plain_frames = max(2, frames // _PLAIN_FEWER)
        taken = []
        for _ in range(rounds):
            wait_for_quiet(wait_seconds)
            taken.append(
                SpeedRound(
                    peak_flops=matrix_peak_flops(probe, seconds=0.5),
                    plain_fps=plain_frames
                    / plain_seconds(
                        clip,
                        folder / "plain.mp4",
                        model,
                        frames=plain_frames,
                        crf=CRF,
                        preset=preset,
                        device=probe.device,
                    ),
                    model=job.model_run(reuse=False)[0],
                    codec=job.codec_run(),
                    stage=job.stage_run(reuse=True)[0],
                )
            )
    return Speed(
        network=Path(spec.name).name,
        width_px=size_px[0],
        height_px=size_px[1],
        scale=spec.scale,
        frames=frames,
        preset=preset,
        device=probe.device,
        precision=probe.precision,
        kernels=probe.kernels,
        flops_per_frame=flops,
        plain_network=origin,
        rounds=tuple(taken),
    )


def default_models() -> list[str]:
    """Every network that ships, then the reference weights that are there."""
    weights = reference_media() / "weights"
    return [*shipped(), *(str(path) for path in sorted(weights.glob("*.pth")))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when the claim does not hold, and 64 when there is no such device."""
    options = _parser().parse_args(arguments)
    try:
        device = choose_device(Settings(device=options.device))
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    facts = machine(device)
    print(describe(facts))
    print(HEADER, flush=True)
    speeds = []
    for model, size, precision, kernels in _cases(options, device):
        width, height = map(int, size.split("x"))
        speed = measure(
            model,
            (width, height),
            device=device,
            precision=precision,
            kernels=kernels,
            preset=options.preset,
            work_seconds=options.work,
            rounds=options.rounds,
            wait_seconds=options.wait,
        )
        if speed is None:
            print(f"{Path(model).stem:<28} {size}: skipped, a frame takes more than {options.work:g} s", flush=True)
            continue
        print(speed.line(), flush=True)
        speeds.append(speed)
    problems = [problem for speed in fastest(speeds) for problem in speed.problems()]
    for problem in problems:
        print(f"DOES NOT HOLD: {problem}")
    if options.json:
        results = [{**asdict(each), **each.figures()} for each in speeds]
        write_results(options.json, facts, {"speeds": results, "problems": problems})
    return 1 if problems else 0


_GPU_KERNELS: tuple[Kernels, ...] = ("torch", "fused")


def _cases(options: argparse.Namespace, device: Device) -> list[tuple[str, str, str, str]]:
    """What is measured: network, size, precision, kernels."""
    kernels = options.kernels or (_GPU_KERNELS if device == "cuda" and not options.model else ["auto"])
    precisions = options.precision or (GPU_PRECISIONS if device == "cuda" else ["auto"])
    if device == "cuda" and not options.model and not options.size:
        pairs = list(GPU_CASES)
    else:
        pairs = list(product(options.model or default_models(), options.size or SIZES_PX))
    if device == "cuda" and not computes_bf16(device):
        print("bf16: left out, this GPU does not compute it", flush=True)
        precisions = [each for each in precisions if each != "bf16"]
    return [(*pair, precision, each) for pair, precision, each in product(pairs, precisions, kernels)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(%(default)s)")
    parser.add_argument(
        "--model", action="append", metavar="NAME|PATH", help=f"or {' or '.join(RANDOM)}; may be repeated (all)"
    )
    parser.add_argument(
        "--precision", action="append", choices=["fp32", "bf16", "fp16"], help="may be repeated (the usual)"
    )
    parser.add_argument(
        "--kernels", action="append", choices=get_args(Kernels), help="may be repeated (the usual; on a GPU both)"
    )
    parser.add_argument("--size", action="append", metavar="WxH", help=f"may be repeated ({', '.join(SIZES_PX)})")
    parser.add_argument("--preset", default="veryfast", metavar="P", help="of the encoder (%(default)s)")
    parser.add_argument("--work", type=float, default=8, metavar="S", help="network seconds a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="for quiet before a round (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
