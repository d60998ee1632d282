"""Upscales frames that follow one another, and computes nothing twice: what did not change is taken from before.

The result is the same to the last bit as that of computing every frame whole. That is checked, not assumed: of frames
of which only parts are computed some are computed whole as well (`steps.Checks`); should the two ever differ (a kernel
may round otherwise for another shape), the whole one is used and nothing is reused from then on.
It knows planes as tensors; where they come from and go to is others' business.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from sr_core.inference.changes import changed_cells
from sr_core.inference.conversion import ConversionOf, TorchConversion
from sr_core.inference.engine import Engine, Upscaled
from sr_core.inference.patches import patch, patched_planes
from sr_core.inference.rectangles import Costs, Parts, Rectangle, rectangles_to_compute
from sr_core.inference.steps import Checks, Format, Result, Step


@dataclass(eq=False, slots=True)
class LinkedStep(Step):
    """One frame, and those beside it."""

    previous: "LinkedStep | None" = None
    """The frame before, if it is alike; forgotten when this one is upscaled."""
    upscaled: Upscaled | None = None
    """Beside the result, for the frame after, which overwrites it with its own. Results may wait for long, so that this
    large picture goes with the step instead."""
    follower: "_Follower | None" = None
    """The step that has come as far as it can without this one's result."""


class _Computed(NamedTuple):
    upscaled: Upscaled
    result: Result


_Ending = Callable[[LinkedStep], _Computed]
"""Makes a frame's result of that of the frame before, which is there."""


class _Follower(NamedTuple):
    step: LinkedStep
    ending: _Ending
    busy_seconds: float
    """So far."""

    def computed_after(self, before: LinkedStep) -> _Computed | BaseException:
        """What becomes of the step, error or not."""
        started = time.monotonic()
        try:
            before.result.result()
            computed = self.ending(before)
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asks for the result
            return error
        return _busy(computed, self.busy_seconds + time.monotonic() - started)


def _busy(computed: _Computed, seconds: float) -> _Computed:
    return computed._replace(result=replace(computed.result, busy_seconds=seconds))


class SequenceUpscaler:
    """Upscales frames in steps: `step` in the order of the frames, `begin` for each of them, from any threads.

    Args:
        engine: runs the network.
        output: what upscaled planes shall mean.
        quarter_turns: how far the picture is turned clockwise on the way.
        reuse: whether unchanged parts are taken from the frame before.
        conversion: what goes from planes to RGB and back.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        output: Format,
        quarter_turns: int = 0,
        reuse: bool = True,
        conversion: ConversionOf = TorchConversion,
    ) -> None:
        self._engine = engine
        self._conversion, self._output = conversion, conversion(*output)
        self._quarter_turns = quarter_turns
        self._lock = threading.Lock()
        self._last: LinkedStep | None = None
        self._reuse = reuse
        self._checks = Checks()
        self.is_reuse_refuted = False
        """Whether a check has failed: parts do not come out on this machine as in the whole frame."""

    def step(self, planes: Sequence[Tensor], source: Format) -> LinkedStep:
        """Makes the next frame's step, from a tensor (1, height, width) a plane. The one before may be used by it."""
        step = LinkedStep(tuple(plane.to(self._engine.device) for plane in planes), source)
        last, self._last = self._last, step
        if self._reuse and last is not None and last.is_like(step):
            step.previous = last
        return step

    def upscale(self, step: LinkedStep) -> Result:
        """`begin`, and waits for the result. Raises what `Engine.upscale_rgb` raises, for the step before as well."""
        return self.begin(step).result()

    def begin(self, step: LinkedStep) -> "Future[Result]":
        """Does of a frame what can be done by now, and waits for nobody; once for each step.

        Where the result of the step before is needed and not there yet, the thread that ends that one ends this one.
        """
        previous, step.previous = step.previous, None
        started = time.monotonic()
        try:
            ending = self._computed(step, previous)
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asks for the result
            self._end(step, error)
            return step.result
        busy_seconds = time.monotonic() - started
        if previous is None or isinstance(ending, _Computed):
            assert isinstance(ending, _Computed)
            self._end(step, _busy(ending, busy_seconds))
            return step.result
        follower = _Follower(step, ending, busy_seconds)
        with self._lock:
            if not previous.result.done():
                previous.follower = follower
                return step.result
        self._end(step, follower.computed_after(previous))
        return step.result

    def _end(self, step: LinkedStep, computed: _Computed | BaseException) -> None:
        """Gives a step its result, and those that have only waited for it theirs: one after another, however many."""
        while True:
            if isinstance(computed, BaseException):
                step.result.set_exception(computed)
            else:
                step.upscaled = computed.upscaled
                step.result.set_result(computed.result)
            with self._lock:
                follower, step.follower = step.follower, None
            if follower is None:
                return
            computed, step = follower.computed_after(step), follower.step

    @torch.inference_mode()
    def _computed(self, step: LinkedStep, previous: LinkedStep | None) -> _Computed | _Ending:
        """A frame's result, or what makes it of that of the frame before."""
        height, width = step.planes[0].shape[-2:]
        parts: Parts | None = None
        if previous is not None and self._reuse:
            cells = changed_cells(previous.planes, step.planes)
            if cells is None:
                return _repeated
            how = self._engine.execution
            # What is computed at once lies otherwise in a picture that was turned.
            askew_px = how.multiple_px - 1 if self._quarter_turns else 0
            costs = Costs(
                width_px=width,
                height_px=height,
                halo_px=how.halo_px + askew_px,
                step_px=how.multiple_px,
                narrows=self._engine.narrows,
            )
            parts = rectangles_to_compute(cells, costs)
        rgb = step.rgb(self._conversion, quarter_turns=self._quarter_turns)
        if parts is None:
            return self._whole(rgb)
        turned = [part.turned(self._quarter_turns, width_px=width, height_px=height) for part in parts.rectangles]
        contents = self._engine.upscale_parts(rgb, turned)
        if contents is None:
            return self._whole(rgb)
        return partial(self._patched, rgb, turned, contents, parts.share)

    @torch.inference_mode()
    def _patched(
        self, rgb: Tensor, parts: list[Rectangle], contents: list[Tensor], share: float, before: LinkedStep
    ) -> _Computed:
        """The frame before with `parts` replaced, in the result's orientation; `rgb` is the picture to be upscaled."""
        upscaled = before.upscaled
        assert upscaled is not None, "a step that has its result has its picture"
        if upscaled.is_redone or self.is_reuse_refuted:
            return self._whole(rgb)
        places = [part.scaled(self._engine.scale) for part in parts]
        patch(upscaled.rgb, places, contents)
        planes = patched_planes(before.result.result().planes, upscaled.rgb, places, self._output)
        if self._checks.is_due():
            whole = self._whole(rgb)
            same = torch.equal(whole.upscaled.rgb, upscaled.rgb) and all(map(torch.equal, whole.result.planes, planes))
            if not same:
                self._reuse, self.is_reuse_refuted = False, True
            return whole
        return _Computed(upscaled, Result(planes=planes, computed_share=share))

    def _whole(self, rgb: Tensor) -> _Computed:
        upscaled = self._engine.upscale_whole(rgb)
        return _Computed(upscaled, Result(planes=self._output.planes(upscaled.rgb)))


def _repeated(before: LinkedStep) -> _Computed:
    """What an equal frame takes over."""
    assert before.upscaled is not None, "a step that has its result has its picture"
    return _Computed(before.upscaled, replace(before.result.result(), computed_share=0.0))
