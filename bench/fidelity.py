"""Whether everything but the resolution stays: ``python -m bench.fidelity [CLIP …] [--seconds S] [--json FILE]``.

Eight reference clips go through `sr run` into MP4 and into Matroska, with the network that ships and the default
settings. Each result is held against its source by `bench.compare`, which shares no code with the pipeline.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from bench.clips import reference_clip
from bench.command import CommandFailed, sr
from bench.compare import Comparison, compare
from bench.machine import describe, machine, write_results
from sr_core.models.catalogue import recommended

CLIPS = (
    "realshort.mp4",
    "bikes.mp4",
    "bigbuckbunny.mp4",
    "flipping_a_pancake.mkv",
    "carphone_pristine.mp4",
    "var_fps.mp4",
    "h264_10bit.mp4",
    "bt709_full_range.mp4",
)
CONTAINERS = ("mp4", "mkv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One clip in one container."""

    clip: str
    container: str
    seconds: float
    """Wall time of `sr run`."""
    found: Comparison | None
    """None where there is nothing to compare."""
    skipped: str | None = None
    failed: str | None = None

    @property
    def verdict(self) -> str:
        if self.skipped is not None:
            return f"skipped: {self.skipped}"
        if self.failed is not None:
            return f"FAILED: {self.failed}"
        assert self.found is not None, "a clip that went through was compared"
        return "; ".join(self.found.problems) or "holds"

    @property
    def is_bad(self) -> bool:
        return self.failed is not None or (self.found is not None and bool(self.found.problems))

    def line(self) -> str:
        start = f"{self.clip:<23} {self.container:<4}"
        if self.found is None:
            return f"{start} {self.verdict}"
        found = self.found
        shifts = " ".join(f"{shift:+.2f}" for shift in found.mean_shifts)
        return (
            f"{start} {found.frames_in:>4} {found.frames_out:>4} {found.worst_time_error_seconds * 1000:>8.3f} "
            f"{found.audio_packets:>6} {found.psnr_db:>7.1f} {found.worst_psnr_db:>6.1f}  {shifts:<18} "
            f"{found.worst_mean_shift:>5.2f} {found.frames_out / self.seconds:>5.1f}  {self.verdict}"
        )


HEADER = (
    f"{'clip':<23} {'into':<4} {'in':>4} {'out':>4} {'off, ms':>8} {'sound':>6} {'PSNR-Y':>7} {'worst':>6}  "
    f"{'mean shift Y U V':<18} {'worst':>5} {'fps':>5}  verdict"
)


def check(clip: str, container: str, folder: Path, *, model: str, seconds: float | None) -> Outcome:
    """Sends one clip through `sr run` into one container and compares.

    Args:
        clip: a name of the reference media, or a path.
        folder: for the result.
        seconds: of the clip, counted from its start, cut at a packet; None: all of it.
    """
    source = Path(clip) if Path(clip).is_file() else reference_clip(clip)
    name = Path(clip).name
    if source is None:
        reason = "not among the reference media; set SR_REFERENCE_MEDIA"
        return Outcome(clip=name, container=container, seconds=0, found=None, skipped=reason)
    if seconds is not None:
        source = _first_seconds(source, folder / f"start-of-{name}", seconds)
    output = folder / f"result.{container}"
    started = time.monotonic()
    try:
        sr("run", source, "-o", output, "--model", model, "--work-dir", folder / "work")
    except CommandFailed as error:
        taken = time.monotonic() - started
        return Outcome(clip=name, container=container, seconds=taken, found=None, failed=str(error))
    taken = time.monotonic() - started
    found = compare(source, output)
    output.unlink()
    return Outcome(clip=name, container=container, seconds=taken, found=found)


def _first_seconds(source: Path, path: Path, seconds: float) -> Path:
    """Copies the packets of the first seconds of all streams."""
    stream = ffmpeg.input(str(source), t=seconds).output(str(path), c="copy", map=0)
    stream.overwrite_output().run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when anything does not hold."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    print(HEADER, flush=True)
    outcomes = []
    for clip in options.clips or CLIPS:
        for container in options.into or CONTAINERS:
            with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
                outcome = check(clip, container, Path(folder), model=options.model, seconds=options.seconds)
            print(outcome.line(), flush=True)
            outcomes.append(outcome)
    bad = sum(outcome.is_bad for outcome in outcomes)
    checked = sum(outcome.skipped is None for outcome in outcomes)
    print(f"claim: everything holds: {'holds' if not bad else 'DOES NOT HOLD'} ({checked - bad} of {checked} results)")
    if options.json:
        results = [{**asdict(outcome), "verdict": outcome.verdict} for outcome in outcomes]
        write_results(options.json, facts, {"holds": not bad, "outcomes": results})
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.fidelity", description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", metavar="CLIP", help="a name of the reference media, or a path (all eight)")
    parser.add_argument("--into", action="append", choices=CONTAINERS, help="may be repeated (mp4, mkv)")
    parser.add_argument("--model", default=recommended(None), metavar="NAME|PATH", help="a ×2 network (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="S", help="only the first seconds of each clip")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
