"""Frames through a GPU without a pause: others are uploaded, queued or on their way back while one is computed.

Frames are handed in one by one, in order; then several threads ask for their results. Whoever asks first queues all
frames up to its own, in order, and waits for nothing but its own result. Only integer planes cross the bus.
Whether a result is finite is looked at when it has arrived. A frame equal to the last one takes its result: compared on
the host, where both are, exactly. Parts of frames are not reused here, see docs/decisions/0703.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sr_core.errors import GpuMemory, TransientError
from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.engine import Engine, are_finite
from sr_core.inference.fused_planes import ToPlanes
from sr_core.inference.memory import is_out_of_memory
from sr_core.inference.steps import Format
from sr_core.inference.streams import Event, Streams
from sr_core.video.frames import Plane

_FAILURES = ("CUDA error", "CUDA driver error", "cuDNN error", "cuBLAS error", "CUBLAS_STATUS")
"""How torch begins to tell of a GPU that did not do what it was asked."""


class Arrived(NamedTuple):
    """A frame that was upscaled."""

    planes: tuple[Plane, ...]
    busy_seconds: float
    """Of the device, for this frame."""
    computed_share: float
    """1 for what went through the network, 0 for what was taken from the frame before."""


class _Queued(NamedTuple):
    """A frame's work, queued in the streams."""

    arriving: tuple[Tensor, ...]
    """The planes (1, height, width) and whether they are finite, in host memory."""
    begun: Event
    computed: Event
    arrived: Event


@dataclass(eq=False, slots=True)
class Passage:
    """One frame on its way."""

    format: Format
    planes: tuple[Tensor, ...]
    """(1, height, width) each, on the device."""
    uploaded: Event
    queued: _Queued | Exception | None = None
    result: "Future[Arrived]" = field(default_factory=Future)


@dataclass(frozen=True, eq=False, slots=True)
class Repeat:
    """A frame equal to the one that `of` stands for."""

    of: Passage


class StreamedUpscaler:
    """Upscales frames in steps: `step` in the order of the frames, then `upscale` in the same order, from some threads.

    Args:
        engine: runs the network; it is warmed up here.
        output: what upscaled planes shall mean.
        size_px: (width, height) of the pictures that come, upright.
        quarter_turns: how far the picture is turned clockwise on the way.
        reuse: whether a frame equal to the last one takes its result.
        to_planes: what makes planes of pictures instead of `color.rgb_to_planes`, for this output.

    Raises GpuMemory when the GPU is too small, and TransientError when it fails.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        output: Format,
        size_px: tuple[int, int],
        quarter_turns: int = 0,
        reuse: bool = True,
        to_planes: ToPlanes | None = None,
    ) -> None:
        self._engine, self._output, self._to_planes = engine, output, to_planes
        self._quarter_turns, self._reuse = quarter_turns, reuse
        self._streams = Streams(engine.device)
        self._turn = threading.Lock()
        self._waiting: deque[Passage] = deque()
        self._last: tuple[Sequence[Plane], Passage] | None = None
        with in_our_words(), self._streams.working():
            self.notes = engine.warm_up(*size_px)
            """How the network is run here."""

    def step(self, planes: Sequence[Plane], source: Format) -> Passage | Repeat:
        """Takes the next frame, (height, width) a plane, and starts its upload. The arrays must not change any more.

        Raises GpuMemory when there is no room for it, and TransientError when the GPU fails.
        """
        if self._last is not None and self._reuse:
            before, passage = self._last
            if passage.format == source and all(map(np.array_equal, before, planes)):
                return Repeat(passage)
        with in_our_words():
            copies, uploaded = self._streams.upload([torch.from_numpy(plane).unsqueeze(0) for plane in planes])
        passage = Passage(source, copies, uploaded)
        self._last = (planes, passage)
        self._waiting.append(passage)
        return passage

    def upscale(self, step: Passage | Repeat) -> Arrived | Repeat:
        """A frame's result, for `arrived`; to be asked for once for each step. A repeated frame waits for nothing here.

        Raises what `Engine.upscale_rgb` raises, HostCapacity when the host has no memory for the result, and
        TransientError when the GPU fails.
        """
        if isinstance(step, Repeat):
            return step
        try:
            with in_our_words():
                arrived = self._arrived(step)
        except BaseException as error:
            step.result.set_exception(error)
            raise
        step.result.set_result(arrived)
        step.planes = ()
        return arrived

    def arrived(self, upscaled: Arrived | Repeat) -> Arrived:
        """The frame of which `upscale` gave this, in order. Raises for a repeated frame what its origin raised."""
        if isinstance(upscaled, Repeat):
            return upscaled.of.result.result()._replace(busy_seconds=0.0, computed_share=0.0)
        return upscaled

    @torch.inference_mode()
    def _arrived(self, passage: Passage) -> Arrived:
        queued = self._queue_up_to(passage)
        queued.arrived.wait()
        busy_seconds = queued.computed.seconds_since(queued.begun)
        *planes, finite = queued.arriving
        if not bool(finite):
            with self._turn:
                again = self._queue(passage, exactly=True)
            again.arrived.wait()
            busy_seconds += again.computed.seconds_since(again.begun)
            *planes, _ = again.arriving
        return Arrived(tuple(plane[0].numpy() for plane in planes), busy_seconds, 1.0)

    def _queue_up_to(self, passage: Passage) -> _Queued:
        with self._turn:
            while passage.queued is None:
                each = self._waiting.popleft()
                try:
                    each.queued = self._queue(each)
                except Exception as error:  # noqa: BLE001 - raised again for the frame that it belongs to
                    each.queued = error
        if isinstance(passage.queued, Exception):
            raise passage.queued
        return passage.queued

    def _queue(self, passage: Passage, *, exactly: bool = False) -> _Queued:
        """Queues a frame's work in the streams; `exactly` computes in fp32. Tried again, once, with more room."""
        try:
            return self._queue_once(passage, exactly=exactly)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        self._engine.make_room()
        return self._queue_once(passage, exactly=exactly)

    def _queue_once(self, passage: Passage, *, exactly: bool) -> _Queued:
        with self._streams.working(passage.uploaded):
            begun = self._streams.event()
            source, output = passage.format, self._output
            rgb = planes_to_rgb(passage.planes, chroma=source.chroma, bit_depth=source.bit_depth, color=source.color)
            if self._quarter_turns:
                rgb = torch.rot90(rgb, -self._quarter_turns, dims=(2, 3))
            out = self._engine.redo(rgb) if exactly else self._engine.run(rgb)
            finite = are_finite(out)
            codes = (
                rgb_to_planes(out, chroma=output.chroma, bit_depth=output.bit_depth, color=output.color)
                if self._to_planes is None
                else self._to_planes(out)
            )
            narrow = [plane if output.bit_depth == 8 else plane.to(torch.uint16) for plane in codes]
            computed = self._streams.event()
            arriving, arrived = self._streams.download([*narrow, finite])
        return _Queued(arriving, begun, computed, arrived)


@contextmanager
def in_our_words() -> Iterator[None]:
    """Makes of torch's errors those that say whether another try or another machine may help."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise GpuMemory("out of GPU memory beside the network; use a GPU with more memory") from error
        message = str(error).strip()
        if not message.startswith(_FAILURES) or "no kernel image" in message:
            raise
        raise TransientError(f"the GPU failed ({message.splitlines()[0]}); start the job again") from error
