"""Runs a network over frames: planes in, upscaled planes out.

Nothing is dropped: out of memory means smaller tiles, down to `SMALLEST_TILE_PX`; a result that is not finite is
computed again in fp32. Several threads may use one engine at once. It does not know where frames come from or go to.
"""

import copy
import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sr_core.errors import GpuMemory, HostCapacity, IntegrityError
from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.tiling import tiles
from sr_core.types import ColorInfo, Execution

SMALLEST_TILE_PX = 64
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """A network on a device at a precision.

    Args:
        network: maps (N, 3, H, W) in [0, 1] to (N, 3, H·scale, W·scale).
        execution: device, precision, tile and halo, as the plan has them.
        scale: the network's factor.
    """

    def __init__(self, network: nn.Module, execution: Execution, *, scale: int) -> None:
        self.scale = scale
        self.execution = execution
        self.tile_px = execution.tile_px
        """May become smaller than the plan's after the device ran out of memory; the pixels stay the same."""
        self.redone_frames = 0
        """Frames computed again in fp32 because the first result was not finite."""
        self._device = torch.device(execution.device)
        self._lock = threading.Lock()
        self._fp32 = network.eval().requires_grad_(requires_grad=False)
        self._exact: nn.Module | None = None
        self._network = self._prepare(copy.deepcopy(network), _DTYPES[execution.precision])

    def _prepare(self, network: nn.Module, dtype: torch.dtype) -> nn.Module:
        prepared: nn.Module = network.to(device=self._device, dtype=dtype)
        return prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # not in torch's stubs

    @torch.inference_mode()
    def upscale_rgb(self, rgb: Tensor) -> Tensor:
        """float32 (N, 3, H, W) to float32 (N, 3, H·scale, W·scale), on the engine's device.

        Raises:
            GpuMemory, HostCapacity: out of memory at the smallest tile.
            IntegrityError: the result is not finite in fp32 either.
        """
        rgb = rgb.to(self._device)
        out = self._run_tiles(self._network, rgb)
        if not bool(torch.isfinite(out).all()):
            with self._lock:
                self.redone_frames += rgb.shape[0]
            out = self._run_tiles(self._exact_network(), rgb)
            if not bool(torch.isfinite(out).all()):
                raise IntegrityError("the network's output is not finite even in fp32; the weights are unusable")
        return out

    @torch.inference_mode()
    def upscale_planes(
        self,
        planes: Sequence[Tensor],
        *,
        source: tuple[str, int, ColorInfo],
        output: tuple[str, int, ColorInfo],
        quarter_turns: int = 0,
    ) -> tuple[Tensor, ...]:
        """Planes (N, h, w) of the source to planes of the output, both described by (chroma, bit depth, colour).

        `quarter_turns` turns the picture clockwise on the way. Raises what `upscale_rgb` raises.
        """
        chroma, bit_depth, color = source
        moved = [plane.to(self._device) for plane in planes]
        rgb = planes_to_rgb(moved, chroma=chroma, bit_depth=bit_depth, color=color)
        if quarter_turns:
            rgb = torch.rot90(rgb, -quarter_turns, dims=(2, 3))
        chroma, bit_depth, color = output
        return rgb_to_planes(self.upscale_rgb(rgb), chroma=chroma, bit_depth=bit_depth, color=color)

    def _run_tiles(self, network: nn.Module, rgb: Tensor) -> Tensor:
        while True:
            tile_px = self.tile_px
            try:
                return self._run_tiles_once(network, rgb, tile_px)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
            self._shrink_tiles(tile_px, largest_px=max(rgb.shape[-2:]))

    def _run_tiles_once(self, network: nn.Module, rgb: Tensor, tile_px: int | None) -> Tensor:
        count, _, height, width = rgb.shape
        if tile_px is None:
            result: Tensor = network(rgb.contiguous(memory_format=torch.channels_last)).float()
            return result
        scale = self.scale
        out = torch.empty((count, 3, height * scale, width * scale), dtype=torch.float32, device=rgb.device)
        for tile in tiles(width, height, tile_px=tile_px, halo_px=self.execution.halo_px):
            piece = rgb[:, :, tile.padded_top : tile.padded_bottom, tile.padded_left : tile.padded_right]
            result = network(piece.contiguous(memory_format=torch.channels_last))
            top, left = (tile.top - tile.padded_top) * scale, (tile.left - tile.padded_left) * scale
            rows, columns = (tile.bottom - tile.top) * scale, (tile.right - tile.left) * scale
            out[:, :, tile.top * scale : tile.bottom * scale, tile.left * scale : tile.right * scale] = result[
                :, :, top : top + rows, left : left + columns
            ]
        return out

    def _shrink_tiles(self, failed_px: int | None, *, largest_px: int) -> None:
        """Halves the tile that was too large, once, whichever thread comes first.

        Raises GpuMemory or HostCapacity when it is the smallest already.
        """
        with self._lock:
            if self.tile_px != failed_px:
                return
            current = min(failed_px or largest_px, largest_px)
            if current <= SMALLEST_TILE_PX:
                if self._device.type == "cuda":
                    raise GpuMemory(f"out of GPU memory at a tile of {current} px; use a GPU with more memory")
                raise HostCapacity(f"out of memory at a tile of {current} px; use a machine with more memory")
            self.tile_px = max(SMALLEST_TILE_PX, -(-current // 2))
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _exact_network(self) -> nn.Module:
        """The network in fp32, prepared when it is first needed."""
        with self._lock:
            if self._exact is None:
                self._exact = self._prepare(copy.deepcopy(self._fp32), torch.float32)
            return self._exact


def _is_out_of_memory(error: BaseException) -> bool:
    """Allocation failures of the CPU come as a plain RuntimeError that says so."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
