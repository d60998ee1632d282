"""One extracted job whose upscale stage can be measured as often as wanted: whole, or its network or codec alone.

Each measurement tells how many cores it kept busy and how many others took meanwhile.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.rounds import MOST_DISTURBANCE, Round, Run
from sr_core import layout
from sr_core.contract import REQUEST_KEY, Stage
from sr_core.inference import FrameUpscaler, settle
from sr_core.manifest import Manifest
from sr_core.models.describe import describe
from sr_core.planning import execution
from sr_core.request import make_request
from sr_core.stages.extract import extract
from sr_core.stages.overlap import overlap
from sr_core.stages.upscale import upscale
from sr_core.storage import open_store
from sr_core.types import Execution, Settings
from sr_core.video.frames import Planes
from sr_core.video.read import read_copied, read_lossless
from sr_core.video.write import SegmentWriter

_ALL = 1_000_000
"""Segments in a chunk: one chunk holds any clip."""
CRF = 18
"""Of everything that is encoded for comparison."""
_LOOK_SECONDS = 2.0
"""How long the machine must have been quiet."""


class Job:
    """An extracted job, whose upscale stage can be run again and again, whole or in parts.

    Args:
        clip: the source; its chunks must be one.
        folder: an empty folder for the job.
        preset, model, device, precision, kernels: as `types.Settings` has them.
    """

    def __init__(
        self,
        clip: Path,
        folder: Path,
        *,
        preset: str,
        model: str,
        device: str = "auto",
        precision: str = "auto",
        kernels: str = "auto",
    ) -> None:
        asked = {"preset": preset, "model": model, "crf": CRF, "device": device, "precision": precision}
        settings = Settings.model_validate({**asked, "kernels": kernels})
        request, weights = make_request(str(clip), str(folder / "out.mp4"), settings)
        self._scratch = folder / "scratch"
        self._scratch.mkdir()
        self._manifest = Manifest(open_store(str(folder / "job")))
        self._manifest.store.put_bytes(REQUEST_KEY, request.to_json())
        if weights is not None and request.model is not None and request.model.stored_key is not None:
            self._manifest.store.put(request.model.stored_key, weights, sha256=request.model.sha256)
        self.plan = extract(self._manifest, scratch=self._scratch, tier="local", chunk_segments=_ALL)
        (self._chunk,) = self.plan.chunks
        receipt = self._manifest.receipts(Stage.EXTRACT, [0])[0]
        self._file = self._manifest.fetch(receipt, self._scratch)
        self._read = read_lossless if receipt.carrier == "lossless" else read_copied
        self._frames = self._manifest.frames()
        self._weights = weights
        self._decoded = list(self._decode())
        self._upscaled = self._run_model(keep=True)

    @staticmethod
    def describe_execution(settings: Settings) -> Execution:
        """How a job with these settings, a network among them, would run it here, on pictures that are not tiled."""
        assert settings.model is not None
        model = describe(settings.model)
        return execution(settle(settings, model), model, "local", picture_px=0)

    def round(self) -> Round:
        """Measures the three in turn."""
        return Round(model=self.model_run(reuse=True)[0], codec=self.codec_run(), stage=self._run_stage())

    def codec_run(self) -> Run:
        """Measures decoding and encoding, without a network."""
        return self._measure(self._run_codec)

    def _measure(self, work: Callable[[], object]) -> Run:
        return measured(work, frames=len(self._decoded))

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
        # Copies: a GPU's frames lie in memory that the system cannot put aside.
        frames = map(upscaler.arrived, results)
        return [Planes(each.format, tuple(plane.copy() for plane in each.planes)) for each in frames if keep]

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

    @property
    def uri(self) -> str:
        """Address of the job folder."""
        return self._manifest.store.uri

    def forget_segments(self) -> None:
        """Removes what upscale has done, so that it will do it again."""
        store = self._manifest.store
        for prefix in (layout.receipts_prefix(Stage.UPSCALE), layout.data_prefix(Stage.UPSCALE)):
            for info in list(store.list(prefix)):
                store.delete(info.key)

    def _run_stage(self, *, reuse: bool = True) -> Run:
        self.forget_segments()
        return self._measure(lambda: upscale(self._manifest, 0, scratch=self._scratch, reuse=reuse))


def measured(work: Callable[[], object], *, frames: int) -> Run:
    """Does `work`, which takes `frames` frames, in this process, and tells how fast, with how many cores."""
    busy_before, own_before, started = busy_seconds(), _own_seconds(), time.monotonic()
    work()
    seconds = time.monotonic() - started
    own = _own_seconds() - own_before
    others = max(0.0, busy_seconds() - busy_before - own)
    return Run(fps=frames / seconds, cores_busy=own / seconds, others_busy=others / seconds)


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def busy_seconds() -> float:
    """Processor seconds that anything has used since the machine started, those stolen by its host included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(seconds: float) -> float:
    """Waits at most so long until nothing else runs on this machine; returns how long it took."""
    started = time.monotonic()
    while (waited := time.monotonic() - started) < seconds:
        before = busy_seconds()
        time.sleep(_LOOK_SECONDS)
        if busy_seconds() - before <= MOST_DISTURBANCE * _LOOK_SECONDS:
            break
    return waited
