"""How well decoding, network and encoding overlap: ``python -m bench.overlap [--clip PATH] [--json FILE]``.

On the same frames, at the same preset, in one process, turn by turn:

- model: the network on frames that are decoded already, with as many workers as the upscale stage has;
- codec: decoding the chunk, and encoding what the network gave, computed beforehand, so that the encoder has the same
  work; segments are written by the same writer;
- stage: the upscale stage as `sr upscale` runs it, from the chunk file to the receipts, loading the network included.

If nothing is lost, the stage takes as long for a frame as model and codec together: 1 / (1 / model + 1 / codec) frames
per second. The figure is the stage's speed as a part of that, the median over the rounds.

Other work on the machine spoils this. How many cores it took is measured along with every run; rounds in which it took
more than a tenth of one do not count as long as three others are left. `--wait` waits for quiet.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.clips import reference_clip, write_clip
from bench.job import Job, wait_for_quiet
from bench.machine import describe, machine, write_results
from bench.rounds import CLAIM, HEADER, Figure, Round
from sr_core.models.catalogue import recommended

PRESETS = ("veryfast", "medium")
_CLIPS = {"realshort.mp4": (320, 240), "bikes.mp4": (640, 272)}
"""By name: the size of the clip that is made in its place when it is not there."""


def measure(
    source: Path | None, *, name: str, preset: str, model: str, frames: int, rounds: int, wait_seconds: float = 0
) -> Figure:
    """Measures one clip at one preset.

    Args:
        source: the clip, which is played forward and backward or cut until it has `frames` frames; None: a made one.
        name: how the clip is called; decides the size of a made one.
        model: as for `sr run --model`.
        wait_seconds: at most so long is waited before each round until nothing else runs.
    """
    with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
        clip = write_clip(Path(folder) / "clip.mp4", source, frames=frames, size_px=_CLIPS.get(name, (320, 240)))
        job = Job(clip, Path(folder), preset=preset, model=model)
        return Figure(
            clip=name if source is not None else "made",
            width_px=job.plan.video.width_px,
            height_px=job.plan.video.height_px,
            frames=job.plan.video.frame_count,
            preset=preset,
            precision=job.plan.execution.precision,
            rounds=tuple(_quiet_rounds(job, rounds, wait_seconds)),
        )


def _quiet_rounds(job: Job, count: int, wait_seconds: float) -> Iterator[Round]:
    patience = wait_seconds * count
    for _ in range(count):
        patience -= wait_for_quiet(patience)
        yield job.round()


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when a ratio is below the claim."""
    options = _parser().parse_args(arguments)
    clips = {options.clip.name: options.clip} if options.clip else {name: reference_clip(name) for name in _CLIPS}
    facts = machine()
    print(describe(facts))
    print(HEADER, flush=True)
    figures = []
    for name, source in clips.items():
        for preset in options.preset or PRESETS:
            figure = measure(
                source,
                name=name,
                preset=preset,
                model=options.model,
                frames=options.frames,
                rounds=options.rounds,
                wait_seconds=options.wait,
            )
            print(figure.line(), flush=True)
            figures.append(figure)
    holds = all(figure.ratio >= CLAIM for figure in figures)
    print(f"claim: every ratio ≥ {CLAIM}: {'holds' if holds else 'DOES NOT HOLD'}")
    if options.json:
        results = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
        write_results(options.json, facts, {"claim": CLAIM, "holds": holds, "figures": results})
    return 0 if holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.overlap", description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, metavar="PATH", help="instead of realshort and bikes")
    parser.add_argument("--preset", action="append", metavar="P", help="may be repeated (veryfast, medium)")
    parser.add_argument("--model", default=recommended(None), metavar="NAME|PATH", help="(%(default)s)")
    parser.add_argument("--frames", type=int, default=240, metavar="N", help="of every clip (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="S", help="for quiet, at most so long a round on average (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
