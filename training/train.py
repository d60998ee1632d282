"""Fits the compact network to a folder of photographs: ``python -m training.train --config CONFIG --out RUN``.

Owns the loop: loss, optimiser, learning rate, moving average, checkpoint, log. The same command goes on from the last
checkpoint, and ends in the same state as a run that was never stopped (on one machine, with one number of threads).
It knows nothing of files that ship: `export` writes them.
"""

import argparse
import copy
import json
import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from sr_core.models.compact import Compact
from training.compress import VideoDegradation
from training.data import Pairs, draw_batch, load_pairs, load_video_pairs, reference_media
from training.degrade import sharpened
from training.evaluate import by_network, mean, score_folder
from training.initial import start_near_identity, take_over
from training.pictures import curve, read_log

CHECKOUT = Path(__file__).resolve().parents[1]
NetworkT = TypeVar("NetworkT", bound=nn.Module)


class Config(BaseModel):
    """Everything that decides what the network becomes, but for the photographs. Read from a JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Literal[2, 3, 4]
    feature_count: int = Field(gt=0)
    conv_count: int = Field(ge=0)
    seed: int = Field(ge=0)
    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    crop_px: int = Field(gt=0)
    """Side of a crop in low-resolution pixels."""
    recolour: float = Field(ge=0, le=1)
    """Probability that a crop's colours are exchanged for others."""
    learning_rate: float = Field(gt=0)
    """At its highest: it rises in `warmup_steps`, then falls to zero along half a cosine."""
    warmup_steps: int = Field(ge=0)
    ema_decay: float = Field(ge=0, lt=1)
    """Of the moving average of the weights, which is what is measured and exported."""
    charbonnier_epsilon: float = Field(gt=0)
    """In units of [0, 1]: the loss is quadratic well below it and linear well above."""
    bf16: bool
    """Whether the network's activations are bfloat16 in training; weights, loss and optimiser stay fp32."""
    degradation: VideoDegradation | None = None
    """How the photographs are made small; None: reduced by antialiased bicubic and nothing else."""
    sharpen: float = Field(default=0, ge=0)
    """Unsharp masking of the targets: how much of what a Gaussian takes away is added to them."""
    sharpen_sigma_px: float = Field(default=1, gt=0)
    """Of that Gaussian, in high-resolution pixels."""
    initial: str | None = None
    """Path, from the checkout, of a network to grow from (`initial.take_over`); None begins afresh."""


@dataclass(kw_only=True)
class State(Generic[NetworkT]):
    """What a checkpoint holds. Batches are drawn by seed and step, so that there is no random state to keep."""

    network: NetworkT
    average: NetworkT
    optimiser: torch.optim.Adam
    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time spent, over all runs, in training and measuring."""


def read_pairs(config: Config, photos: Path, *, out: Path) -> Pairs:
    """The pairs that the configuration asks for; encoded ones are kept in the folder of the run."""
    if config.degradation is None:
        return load_pairs(photos, scale=config.scale)
    out.mkdir(parents=True, exist_ok=True)
    cache = out / "pairs.safetensors"
    return load_video_pairs(photos, config.degradation, scale=config.scale, seed=config.seed, cache=cache)


def begin(config: Config) -> State[Compact]:
    """Makes the state before the first step; the weights follow from the seed alone."""
    torch.manual_seed(config.seed)
    network = Compact(scale=config.scale, feature_count=config.feature_count, conv_count=config.conv_count)
    start_near_identity(network)
    if config.initial is not None:
        take_over(network, load_file(CHECKOUT / config.initial))
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return State(network=network, average=average, optimiser=optimiser)


def learning_rate(config: Config, step: int) -> float:
    """The learning rate of one step, counted from zero."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def charbonnier(output: Tensor, target: Tensor, *, epsilon: float) -> Tensor:
    """The mean of √(error² + ε²), a scalar (Charbonnier et al., 1994)."""
    return torch.sqrt((output - target).square() + epsilon**2).mean()


def train_step(state: State[NetworkT], config: Config, pairs: Pairs) -> float:
    """Does one step, in place; returns its loss."""
    low, high = draw_batch(
        pairs,
        size=config.batch_size,
        crop_px=config.crop_px,
        recolour=config.recolour,
        seed=config.seed,
        step=state.step,
    )
    if config.sharpen:
        high = sharpened(high, amount=config.sharpen, sigma_px=config.sharpen_sigma_px)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(config, state.step)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        output = state.network(low.contiguous(memory_format=torch.channels_last))
    loss = charbonnier(output.float(), high, epsilon=config.charbonnier_epsilon)
    state.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    state.step += 1
    decay = min(config.ema_decay, state.step / (state.step + 10))
    with torch.no_grad():
        for kept, new in zip(state.average.parameters(), state.network.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
    return loss.item()


def save(state: State[Compact], config: Config, path: Path) -> None:
    """Writes a checkpoint; the one before stays whole until the new one is."""
    checkpoint = {
        "config": config.model_dump(),
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
    }
    partial = path.with_suffix(".partial")
    torch.save(checkpoint, partial)
    partial.replace(path)


def load(path: Path) -> tuple[State[Compact], Config]:
    """Reads a checkpoint."""
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    config = Config.model_validate(checkpoint["config"])
    state = begin(config.model_copy(update={"initial": None}))  # all of it is replaced
    state.network.load_state_dict(checkpoint["network"])
    state.average.load_state_dict(checkpoint["average"])
    state.optimiser.load_state_dict(checkpoint["optimiser"])
    state.step, state.seconds = checkpoint["step"], checkpoint["seconds"]
    return state, config


def resume_or_begin(config: Config, checkpoint: Path) -> State[Compact]:
    """Goes on from the checkpoint if there is one. Raises ValueError when it was made with another configuration."""
    if not checkpoint.exists():
        return begin(config)
    state, made_with = load(checkpoint)
    if made_with != config:
        changed = ", ".join(name for name, value in config if value != getattr(made_with, name))
        raise ValueError(f"{checkpoint} was made with another configuration ({changed}): choose another --out folder")
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line of the log."""

    step: int
    seconds: float
    """Spent in training and measuring so far."""
    learning_rate: float
    loss: float
    """Mean over the steps since the line before."""
    psnr_db: float | None
    """Of the moving average on the stills, luma; None without stills."""


def train(
    config: Config, pairs: Pairs, out: Path, *, stills: Path | None, save_every: int, stop_at: int | None = None
) -> State[Compact]:
    """Trains to the last step, with a checkpoint and a line in ``log.jsonl`` every `save_every` steps.

    With `stop_at` it ends at that step already, in the midst of the schedule.

    Raises ValueError when `out` holds a checkpoint of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = resume_or_begin(config, out / "checkpoint.pt")
    losses: list[float] = []
    started = time.monotonic() - state.seconds
    last = config.steps if stop_at is None else min(stop_at, config.steps)
    while state.step < last:
        losses.append(train_step(state, config, pairs))
        if state.step % save_every == 0 or state.step == last:
            scores = score_folder(stills, by_network(state.average), scale=config.scale) if stills else None
            state.seconds = time.monotonic() - started
            progress = Progress(
                step=state.step,
                seconds=round(state.seconds, 1),
                learning_rate=round(learning_rate(config, state.step), 6),
                loss=round(math.fsum(losses) / len(losses), 6),
                psnr_db=round(mean(scores).psnr_db, 3) if scores else None,
            )
            losses.clear()
            save(state, config, out / "checkpoint.pt")
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(asdict(progress)) + "\n")
            print("  ".join(f"{field.name} {getattr(progress, field.name)}" for field in fields(progress)), flush=True)
    return state


def main(arguments: list[str] | None = None) -> None:
    """Trains a compact network, or goes on where the same command was stopped."""
    media = reference_media()
    parser = argparse.ArgumentParser(prog="python -m training.train", description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True, help="such as training/configs/compact_x2.json")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and the log")
    parser.add_argument("--photos", type=Path, default=media / "photos", help=f"default: {media / 'photos'}")
    parser.add_argument(
        "--stills", type=Path, default=media / "stills" / "set5", help="measured if there (default: Set5)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints (default: 500)")
    parser.add_argument("--stop-at", type=int, metavar="STEP", help="stop there in a longer schedule")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        config = Config.model_validate_json(options.config.read_text())
        pairs = read_pairs(config, options.photos, out=options.out)
        stills = options.stills if options.stills.is_dir() else None
        train(config, pairs, options.out, stills=stills, save_every=options.save_every, stop_at=options.stop_at)
        points = read_log(options.out / "log.jsonl")
        if len(points) > 1:
            curve(points, title=options.config.stem).save(options.out / "curve.png")
    except ValidationError as error:
        first = error.errors()[0]
        parser.error(f"{options.config}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
