"""Upscales frames that follow one another, and computes nothing twice: what did not change is taken from before.

The result is the same to the last bit as that of computing every frame whole. That is checked, not assumed: the first
frame of which only parts are computed, and one in every `CHECK_EVERY` of them, is computed whole as well; should they
ever differ (a kernel may round otherwise for another shape), the whole one is used and nothing is reused from then on.
It knows planes as tensors; where they come from and go to is others' business.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sr_core.inference.changes import Costs, Parts, changed_cells, rectangles_to_compute
from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.engine import Engine, Upscaled
from sr_core.types import ColorInfo

CHECK_EVERY = 500
"""Partly computed frames from one check to the next: it costs a whole frame."""


class Format(NamedTuple):
    """What planes mean: see `color.planes_to_rgb`."""

    chroma: str
    bit_depth: int
    color: ColorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A frame that was upscaled."""

    upscaled: Upscaled
    planes: tuple[Tensor, ...]
    """(1, height, width) each, as `color.rgb_to_planes` gives them."""
    computed_share: float
    """What went through the network, surroundings included, over what a whole frame would be; at most 1."""
    waited_seconds: float
    """How long the thread stood still for the frame before."""


@dataclass(eq=False, slots=True)
class Step:
    """One frame in its order, to be upscaled by whichever thread comes to it."""

    planes: tuple[Tensor, ...]
    """(1, height, width) each, on the engine's device."""
    format: Format
    previous: "Step | None"
    """The frame before, if it is alike; forgotten when this one is upscaled."""
    result: "Future[Result]" = field(default_factory=Future)


class SequenceUpscaler:
    """Upscales frames in steps: `step` in the order of the frames, `upscale` in the same order or from several threads.

    Args:
        engine: runs the network.
        output: what upscaled planes shall mean.
        quarter_turns: how far the picture is turned clockwise on the way.
        reuse: whether unchanged parts are taken from the frame before.
    """

    def __init__(self, engine: Engine, *, output: Format, quarter_turns: int = 0, reuse: bool = True) -> None:
        self._engine, self._output = engine, output
        self._quarter_turns = quarter_turns
        self._lock = threading.Lock()
        self._last: Step | None = None
        self._reuse = reuse
        self._partly_computed = 0
        self.is_reuse_refuted = False
        """Whether a check has failed: parts do not come out on this machine as in the whole frame."""

    def step(self, planes: Sequence[Tensor], source: Format) -> Step:
        """Makes the next frame's step, from a tensor (1, height, width) a plane. The one before may be used by it."""
        step = Step(tuple(plane.to(self._engine.device) for plane in planes), source, None)
        last, self._last = self._last, step
        if self._reuse and last is not None and last.format == source and _sizes(last) == _sizes(step):
            step.previous = last
        return step

    @torch.inference_mode()
    def upscale(self, step: Step) -> Result:
        """Upscales one frame; once for each step. Waits for the step before if its result is needed.

        Raises what `Engine.upscale_rgb` raises, for the step before as well.
        """
        previous, step.previous = step.previous, None
        try:
            result = self._upscale(step, previous)
        except BaseException as error:
            step.result.set_exception(error)
            raise
        step.result.set_result(result)
        return result

    def _upscale(self, step: Step, previous: Step | None) -> Result:
        parts: Parts | None = None
        if previous is not None and self._reuse:
            cells = changed_cells(previous.planes, step.planes)
            if cells is None:
                before, waited_seconds = _wait(previous)
                return replace(before, computed_share=0.0, waited_seconds=waited_seconds)
            height, width = step.planes[0].shape[-2:]
            halo_px = self._engine.execution.halo_px
            parts = rectangles_to_compute(cells, Costs(width_px=width, height_px=height, halo_px=halo_px))
        chroma, bit_depth, color = step.format
        rgb = planes_to_rgb(step.planes, chroma=chroma, bit_depth=bit_depth, color=color)
        if self._quarter_turns:
            rgb = torch.rot90(rgb, -self._quarter_turns, dims=(2, 3))
        if parts is None or previous is None:
            return self._result(self._engine.upscale_whole(rgb))
        return self._upscale_parts(rgb, parts, previous)

    def _upscale_parts(self, rgb: Tensor, parts: Parts, previous: Step) -> Result:
        """The frame before with `parts`, given in the source's orientation, computed anew."""
        height, width = previous.planes[0].shape[-2:]
        turned = [part.turned(self._quarter_turns, width_px=width, height_px=height) for part in parts.rectangles]
        # Computed before the wait, so that two frames are in work at once.
        results = self._engine.upscale_parts(rgb, turned)
        before, waited_seconds = _wait(previous)
        if results is None or before.upscaled.is_redone:
            return self._result(self._engine.upscale_whole(rgb), waited_seconds=waited_seconds)
        out, scale = before.upscaled.rgb.clone(), self._engine.scale
        for part, result in zip(turned, results, strict=True):
            out[:, :, part.top * scale : part.bottom * scale, part.left * scale : part.right * scale] = result
        if self._is_to_be_checked():
            whole = self._engine.upscale_whole(rgb)
            if not torch.equal(whole.rgb, out):
                self._reuse, self.is_reuse_refuted = False, True
            return self._result(whole, waited_seconds=waited_seconds)
        patched = Upscaled(out, is_redone=False)
        return self._result(patched, computed_share=parts.share, waited_seconds=waited_seconds)

    def _result(self, upscaled: Upscaled, *, computed_share: float = 1.0, waited_seconds: float = 0.0) -> Result:
        chroma, bit_depth, color = self._output
        planes = rgb_to_planes(upscaled.rgb, chroma=chroma, bit_depth=bit_depth, color=color)
        return Result(upscaled=upscaled, planes=planes, computed_share=computed_share, waited_seconds=waited_seconds)

    def _is_to_be_checked(self) -> bool:
        with self._lock:
            self._partly_computed += 1
            return self._partly_computed % CHECK_EVERY == 1


def _sizes(step: Step) -> list[torch.Size]:
    return [plane.shape for plane in step.planes]


def _wait(step: Step) -> tuple[Result, float]:
    """A step's result, and how long it took to come."""
    started = time.monotonic()
    return step.result.result(), time.monotonic() - started
