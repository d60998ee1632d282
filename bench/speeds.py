"""What `bench.speed` measured of a network at a size, and the figures that follow. Measures nothing itself."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import LEAST_ROUNDS, MOST_DISTURBANCE, Run, combined_fps

GPU_CLAIM = {"stage_over_plain": 10.0, "model_of_peak": 0.5, "stage_of_allowed": 0.9}
"""The least that each figure may be on a GPU, by whichever kernels are faster. Of CPUs nothing is claimed: see
bench/README.md for what they reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRound:
    """Everything measured once, one after the other."""

    peak_flops: float
    """FLOPs a second of a large matrix product."""
    plain_fps: float
    model: Run
    codec: Run
    stage: Run

    @property
    def is_quiet(self) -> bool:
        return max(run.others_busy for run in (self.model, self.codec, self.stage)) <= MOST_DISTURBANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """All rounds of one network at one size."""

    network: str
    width_px: int
    height_px: int
    scale: int
    frames: int
    preset: str
    device: str
    precision: str
    kernels: str
    """`types.Kernels`: what computed the network's."""
    flops_per_frame: float
    plain_network: str
    """Where the plain loop's network class is from."""
    rounds: tuple[SpeedRound, ...]

    @property
    def counted(self) -> tuple[SpeedRound, ...]:
        """The quiet rounds if they are enough, else all."""
        quiet = tuple(each for each in self.rounds if each.is_quiet)
        return quiet if len(quiet) >= min(LEAST_ROUNDS, len(self.rounds)) else self.rounds

    def figures(self) -> dict[str, float]:
        """Medians over the counted rounds; every ratio is taken within its round."""

        def median(of: list[float]) -> float:
            return statistics.median(of)

        rounds = self.counted
        return {
            "plain_fps": median([each.plain_fps for each in rounds]),
            "model_fps": median([each.model.fps for each in rounds]),
            "codec_fps": median([each.codec.fps for each in rounds]),
            "stage_fps": median([each.stage.fps for each in rounds]),
            "peak_flops": median([each.peak_flops for each in rounds]),
            "model_of_peak": median([each.model.fps * self.flops_per_frame / each.peak_flops for each in rounds]),
            "stage_of_allowed": median([each.stage.fps / self._allowed_fps(each) for each in rounds]),
            "stage_over_plain": median([each.stage.fps / each.plain_fps for each in rounds]),
            "quiet_rounds": float(sum(each.is_quiet for each in self.rounds)),
        }

    def problems(self) -> list[str]:
        """Where the claim does not hold."""
        figures, claim = self.figures(), GPU_CLAIM if self.device == "cuda" else {}
        which = f"{Path(self.network).stem}, {self.width_px}×{self.height_px}, {self.precision}, {self.kernels}"
        return [
            f"{which}: {name.replace('_', ' ')} is {figures[name]:.2f}, not {least:g}"
            for name, least in claim.items()
            if figures[name] < least
        ]

    def _allowed_fps(self, each: SpeedRound) -> float:
        """On a CPU model and codec share the cores; beside a GPU they do not."""
        if self.device == "cpu":
            return combined_fps(each.model.fps, each.codec.fps)
        return min(each.model.fps, each.codec.fps)

    def line(self) -> str:
        figures = self.figures()
        return (
            f"{Path(self.network).stem:<28} x{self.scale} {f'{self.width_px}×{self.height_px}':<10} "
            f"{self.precision} {self.kernels:<5} {self.frames:>6}   "
            f"{figures['plain_fps']:7.2f} {figures['model_fps']:8.2f} {figures['codec_fps']:8.1f} "
            f"{figures['stage_fps']:8.2f}   {figures['peak_flops'] / 1e9:8.0f}  {figures['model_of_peak']:6.1%}   "
            f"{figures['stage_of_allowed']:6.2f}   {figures['stage_over_plain']:6.2f}   "
            f"{figures['quiet_rounds']:.0f} of {len(self.rounds)}"
        )


def fastest(speeds: Iterable[Speed]) -> list[Speed]:
    """Of each network, size and precision, the one whose kernels were computed sooner."""
    best: dict[tuple[str, int, int, str], Speed] = {}
    for each in speeds:
        case = (each.network, each.width_px, each.height_px, each.precision)
        if case not in best or each.figures()["model_fps"] > best[case].figures()["model_fps"]:
            best[case] = each
    return list(best.values())


HEADER = (
    f"{'network':<28}    {'size':<10} in   by    frames   {'plain':>7} {'model':>8} {'codec':>8} {'stage':>8}   "
    "GFLOPS/s of peak  of allowed  over plain  quiet"
)
