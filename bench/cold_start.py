"""How soon a worker works: ``python -m bench.cold_start [--model NAME|PATH] [--json FILE]``.

From the start of a process `sr upscale` to its first frame, beside what cannot be avoided: starting Python, importing
torch, and loading the network. Each round starts both processes anew, after one of each that does not count and brings
the files into the kernel's cache. Figures are medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.clips import reference_clip, write_clip
from bench.job import Job, busy_seconds, wait_for_quiet
from bench.machine import describe, machine, write_results
from bench.rounds import MOST_DISTURBANCE
from sr_core.models.catalogue import recommended

MOST_OVER = 1.3
"""The first frame may take so many times as long as Python and torch, and the loading of the network besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One round."""

    torch_seconds: float
    """A process that starts Python, imports torch and ends."""
    first_frame_seconds: float
    loading_seconds: float
    """Part of `first_frame_seconds` in which the network was loaded."""
    is_quiet: bool

    @property
    def ratio(self) -> float:
        return (self.first_frame_seconds - self.loading_seconds) / self.torch_seconds


def measure_once(job_uri: str) -> Start:
    """Starts both, one after the other."""
    root = Path(__file__).parents[1]
    busy_before, own_before, started = busy_seconds(), sum(os.times()[:4]), time.monotonic()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    torch_seconds = time.monotonic() - started
    before = time.monotonic()
    outcome = subprocess.run(
        [sys.executable, "-m", "bench.first_frame", job_uri], cwd=root, check=True, capture_output=True, text=True
    )
    at, loading = map(float, outcome.stdout.split())
    elapsed = time.monotonic() - started
    others = busy_seconds() - busy_before - (sum(os.times()[:4]) - own_before)
    return Start(
        torch_seconds=torch_seconds,
        first_frame_seconds=at - before,
        loading_seconds=loading,
        is_quiet=others <= MOST_DISTURBANCE * elapsed,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when the claim does not hold."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
        size_px = (640, 360)
        clip = write_clip(
            Path(folder) / "clip.mp4", reference_clip("bikes.mp4"), frames=24, size_px=size_px, scale=True
        )
        job = Job(clip, Path(folder), preset="veryfast", model=options.model)
        job.forget_segments()
        measure_once(job.uri)
        starts = []
        for _ in range(options.rounds):
            wait_for_quiet(options.wait)
            starts.append(measure_once(job.uri))
    quiet = [each for each in starts if each.is_quiet]
    counted = quiet if len(quiet) >= min(3, len(starts)) else starts
    ratio = statistics.median(each.ratio for each in counted)
    torch_seconds, first, loading = (
        statistics.median(getattr(each, name) for each in counted)
        for name in ("torch_seconds", "first_frame_seconds", "loading_seconds")
    )
    holds = ratio <= MOST_OVER
    print(f"Python and torch {torch_seconds:.2f} s; first frame after {first:.2f} s, {loading:.2f} s of it loading")
    print(f"(first frame - loading) over Python and torch: {ratio:.2f}, {len(quiet)} of {len(starts)} rounds quiet")
    print(f"claim: at most {MOST_OVER}: {'holds' if holds else 'DOES NOT HOLD'}")
    if options.json:
        results = {"claim": MOST_OVER, "holds": holds, "ratio": ratio, "starts": [asdict(each) for each in starts]}
        write_results(options.json, facts, results)
    return 0 if holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=recommended(None), metavar="NAME|PATH", help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="(%(default)s)")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="for quiet before a round (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
