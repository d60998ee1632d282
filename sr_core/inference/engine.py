"""Runs a network over pictures, whole or in parts: RGB in, upscaled RGB out.

Nothing is dropped: out of memory means smaller tiles, down to `SMALLEST_TILE_PX`; a result that is not finite is
computed again in fp32. Several threads may use one engine at once, but not one that is warmed up. It does not know
where pictures come from or go to.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sr_core.errors import GpuMemory, HostCapacity, IntegrityError
from sr_core.inference.blending import run_blended
from sr_core.inference.cuda_graphs import CudaGraphs
from sr_core.inference.fused import fuse
from sr_core.inference.memory import is_out_of_memory
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.tiling import Tile, tiles
from sr_core.inference.winograd import WinogradCompact, accelerate
from sr_core.models.compact import Compact, Margins
from sr_core.types import Execution

SMALLEST_TILE_PX = 64
GPU_BATCH_PX = 512 * 512
"""Tiles of one shape go through a GPU together up to so many pixels, halo included: enough for 2,048 thread blocks of a
convolution, where the largest GPU has 132 processors. Fixed, not measured: in another batch bits may differ."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Network = Callable[[Tensor], Tensor]


class Upscaled(NamedTuple):
    """What became of a picture."""

    rgb: Tensor
    """float32 (N, 3, H·scale, W·scale), on the engine's device."""
    is_redone: bool
    """Whether it was computed in fp32 because the first result was not finite."""


class Engine:
    """A network on a device at a precision.

    Args:
        network: maps (N, 3, H, W) in [0, 1] to (N, 3, H·scale, W·scale).
        execution: device, precision, tile and halo, as the plan has them.
        scale: the network's factor.
        batch_px: how many pixels of equal tiles are run at once; None for what suits the device.

    Raises InputError when it is to be run by this package's kernels and cannot be.
    """

    def __init__(self, network: nn.Module, execution: Execution, *, scale: int, batch_px: int | None = None) -> None:
        self.scale = scale
        self.execution = execution
        self.tile_px = execution.tile_px
        """May become smaller than the plan's after the device ran out of memory; the pixels stay the same."""
        self.redone_frames = 0
        """Frames computed again in fp32 because the first result was not finite."""
        self.device = torch.device(execution.device)
        self._batch_px = (GPU_BATCH_PX if execution.device == "cuda" else 0) if batch_px is None else batch_px
        self._lock = threading.Lock()
        self._fp32 = network.eval().requires_grad_(requires_grad=False)
        self._exact: nn.Module | None = None
        self._graphs: CudaGraphs | None = None
        self._network: Network = self._fastest(network)

    def _fastest(self, network: nn.Module) -> nn.Module:
        """The network as the plan has it run."""
        match self.execution.kernels:
            case "fused":
                return fuse(network, self.execution.precision, self.device)
            case "winograd":
                return accelerate(network)
        return self._prepare(copy.deepcopy(network), _DTYPES[self.execution.precision])

    def _prepare(self, network: nn.Module, dtype: torch.dtype) -> nn.Module:
        prepared: nn.Module = network.to(device=self.device, dtype=dtype)
        return prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # not in torch's stubs

    def upscale_rgb(self, rgb: Tensor) -> Tensor:
        """float32 (N, 3, H, W) to float32 (N, 3, H·scale, W·scale), on the engine's device.

        Raises:
            GpuMemory, HostCapacity: out of memory at the smallest tile.
            IntegrityError: the result is not finite in fp32 either.
        """
        return self.upscale_whole(rgb).rgb

    @torch.inference_mode()
    def upscale_whole(self, rgb: Tensor) -> Upscaled:
        """Does what `upscale_rgb` does, and says whether it took fp32."""
        rgb = rgb.to(self.device)
        out = self.run(rgb)
        if is_finite(out):
            return Upscaled(out, is_redone=False)
        return Upscaled(self.redo(rgb), is_redone=True)

    @torch.inference_mode()
    def run(self, rgb: Tensor) -> Tensor:
        """Does what `upscale_rgb` does, but looks at nothing that was computed, and so waits for no GPU.

        Raises GpuMemory or HostCapacity when out of memory at the smallest tile.
        """
        return self._run_tiles(self._network, rgb)

    @torch.inference_mode()
    def redo(self, rgb: Tensor) -> Tensor:
        """Upscales in fp32 a picture for which `run` gave what is not finite. Raises what `upscale_rgb` raises."""
        with self._lock:
            self.redone_frames += rgb.shape[0]
        out = self._run_tiles(self._exact_network(), rgb)
        if not is_finite(out):
            raise IntegrityError("the network's output is not finite even in fp32; the weights are unusable")
        return out

    @torch.inference_mode()
    def warm_up(
        self, width_px: int, height_px: int, graphs: Callable[[nn.Module], CudaGraphs] = CudaGraphs
    ) -> tuple[str, ...]:
        """Prepares for pictures of that size, before the first of them: finds the tile that memory allows, and which of
        their shapes are replayed. From then on pictures must be given one after another, in one stream.

        Returns what was decided. Raises GpuMemory or HostCapacity when out of memory at the smallest tile.
        """
        network = self._network
        assert isinstance(network, nn.Module), "an engine is warmed up once"
        shapes: list[torch.Size] = []

        def noted(batch: Tensor) -> Tensor:
            shapes.append(batch.shape)
            result: Tensor = network(batch)
            return result

        tile_px: int | None = -1
        while tile_px != self.tile_px:
            tile_px, shapes[:] = self.tile_px, []
            self._run_tiles(noted, torch.rand((1, 3, height_px, width_px), device=self.device))
        self._network = self._graphs = graphs(network)
        self._graphs.prepare(shapes, self.device)
        return self._graphs.notes

    @property
    def narrows(self) -> bool:
        """Whether a part of a picture costs less than a picture of the size that is seen for it."""
        return isinstance(self._network, Compact | WinogradCompact)

    @property
    def by_winograd(self) -> WinogradCompact | None:
        """The network, where it is computed by Winograd's kernels."""
        return self._network if isinstance(self._network, WinogradCompact) else None

    @torch.inference_mode()
    def upscale_parts(self, rgb: Tensor, parts: Sequence[Rectangle]) -> list[Tensor] | None:
        """Upscales only some rectangles of a picture, float32 (N, 3, H, W), each seen with its surroundings.

        Returns:
            float32 (N, 3, height·scale, width·scale) for each rectangle; None when one of them is not finite.

        Raises GpuMemory or HostCapacity when out of memory at the smallest tile.
        """
        rgb = rgb.to(self.device)
        results = []
        for part in parts:
            out = self._run_part(rgb, part)
            if not is_finite(out):
                return None
            results.append(out)
        return results

    def _run_part(self, rgb: Tensor, part: Rectangle) -> Tensor:
        """Upscales a rectangle of a picture, seen with its surroundings."""
        network, (height, width) = self._network, rgb.shape[-2:]
        if isinstance(network, WinogradCompact):
            return self._in_memory(
                lambda tile_px: network.part(rgb, part, tile_px=tile_px), largest_px=max(height, width)
            )
        seen = part.grown(self.execution.halo_px, width_px=width, height_px=height)
        margins = Margins(
            part.top - seen.top, seen.bottom - part.bottom, part.left - seen.left, seen.right - part.right
        )
        return self._run_inside(rgb[seen.inside()], margins)

    def _run_inside(self, rgb: Tensor, margins: Margins) -> Tensor:
        """Upscales what is inside of the margins."""
        is_one_tile = self.tile_px is None or max(rgb.shape[-2:]) <= self.tile_px
        if isinstance(self._network, Compact) and is_one_tile:
            try:
                return self._network.inside(rgb.contiguous(memory_format=torch.channels_last), margins).float()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
        out = self._run_tiles(self._network, rgb)
        return Margins(*(side * self.scale for side in margins)).removed_from(out)

    def _run_tiles(self, network: Network, rgb: Tensor) -> Tensor:
        return self._in_memory(
            lambda tile_px: self._run_tiles_once(network, rgb, tile_px), largest_px=max(rgb.shape[-2:])
        )

    def _in_memory(self, run: Callable[[int | None], Tensor], *, largest_px: int) -> Tensor:
        """Runs something by tiles of the size that memory allows; of something so large."""
        while True:
            tile_px = self.tile_px
            try:
                return run(tile_px)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            self._shrink_tiles(tile_px, largest_px=largest_px)

    def _run_tiles_once(self, network: Network, rgb: Tensor, tile_px: int | None) -> Tensor:
        count, _, height, width = rgb.shape
        if isinstance(network, WinogradCompact):
            return network.part(rgb, Rectangle(0, height, 0, width), tile_px=tile_px)
        if tile_px is None:
            result: Tensor = network(rgb.contiguous(memory_format=torch.channels_last)).float()
            return result
        scale = self.scale
        if not self.execution.halo_is_exact:
            overlap_px, multiple_px = self.execution.halo_px, self.execution.multiple_px
            return run_blended(
                network, rgb, tile_px=tile_px, overlap_px=overlap_px, multiple_px=multiple_px, scale=scale
            )
        out = torch.empty((count, 3, height * scale, width * scale), dtype=torch.float32, device=rgb.device)
        for batch in self._batches(list(tiles(width, height, tile_px=tile_px, halo_px=self.execution.halo_px))):
            pieces = [
                rgb[:, :, tile.padded_top : tile.padded_bottom, tile.padded_left : tile.padded_right] for tile in batch
            ]
            piece = torch.cat(pieces) if len(pieces) > 1 else pieces[0]
            results = network(piece.contiguous(memory_format=torch.channels_last)).split(count)  # type: ignore[no-untyped-call]
            for tile, result in zip(batch, results, strict=True):
                top, left = (tile.top - tile.padded_top) * scale, (tile.left - tile.padded_left) * scale
                rows, columns = (tile.bottom - tile.top) * scale, (tile.right - tile.left) * scale
                out[:, :, tile.top * scale : tile.bottom * scale, tile.left * scale : tile.right * scale] = result[
                    :, :, top : top + rows, left : left + columns
                ]
        return out

    def _batches(self, grid: list[Tile]) -> list[list[Tile]]:
        """Groups tiles that are run at once: of one shape, and as many as `batch_px` allows."""
        batches = []
        for (height, width), alike in groupby(sorted(grid, key=_padded_size), key=_padded_size):
            same, at_once = list(alike), max(1, self._batch_px // (height * width))
            batches += [same[start : start + at_once] for start in range(0, len(same), at_once)]
        return batches

    def _shrink_tiles(self, failed_px: int | None, *, largest_px: int) -> None:
        """Halves the tile that was too large, once, whichever thread comes first.

        Raises GpuMemory or HostCapacity when it is the smallest already.
        """
        with self._lock:
            if self.tile_px != failed_px:
                return
            current = min(failed_px or largest_px, largest_px)
            if current <= SMALLEST_TILE_PX:
                if self.device.type == "cuda":
                    raise GpuMemory(f"out of GPU memory at a tile of {current} px; use a GPU with more memory")
                raise HostCapacity(f"out of memory at a tile of {current} px; use a machine with more memory")
            self.tile_px = max(SMALLEST_TILE_PX, -(-current // 2))
            self._batch_px = 0
            self.make_room()

    def make_room(self) -> None:
        """Gives back the device's memory that is held for speed alone."""
        if self._graphs is not None:
            self._graphs.forget()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _exact_network(self) -> nn.Module:
        """The network in fp32, prepared when it is first needed."""
        with self._lock:
            if self._exact is None:
                self._exact = self._prepare(copy.deepcopy(self._fp32), torch.float32)
            return self._exact


def is_finite(values: Tensor) -> bool:
    """Whether all are. Waits for a GPU."""
    return bool(are_finite(values))


def are_finite(values: Tensor) -> Tensor:
    """The same as one bool on the device: their sum is read once, and no finite pictures add up to infinity in fp32."""
    return torch.isfinite(values.sum())


def _padded_size(tile: Tile) -> tuple[int, int]:
    return tile.padded_bottom - tile.padded_top, tile.padded_right - tile.padded_left
