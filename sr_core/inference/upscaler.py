"""From decoded planes to the planes that the encoder wants, by as many threads at once as the device can use."""

import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sr_core.inference.device import check_device, fingerprint, keep_freed_memory, worker_count
from sr_core.inference.engine import Engine
from sr_core.inference.sequence import Format, SequenceUpscaler, Step
from sr_core.models.loading import load
from sr_core.types import Plan
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Plane, Planes


class FrameUpscaler:
    """Upscales frames as a plan says.

    Args:
        plan: the job's plan.
        weights: the weights file; None for a network that ships with the package.
        reuse: whether parts of a frame that did not change are taken from the one before (`sequence`).

    Raises InputError when the plan's device is not there, and InputError or IntegrityError when the weights are not
    usable, see `models.loading.load`.
    """

    def __init__(self, plan: Plan, weights: Path | None, *, reuse: bool = True) -> None:
        check_device(plan.execution.device)
        if plan.execution.device == "cpu":
            keep_freed_memory()
        self.workers = worker_count(plan.execution)
        """How many threads should call `upscale` at once."""
        self.fingerprint = fingerprint(plan.execution)
        self._plan = plan
        self._engine = Engine(load(plan.model, weights), plan.execution, scale=plan.model.scale)
        self._output = HANDLED[plan.delivery.pixel_format]
        self._sequence = SequenceUpscaler(
            self._engine,
            output=Format(self._output.chroma, self._output.bit_depth, plan.color),
            quarter_turns=plan.video.rotation_degrees // 90,
            reuse=reuse and plan.execution.halo_is_exact,
        )
        self._lock = threading.Lock()
        self._working_seconds = 0.0
        self._computed_frames = 0.0

    @property
    def busy_seconds(self) -> float:
        """Wall time spent in the network and colour conversion so far, averaged over the workers."""
        return self._working_seconds / self.workers

    @property
    def computed_frames(self) -> float:
        """How much went through the network so far, in whole frames."""
        return self._computed_frames

    @property
    def is_reuse_refuted(self) -> bool:
        """Whether reuse was given up because its result was not that of whole frames."""
        return self._sequence.is_reuse_refuted

    @property
    def redone_frames(self) -> int:
        """Frames computed again in fp32 because the first result was not finite."""
        return self._engine.redone_frames

    def prepare_worker(self) -> None:
        """To be called once in each thread that calls `upscale`: on a CPU, a frame is one thread's work."""
        if self._plan.execution.device == "cpu":
            torch.set_num_threads(1)

    def step(self, frame: Planes) -> Step:
        """Takes the next frame of the source, in order; `upscale` makes it a frame of the output."""
        planes = [torch.from_numpy(plane).unsqueeze(0) for plane in frame.planes]
        return self._sequence.step(planes, Format(frame.format.chroma, frame.format.bit_depth, self._plan.video.color))

    def upscale(self, step: Step) -> Planes:
        """Upscales a frame, once. Raises what `Engine.upscale_rgb` raises."""
        started = time.monotonic()
        result = self._sequence.upscale(step)
        planes = Planes(self._output, tuple(self._to_numpy(plane) for plane in result.planes))
        with self._lock:
            self._working_seconds += time.monotonic() - started - result.waited_seconds
            self._computed_frames += result.computed_share
        return planes

    def _to_numpy(self, plane: Tensor) -> Plane:
        samples = plane[0].cpu().numpy()
        return samples if self._output.bytes_per_sample == 1 else samples.astype(np.uint16)
