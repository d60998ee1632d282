"""What was measured of model, codec and stage, round by round, and the figure that follows. Measures nothing itself."""

import statistics
from dataclasses import dataclass

CLAIM = 0.95
"""The stage's speed over what model and codec allow."""
MOST_DISTURBANCE = 0.1
"""Cores that other processes (and, in a virtual machine, other machines) may take on average in a round that counts."""
LEAST_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement."""

    fps: float
    cores_busy: float
    """Processor seconds over wall seconds."""
    others_busy: float
    """The same for everything else that ran on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The three, measured one after the other."""

    model: Run
    codec: Run
    stage: Run

    @property
    def ratio(self) -> float:
        return self.stage.fps / combined_fps(self.model.fps, self.codec.fps)

    @property
    def is_quiet(self) -> bool:
        return max(run.others_busy for run in (self.model, self.codec, self.stage)) <= MOST_DISTURBANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """All rounds on one clip at one preset."""

    clip: str
    width_px: int
    height_px: int
    frames: int
    preset: str
    precision: str
    rounds: tuple[Round, ...]

    @property
    def counted(self) -> tuple[Round, ...]:
        """The quiet rounds if they are enough, else all."""
        quiet = tuple(each for each in self.rounds if each.is_quiet)
        return quiet if len(quiet) >= LEAST_ROUNDS else self.rounds

    @property
    def ratio(self) -> float:
        return statistics.median(each.ratio for each in self.counted)

    def median(self, part: str) -> Run:
        """Of `model`, `codec` or `stage`, each number on its own."""
        runs: list[Run] = [getattr(each, part) for each in self.counted]
        return Run(
            fps=statistics.median(run.fps for run in runs),
            cores_busy=statistics.median(run.cores_busy for run in runs),
            others_busy=statistics.median(run.others_busy for run in runs),
        )

    def line(self) -> str:
        model, codec, stage = (self.median(part) for part in ("model", "codec", "stage"))
        ratios = sorted(each.ratio for each in self.counted)
        quiet = sum(each.is_quiet for each in self.rounds)
        return (
            f"{self.clip:<14} {self.width_px}×{self.height_px:<4} {self.preset:<9} {model.fps:7.1f} {codec.fps:7.1f} "
            f"{combined_fps(model.fps, codec.fps):9.1f} {stage.fps:7.1f}   {self.ratio:.3f} "
            f"({ratios[0]:.3f} … {ratios[-1]:.3f})   "
            f"{model.cores_busy:.2f}  {codec.cores_busy:.2f}  {stage.cores_busy:.2f}  "
            f"{max(model.others_busy, codec.others_busy, stage.others_busy):.2f}    {quiet} of {len(self.rounds)}"
        )


HEADER = (
    f"{'clip':<14} {'size':<8} {'preset':<9} {'model':>7} {'codec':>7} {'allowed':>9} {'stage':>7}   "
    "ratio (least … most)    cores: model codec stage others  quiet rounds"
)


def combined_fps(first_fps: float, second_fps: float) -> float:
    """Frames per second when each frame needs both, one after the other."""
    return 1 / (1 / first_fps + 1 / second_fps)
