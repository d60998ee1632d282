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
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from bench.clips import reference_clip, write_clip
from bench.machine import describe, machine, write_results
from bench.rounds import CLAIM, HEADER, MOST_DISTURBANCE, Figure, Round, Run
from sr_core import layout
from sr_core.contract import REQUEST_KEY, Stage
from sr_core.inference import FrameUpscaler
from sr_core.manifest import Manifest
from sr_core.request import make_request
from sr_core.stages.extract import extract
from sr_core.stages.overlap import overlap
from sr_core.stages.upscale import upscale
from sr_core.storage import open_store
from sr_core.types import Settings
from sr_core.video.frames import Planes
from sr_core.video.read import read_copied, read_lossless
from sr_core.video.write import SegmentWriter

PRESETS = ("veryfast", "medium")
_CLIPS = {"realshort.mp4": (320, 240), "bikes.mp4": (640, 272)}
"""By name: the size of the clip that is made in its place when it is not there."""
_LOOK_SECONDS = 2.0
"""How long the machine must have been quiet."""


class Job:
    """An extracted job, whose upscale stage can be run again and again, whole or in parts.

    Args:
        clip: the source; its chunks must be one.
        folder: an empty folder for the job.
    """

    def __init__(self, clip: Path, folder: Path, *, preset: str, model: str) -> None:
        settings = Settings.model_validate({"preset": preset, "model": model})
        request, weights = make_request(str(clip), str(folder / "out.mp4"), settings)
        self._scratch = folder / "scratch"
        self._scratch.mkdir()
        self._manifest = Manifest(open_store(str(folder / "job")))
        self._manifest.store.put_bytes(REQUEST_KEY, request.to_json())
        if weights is not None and request.model is not None and request.model.stored_key is not None:
            self._manifest.store.put(request.model.stored_key, weights, sha256=request.model.sha256)
        self.plan = extract(self._manifest, scratch=self._scratch, tier="local")
        (self._chunk,) = self.plan.chunks
        receipt = self._manifest.receipts(Stage.EXTRACT, [0])[0]
        self._file = self._manifest.fetch(receipt, self._scratch)
        self._read = read_lossless if receipt.carrier == "lossless" else read_copied
        self._frames = self._manifest.frames()
        self._weights = weights
        self._decoded = list(self._decode())
        self._upscaled = self._run_model(keep=True)

    def round(self) -> Round:
        """Measures the three in turn."""
        return Round(model=self.model_run(reuse=True)[0], codec=self._measure(self._run_codec), stage=self._run_stage())

    def _measure(self, work: Callable[[], object]) -> Run:
        busy_before, own_before, started = _busy_seconds(), _own_seconds(), time.monotonic()
        work()
        seconds = time.monotonic() - started
        own = _own_seconds() - own_before
        others = max(0.0, _busy_seconds() - busy_before - own)
        return Run(fps=len(self._decoded) / seconds, cores_busy=own / seconds, others_busy=others / seconds)

    def _decode(self) -> Iterator[Planes]:
        return self._read(self._file, self._frames, self._chunk.start_frame, self._chunk.end_frame)

    def model_run(self, *, reuse: bool) -> tuple[Run, float]:
        """Measures the network alone; also returns how many frames' worth went through it."""
        upscaler = FrameUpscaler(self.plan, self._weights, reuse=reuse)
        return self._measure(lambda: self._run_model(upscaler)), upscaler.computed_frames

    def stage_run(self, *, reuse: bool) -> tuple[Run, list[str]]:
        """Measures the stage; also returns the SHA-256 of the segments that it wrote."""
        run = self._run_stage(reuse=reuse)
        receipts = self._manifest.receipts(Stage.UPSCALE, range(len(self.plan.segments)))
        return run, [receipts[index].sha256 for index in sorted(receipts)]

    def _run_model(self, upscaler: FrameUpscaler | None = None, *, keep: bool = False) -> list[Planes]:
        upscaler = upscaler or FrameUpscaler(self.plan, self._weights)
        results = overlap(
            map(upscaler.step, self._decoded),
            upscaler.upscale,
            workers=upscaler.workers,
            ahead=upscaler.workers + 1,
            prepare_worker=upscaler.prepare_worker,
        )
        return [frame for frame in results if keep]

    def _run_codec(self) -> None:
        plan, path = self.plan, self._scratch / "codec.mkv"
        # Reading ahead in a thread, as the stage does; nothing is worked on.
        with closing(overlap(self._decode(), lambda frame: frame, workers=1, ahead=3)) as decoded:
            for segment in plan.segments:
                with SegmentWriter(
                    path,
                    plan.delivery,
                    width_px=plan.width_px,
                    height_px=plan.height_px,
                    rate=plan.video.rate,
                    color=plan.color,
                    sar=plan.video.upright_sar,
                ) as writer:
                    for index in range(segment.start_frame, segment.end_frame):
                        next(decoded)
                        writer.write(self._upscaled[index])

    def _run_stage(self, *, reuse: bool = True) -> Run:
        store = self._manifest.store
        for prefix in (layout.receipts_prefix(Stage.UPSCALE), layout.data_prefix(Stage.UPSCALE)):
            for info in list(store.list(prefix)):
                store.delete(info.key)
        return self._measure(lambda: upscale(self._manifest, 0, scratch=self._scratch, reuse=reuse))


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
    deadline = time.monotonic() + wait_seconds * count
    for _ in range(count):
        while time.monotonic() < deadline:
            before = _busy_seconds()
            time.sleep(_LOOK_SECONDS)
            if _busy_seconds() - before <= MOST_DISTURBANCE * _LOOK_SECONDS:
                break
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
    parser.add_argument("--model", default=Settings().model, metavar="NAME|PATH", help="(%(default)s)")
    parser.add_argument("--frames", type=int, default=240, metavar="N", help="of every clip (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="S", help="for quiet, at most so long a round on average (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _busy_seconds() -> float:
    """Processor seconds that anything has used since the machine started, those stolen by its host included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
