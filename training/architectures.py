"""Kinds of networks beside each other, by decibels and milliseconds: ``python -m training.architectures``.

Every candidate is fitted for the same number of steps to the same crops, then measured: luma PSNR on Set5, processor
time of a frame on one thread. Candidates come from what spandrel loads, so that whichever wins serves other tools too.
It decides nothing: it prints a table.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sr_core.heap import keep_freed_memory
from sr_core.models import measure, zoo
from sr_core.models.compact import Compact
from training.data import Pairs, load_pairs, reference_media
from training.evaluate import by_network, mean, score_folder
from training.initial import start_near_identity
from training.train import CHECKOUT, Config, State, train_step

FRAME = (1, 3, 240, 320)
"""Shape of the frame that is timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A kind of network and how it is fitted."""

    name: str
    build: Callable[[int], nn.Module]
    """From the scale."""
    learning_rate: float
    """At its highest: for the compact kind the one of its configurations, for the others that of their authors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a candidate."""

    name: str
    kmacs: float
    """Thousands of multiply-accumulates per input pixel."""
    parameters: int
    fp32_ms: float
    bf16_ms: float
    step_seconds: float
    """Of fitting, on one thread."""
    psnr_db: float


def _compact(features: int, convolutions: int) -> Callable[[int], nn.Module]:
    def build(scale: int) -> nn.Module:
        network = Compact(scale=scale, feature_count=features, conv_count=convolutions)
        start_near_identity(network)
        return network

    return build


def _span(features: int) -> Callable[[int], nn.Module]:
    """Wan et al., "Swift Parameter-free Attention Network for Efficient Super-Resolution", 2023."""

    def build(scale: int) -> nn.Module:
        zoo.stand_in_for_torchvision()
        from spandrel.architectures.SPAN.__arch.span import SPAN

        network: nn.Module = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=features, upscale=scale)
        return network

    return build


def _safmn(features: int, blocks: int) -> Callable[[int], nn.Module]:
    """Sun et al., "Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution", 2023."""

    def build(scale: int) -> nn.Module:
        zoo.stand_in_for_torchvision()
        from spandrel.architectures.SAFMN.__arch.safmn import SAFMN

        network: nn.Module = SAFMN(dim=features, n_blocks=blocks, upscaling_factor=scale)
        return network

    return build


CANDIDATES = (
    Candidate(name="compact 32×6", build=_compact(32, 6), learning_rate=2e-3),
    Candidate(name="compact 48×10", build=_compact(48, 10), learning_rate=1e-3),
    Candidate(name="SPAN 16", build=_span(16), learning_rate=5e-4),
    Candidate(name="SAFMN 24×4", build=_safmn(24, 4), learning_rate=1e-3),
)


def fit(candidate: Candidate, config: Config, pairs: Pairs) -> State[nn.Module]:
    """Trains it from the beginning, by the loop that made the shipped networks; the moving average is what counts."""
    config = config.model_copy(update={"learning_rate": candidate.learning_rate})
    torch.manual_seed(config.seed)
    network = candidate.build(config.scale).train()
    optimiser = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), betas=(0.9, 0.99))
    state = State(network=network, average=copy.deepcopy(network), optimiser=optimiser)
    started = time.process_time()
    while state.step < config.steps:
        train_step(state, config, pairs)
    state.seconds = time.process_time() - started
    return state


@torch.inference_mode()
def frame_ms(network: nn.Module, dtype: torch.dtype, *, repeats: int = 8) -> float:
    """Processor time of one frame in milliseconds, the least of several."""
    network = copy.deepcopy(network).eval().to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frame: Tensor = torch.rand(FRAME).to(dtype).contiguous(memory_format=torch.channels_last)
    network(frame)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        network(frame)
        times.append(time.process_time() - started)
    return min(times) * 1e3


def measured(candidate: Candidate, state: State[nn.Module], *, stills: Path, scale: int) -> Result:
    """Holds what was fitted against the stills, and times it."""
    network = state.average.eval()
    network.requires_grad_(requires_grad=False)
    return Result(
        name=candidate.name,
        kmacs=round(measure.count_macs(network) / 1e3, 1),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        fp32_ms=round(frame_ms(network, torch.float32), 1),
        bf16_ms=round(frame_ms(network, torch.bfloat16), 1),
        step_seconds=round(state.seconds / state.step, 3),
        psnr_db=round(mean(score_folder(stills, by_network(network), scale=scale)).psnr_db, 3),
    )


def main(arguments: list[str] | None = None) -> None:
    """Fits the candidates one after the other, and prints what came of them."""
    media = reference_media()
    parser = argparse.ArgumentParser(prog="python -m training.architectures", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="of fitting, for each (default: 2000)")
    parser.add_argument("--photos", type=Path, default=media / "photos", help=f"default: {media / 'photos'}")
    parser.add_argument("--stills", type=Path, default=media / "stills" / "set5", help="default: Set5")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    config = Config.model_validate_json((CHECKOUT / "training/configs/compact_x2.json").read_text())
    config = config.model_copy(update={"steps": options.steps})
    try:
        pairs = load_pairs(options.photos, scale=config.scale)
    except OSError as error:
        parser.error(str(error))
    print(f"x{config.scale}, {options.steps} steps; a frame of {FRAME[3]}×{FRAME[2]} on one thread\n")
    print("| network | kMAC a pixel | parameters | fp32 ms | bf16 ms | s a step | Set5 PSNR-Y, dB |")
    print("|---" * 7 + "|")
    results = []
    for candidate in CANDIDATES:
        state = fit(candidate, config, pairs)
        results.append(measured(candidate, state, stills=options.stills, scale=config.scale))
        print("| " + " | ".join(str(value) for value in asdict(results[-1]).values()) + " |", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
