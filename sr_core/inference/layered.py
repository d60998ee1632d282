"""Upscales frames that follow one another through layers whose results are kept, and computes nothing twice.

Of each layer only the tiles are computed anew that what changed can reach, and overwrite what the frame before left
there. Tiles come out to the last bit as in a whole frame, which is checked, not assumed, as in `sequence`: this is
another way to the same result, for kernels that compute by tiles. Where everything moves, nothing is kept.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sr_core.cores import core_count
from sr_core.inference.affected import Tiles, changed, chosen, first_affected, next_affected, rectangles, share_affected
from sr_core.inference.changes import Cells, changed_cells, turned
from sr_core.inference.conversion import ConversionOf, TorchConversion
from sr_core.inference.engine import Engine, is_finite
from sr_core.inference.memory import is_out_of_memory
from sr_core.inference.passage import LEAST_BEHIND, Broken, Passage
from sr_core.inference.patches import patched_planes
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.steps import Checks, Format, Result, Step
from sr_core.inference.winograd import Kept, WinogradCompact

MOST_WORTHWHILE = 0.9
"""Above this share of all tiles, a frame is computed whole."""


@dataclass(eq=False, slots=True)
class _Entered:
    """A frame on its way through the layers."""

    step: Step
    passage: Passage
    kept: Kept
    cells: Cells | None
    """Of the picture, where it differs from the one that is in `kept`; None where it has nothing to do with it."""
    before: Step | None
    """The frame that is there."""
    beside_seconds: float = 0.0
    """For how much longer threads that share it were at work, together, than it took."""


class LayeredUpscaler:
    """Upscales frames in steps: `step` in the order of the frames, `begin` for each of them, from any threads.

    Args:
        engine: runs the network.
        network: the engine's own.
        output: what upscaled planes shall mean.
        quarter_turns: how far the picture is turned clockwise on the way.
        conversion: what makes RGB of planes, and planes of RGB.
    """

    def __init__(
        self,
        engine: Engine,
        network: WinogradCompact,
        *,
        output: Format,
        quarter_turns: int = 0,
        conversion: ConversionOf = TorchConversion,
    ) -> None:
        self._engine, self._network = engine, network
        self._conversion, self._output = conversion, conversion(*output)
        self._quarter_turns = quarter_turns
        self._threads = -(-core_count() // (network.layer_count // LEAST_BEHIND + 1))
        """For each frame: there are machines with more cores than frames that can follow one another.

        Rounded up: frames wait for one another, so that with as many threads as cores some of these would idle.
        """
        self._lock = threading.Lock()
        self._last: Step | None = None
        self._entered: _Entered | None = None
        """The last frame on its way through the layers, or through them."""
        self._kept: Kept | None = None
        self._keeps = True
        self._checks = Checks()
        self.is_reuse_refuted = False
        """Whether a check has failed: tiles do not come out on this machine as in the whole frame."""

    def step(self, planes: Sequence[Tensor], source: Format) -> Step:
        """Makes the next frame's step, from a tensor (1, height, width) a plane."""
        return Step(tuple(planes), source)

    def upscale(self, step: Step) -> Result:
        """`begin`, and waits for the result. Raises what `Engine.upscale_rgb` raises."""
        return self.begin(step).result()

    @torch.inference_mode()
    def begin(self, step: Step) -> "Future[Result]":
        """Upscales a frame, once for each step; frames are best begun in their order.

        One that is equal to the frame begun before does not wait for that, but has its result, or its error, with it.
        """
        started = time.monotonic()
        try:
            with self._lock:
                way = self._way(step)
            if isinstance(way, Step):
                way.result.add_done_callback(lambda before: _repeat(before, step.result))
                return step.result
            result = self._by_itself(step) if way is None else self._through_layers(way)
            beside_seconds = 0.0 if way is None else way.beside_seconds - way.passage.waited_seconds
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asks for the result
            step.result.set_exception(error)
        else:
            step.result.set_result(replace(result, busy_seconds=time.monotonic() - started + beside_seconds))
        return step.result

    def _way(self, step: Step) -> _Entered | Step | None:
        """How a frame goes: through the layers, or by itself; or the frame begun before, if it is equal."""
        before, self._last = self._last, step
        entered = self._entered
        ahead = entered if entered is not None and entered.step is before else None
        cells: Cells | None = None
        if before is not None and before.is_like(step):
            cells = changed_cells(before.planes, step.planes)
            if cells is None:
                self._last = before
                return before
            cells = self._turned(cells, step)
            if share_affected(cells, self._network.layer_count) > MOST_WORTHWHILE:
                cells = None
        # What is all new may be the first of many that are alike: a scene that follows one, or a key frame.
        is_kept = cells is not None or (ahead is not None and ahead.cells is not None)
        kept = self._room(step) if is_kept and self._keeps else None
        if kept is None:
            return None
        builds_on_it = cells is not None and ahead is not None and not ahead.passage.is_broken
        passage = Passage(entered.passage if entered is not None else None, builds_on_it=builds_on_it)
        there = (cells, before) if builds_on_it else (None, None)
        self._entered = _Entered(step, passage, kept, *there)
        return self._entered

    def _turned(self, cells: Cells, step: Step) -> Cells:
        height, width = step.planes[0].shape[-2:]
        return turned(cells, self._quarter_turns, width_px=width, height_px=height)

    def _room(self, step: Step) -> Kept | None:
        """What layers write to, for frames of that size; None when there is no memory for it."""
        height, width = step.planes[0].shape[-2:]
        if self._quarter_turns % 2:
            height, width = width, height
        if self._kept is None or self._kept.result.part != Rectangle(0, height, 0, width):
            try:
                self._kept = self._network.kept(height, width)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._kept, self._keeps = None, False
        return self._kept

    def _rgb(self, step: Step) -> Tensor:
        return step.rgb(self._conversion, quarter_turns=self._quarter_turns)

    def _by_itself(self, step: Step) -> Result:
        return Result(planes=self._output.planes(self._engine.upscale_rgb(self._rgb(step))))

    def _through_layers(self, entered: _Entered) -> Result:
        try:
            with entered.passage:
                return self._layered(entered)
        except Broken:
            pass
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        return self._by_itself(entered.step)

    def _layered(self, entered: _Entered) -> Result:
        """Raises Broken when the frame ahead has left nothing to build on, or what comes out is not finite."""
        rgb = self._rgb(entered.step)
        tiles, share = self._compute_layers(rgb[0].contiguous(), entered)
        picture = entered.kept.result.samples[None]
        if tiles is None:
            if not is_finite(picture):
                raise Broken
            return Result(planes=self._output.planes(picture))
        height, width = rgb.shape[-2:]
        parts = [part.scaled(self._engine.scale) for part in rectangles(tiles, width_px=width, height_px=height)]
        if not all(is_finite(picture[part.inside()]) for part in parts):
            raise Broken
        assert entered.before is not None
        planes = patched_planes(entered.before.result.result().planes, picture, parts, self._output)
        if self._checks.is_due():
            self._check(rgb, picture, planes)
            share = 1.0
        return Result(planes=planes, computed_share=share)

    def _compute_layers(self, picture: Tensor, entered: _Entered) -> tuple[Tiles | None, float]:
        """Has a picture (3, height, width) computed in `kept`, where it is otherwise than the one that is there.

        Returns the last layer's tiles that have changed, None for all, and the share of tiles that were computed.
        """
        height, width = picture.shape[1:]
        tiles: Tiles | None = None
        computed = total = 0
        for index in range(self._network.layer_count):
            entered.passage.wait_to_write(index)
            grid, part = self._network.grid_of(index), None
            if entered.cells is not None:
                if tiles is None:
                    tiles = first_affected(entered.cells, grid=grid)
                else:
                    tiles = next_affected(tiles, grid=grid, height_px=height, width_px=width)
                if index == self._network.layer_count - 1:  # it adds the picture, whatever became of that on the way
                    tiles |= first_affected(entered.cells, grid=grid)
                part = chosen(tiles)
                computed, total = computed + len(part.tiles), total + tiles.size
            beside_seconds = self._network.compute_layer(index, picture, entered.kept, part, threads=self._threads)
            entered.beside_seconds += beside_seconds
            if tiles is not None and part is not None:
                tiles = changed(tiles, part)
            entered.passage.reach(index + 1)
        return tiles, computed / total if total else 1.0

    def _check(self, rgb: Tensor, picture: Tensor, planes: tuple[Tensor, ...]) -> None:
        """Holds a frame against the whole one. Raises Broken, and keeps nothing from then on, when they differ."""
        whole = self._engine.upscale_rgb(rgb)
        if torch.equal(whole, picture) and all(map(torch.equal, self._output.planes(whole), planes)):
            return
        self.is_reuse_refuted, self._keeps = True, False
        raise Broken


def _repeat(before: "Future[Result]", result: "Future[Result]") -> None:
    """Gives what came of an equal frame to the one after it."""
    error = before.exception()
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(replace(before.result(), computed_share=0.0, busy_seconds=0.0))
