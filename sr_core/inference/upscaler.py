"""From decoded planes to the planes that the encoder wants, by as many threads at once as the device can use.

There are two ways through: on a CPU every thread carries a frame from one end to the other and reuses parts of frames
(`sequence`), or of what layers gave for them (`layered`); on a GPU threads only queue work and wait for it
(`streamed`). The bytes are the same.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sr_core.heap import keep_freed_memory
from sr_core.inference.conversion import TorchConversion
from sr_core.inference.device import check_planned_device, fingerprint, worker_count
from sr_core.inference.engine import Engine
from sr_core.inference.fused_planes import fuse_planes
from sr_core.inference.layered import LayeredUpscaler
from sr_core.inference.memory import memory_bytes
from sr_core.inference.numerics import settle_gpu_numerics
from sr_core.inference.own_planes import own_conversion
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format, Result
from sr_core.inference.streamed import Arrived, StreamedUpscaler
from sr_core.models.loading import load
from sr_core.types import Plan
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Plane, Planes

_KEPT_SHARE = 0.25
"""Of the memory that the process may use: as much may be taken by what layers gave, to be kept for the next frame."""


class _Way(Protocol):
    """A way through the device: what `step` gives is for `upscale`, and what that gives for `arrived`."""

    def step(self, planes: Sequence[Plane], source: Format) -> Any: ...

    def upscale(self, step: Any) -> Any: ...

    def arrived(self, upscaled: Any) -> Arrived: ...


class FrameUpscaler:
    """Upscales frames as a plan says.

    Args:
        plan: the job's plan.
        weights: the weights file; None for a network that ships with the package.
        reuse: whether what did not change is taken from the frame before: parts of it on a CPU, all of it on a GPU.

    Raises TransientError when the plan's device does not answer, and InputError or IntegrityError when the weights are
    not usable, see `models.loading.load`; on a GPU GpuMemory when it is too small.
    """

    def __init__(self, plan: Plan, weights: Path | None, *, reuse: bool = True) -> None:
        check_planned_device(plan.execution.device)
        if plan.execution.device == "cpu":
            keep_freed_memory()
        else:
            settle_gpu_numerics()
        self.workers = worker_count(plan.execution)
        """How many threads should call `upscale` at once."""
        self._plan = plan
        self._engine = Engine(load(plan.model, weights), plan.execution, scale=plan.model.scale)
        self._output = HANDLED[plan.delivery.pixel_format]
        output = Format(self._output.chroma, self._output.bit_depth, plan.color)
        quarter_turns = plan.video.rotation_degrees // 90
        self._sequence: LayeredUpscaler | SequenceUpscaler | None = None
        self._way: _Way
        if plan.execution.device == "cuda":
            self._way = streamed = StreamedUpscaler(
                self._engine,
                output=output,
                size_px=plan.video.upright_size_px,
                quarter_turns=quarter_turns,
                reuse=reuse,
                to_planes=fuse_planes(output, self._engine.device) if plan.execution.kernels == "fused" else None,
            )
            self.notes = streamed.notes
            """What was chosen on this machine; it does not touch the result."""
        else:
            self._sequence = self._on_cores(output, quarter_turns=quarter_turns, reuse=reuse)
            self._way = _OnCores(self._sequence, workers=self.workers)
            self.notes = ()
        self._busy_seconds = 0.0
        self._computed_frames = 0.0

    def _on_cores(self, output: Format, *, quarter_turns: int, reuse: bool) -> LayeredUpscaler | SequenceUpscaler:
        """The way that computes least: what layers gave is kept where there is the memory for it."""
        network, (width, height) = self._engine.by_winograd, self._plan.video.upright_size_px
        conversion = TorchConversion if network is None else own_conversion
        if reuse and network is not None and network.kept_bytes(height, width) <= memory_bytes() * _KEPT_SHARE:
            return LayeredUpscaler(
                self._engine, network, output=output, quarter_turns=quarter_turns, conversion=conversion
            )
        return SequenceUpscaler(
            self._engine,
            output=output,
            quarter_turns=quarter_turns,
            reuse=reuse and self._plan.execution.halo_is_exact,
            conversion=conversion,
        )

    @property
    def fingerprint(self) -> tuple[tuple[str, str], ...]:
        """Everything from decoded planes to upscaled ones that could change a bit so far."""
        tile_px, has_redone = self._engine.tile_px, self._engine.redone_frames > 0
        return fingerprint(self._plan.execution, tile_px=tile_px, has_redone=has_redone)

    @property
    def busy_seconds(self) -> float:
        """Time spent in the network and colour conversion so far: the GPU's own, or wall time averaged over workers."""
        return self._busy_seconds

    @property
    def computed_frames(self) -> float:
        """How much went through the network so far, in whole frames."""
        return self._computed_frames

    @property
    def is_reuse_refuted(self) -> bool:
        """Whether reuse was given up because its result was not that of whole frames."""
        return self._sequence is not None and self._sequence.is_reuse_refuted

    @property
    def redone_frames(self) -> int:
        """Frames computed again in fp32 because the first result was not finite."""
        return self._engine.redone_frames

    def prepare_worker(self) -> None:
        """To be called once in each thread that calls `upscale`: on a CPU, a frame is one thread's work."""
        if self._plan.execution.device == "cpu":
            torch.set_num_threads(1)

    def step(self, frame: Planes) -> Any:
        """Takes the next frame of the source, in order; `upscale` and then `arrived` make it a frame of the output."""
        source = Format(frame.format.chroma, frame.format.bit_depth, self._plan.video.color)
        return self._way.step(frame.planes, source)

    def upscale(self, step: Any) -> Any:
        """Upscales a frame, once, as far as can be without the frame before; from any thread.

        Raises what `arrived` raises, or leaves that to it.
        """
        return self._way.upscale(step)

    def arrived(self, upscaled: Any) -> Planes:
        """The frame of which `upscale` gave this, when it is done; to be asked for in order, by one thread.

        Raises what `Engine.upscale_rgb` raises, HostCapacity when there is no memory for it, and TransientError when a
        GPU fails.
        """
        arrived = self._way.arrived(upscaled)
        self._busy_seconds += arrived.busy_seconds
        self._computed_frames += arrived.computed_share
        return Planes(self._output, arrived.planes)


class _OnCores:
    """The way through a CPU: numpy in, numpy out, and a share of the workers' time."""

    def __init__(self, sequence: LayeredUpscaler | SequenceUpscaler, *, workers: int) -> None:
        self._sequence, self._workers = sequence, workers

    def step(self, planes: Sequence[Plane], source: Format) -> Any:
        return self._sequence.step([torch.from_numpy(plane).unsqueeze(0) for plane in planes], source)

    def upscale(self, step: Any) -> "Future[Result]":
        return self._sequence.begin(step)

    def arrived(self, upscaled: "Future[Result]") -> Arrived:
        result = upscaled.result()
        planes = tuple(_to_numpy(plane) for plane in result.planes)
        return Arrived(planes, result.busy_seconds / self._workers, result.computed_share)


def _to_numpy(plane: Tensor) -> Plane:
    samples = plane[0].numpy()
    return samples if samples.dtype == np.uint8 else samples.astype(np.uint16, copy=False)
