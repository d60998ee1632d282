"""What it saves not to compute again what stands still: ``python -m bench.reuse [--model NAME] [--kernels torch]``.

Four clips: a fixed camera (a photograph in the middle tenth of which another clip plays) and a recorded screen (text,
pointer, scrolling), both H.264 at CRF 23 by x264's medium preset; the fixed camera once more by its veryfast preset;
and a film in which everything moves (bikes). For each, in one process and in turns, with and without reuse:

- model: the network alone on frames that are decoded already;
- stage: the upscale stage as `sr upscale` runs it. The segments' bytes must be the same with and without.

The figures are ratios of frames per second, medians over the rounds. The model with reuse is also held against whole
frames by torch's layers, where the job's kernels are others. Beside them, the processor time that a frame takes in it.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.clips import reference_clip, reference_media, write_clip
from bench.job import Job
from bench.machine import describe, machine, write_results
from bench.rounds import MOST_DISTURBANCE
from bench.scenes import fixed_camera, screen_recording
from sr_core.models.catalogue import recommended

LEAST_SPEEDUP = 3.0
"""Of the model over whole frames by the same kernels, on the still scenes."""
MOST_LOSS = 0.02
"""Of the stage, where everything moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What came out for one clip."""

    clip: str
    width_px: int
    height_px: int
    frames: int
    computed_share: float
    """What went through the network, over what would without reuse."""
    model_speedups: tuple[float, ...]
    """One a round."""
    stage_speedups: tuple[float, ...]
    over_torch: tuple[float, ...]
    """Of the model, over whole frames by torch's layers."""
    frame_ms: tuple[float, ...]
    """Processor time of a frame in the model with reuse, one a round."""
    whole_frame_ms: tuple[float, ...]
    """The same without."""
    kernels: str
    identical: bool
    """Whether the segments' bytes were the same in every round."""
    disturbed_rounds: int
    """Rounds in which others took more than a tenth of a core."""

    @property
    def model_speedup(self) -> float:
        return statistics.median(self.model_speedups)

    @property
    def stage_speedup(self) -> float:
        return statistics.median(self.stage_speedups)

    def holds(self) -> bool:
        """Whether it is what is claimed."""
        if self.clip == "bikes":
            return self.identical and self.stage_speedup >= 1 - MOST_LOSS
        return self.identical and self.model_speedup >= LEAST_SPEEDUP

    def line(self) -> str:
        size = f"{self.width_px}×{self.height_px}"
        return (
            f"{self.clip:<24} {size:<10} {self.frames:>6}   {self.computed_share:6.1%}   "
            f"{self.model_speedup:5.2f} ({min(self.model_speedups):.2f} … {max(self.model_speedups):.2f})   "
            f"{self.stage_speedup:5.2f} ({min(self.stage_speedups):.2f} … {max(self.stage_speedups):.2f})   "
            f"{statistics.median(self.over_torch):10.2f}   "
            f"{statistics.median(self.frame_ms):6.1f} of {statistics.median(self.whole_frame_ms):6.1f}   "
            f"{self.kernels:<8}   {'same' if self.identical else 'DIFFERENT'}   "
            f"{self.disturbed_rounds} of {len(self.model_speedups)}"
        )


HEADER = (
    f"{'clip':<24} {'size':<10} frames   computed   model, times as fast   stage, times as fast   over torch   "
    f"{'ms a frame':<16}   {'by':<8}   bytes   disturbed"
)


def measure(
    name: str, clip: Path, folder: Path, *, model: str, preset: str, rounds: int, kernels: str = "auto"
) -> Figure:
    """Measures one clip; `folder` is an empty one for the jobs."""
    job = Job(clip, _made(folder / "job"), preset=preset, model=model, kernels=kernels)
    of_job = job.plan.execution.kernels
    by_torch = (
        job if of_job == "torch" else Job(clip, _made(folder / "by torch"), preset=preset, model=model, kernels="torch")
    )
    models: list[float] = []
    over_torch: list[float] = []
    frame_ms: list[float] = []
    whole_frame_ms: list[float] = []
    stages: list[float] = []
    digests: set[tuple[str, ...]] = set()
    computed = disturbed = 0.0
    for index in range(rounds):
        # Whichever comes first finds a colder machine: they take turns at it.
        turns = (True, False) if index % 2 == 0 else (False, True)
        runs = {reuse: job.model_run(reuse=reuse) for reuse in turns}
        (fast, computed), (slow, _all) = runs[True], runs[False]
        models.append(fast.fps / slow.fps)
        frame_ms.append(1000 * fast.cores_busy / fast.fps)
        whole_frame_ms.append(1000 * slow.cores_busy / slow.fps)
        usual = slow if of_job == "torch" else by_torch.model_run(reuse=False)[0]
        over_torch.append(fast.fps / usual.fps)
        stage_runs = {reuse: job.stage_run(reuse=reuse) for reuse in turns}
        (quick, with_reuse), (plain, without) = stage_runs[True], stage_runs[False]
        stages.append(quick.fps / plain.fps)
        digests |= {tuple(with_reuse), tuple(without)}
        disturbed += max(run.others_busy for run in (fast, slow, usual, quick, plain)) > MOST_DISTURBANCE
    return Figure(
        clip=name,
        width_px=job.plan.video.width_px,
        height_px=job.plan.video.height_px,
        frames=job.plan.video.frame_count,
        computed_share=computed / job.plan.video.frame_count,
        model_speedups=tuple(models),
        stage_speedups=tuple(stages),
        over_torch=tuple(over_torch),
        frame_ms=tuple(frame_ms),
        whole_frame_ms=tuple(whole_frame_ms),
        kernels=of_job,
        identical=len(digests) == 1,
        disturbed_rounds=int(disturbed),
    )


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def clips(frames: int) -> dict[str, Callable[[Path], Path]]:
    """By name: what writes the clip to a path."""
    photograph = reference_media() / "stills" / "set14" / "barbara.png"
    still, film = photograph if photograph.is_file() else None, reference_clip("bikes.mp4")
    return {
        "fixed camera": lambda path: fixed_camera(path, still, film, frames=frames),
        "fixed camera, veryfast": lambda path: fixed_camera(path, still, film, frames=frames, preset="veryfast"),
        "screen": lambda path: screen_recording(path, frames=frames),
        "bikes": lambda path: write_clip(path, film, frames=frames, size_px=(640, 272)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when a claim does not hold."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    print(HEADER, flush=True)
    figures = []
    for name, write in clips(options.frames).items():
        if options.clip and name not in options.clip:
            continue
        with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
            clip = write(Path(folder) / "clip.mp4")
            figure = measure(
                name,
                clip,
                Path(folder),
                model=options.model,
                preset=options.preset,
                rounds=options.rounds,
                kernels=options.kernels,
            )
        print(figure.line(), flush=True)
        figures.append(figure)
    holds = all(figure.holds() for figure in figures)
    print(
        f"claim: the model ≥ {LEAST_SPEEDUP} times as fast where little moves, the stage at most {MOST_LOSS:.0%} "
        f"slower where all does, the bytes the same: {'holds' if holds else 'DOES NOT HOLD'}"
    )
    if options.json:
        write_results(options.json, facts, {"holds": holds, "figures": [asdict(figure) for figure in figures]})
    return 0 if holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=recommended(None), metavar="NAME|PATH", help="(%(default)s)")
    parser.add_argument("--kernels", default="auto", choices=["auto", "torch", "winograd"], help="(%(default)s)")
    parser.add_argument("--preset", default="veryfast", metavar="P", help="of the output's encoder (%(default)s)")
    parser.add_argument("--clip", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="of every clip (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
