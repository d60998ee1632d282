"""Upscales single pictures of any size, one at a time, as a job with the same settings upscales frames.

A frame's way through a device is made for pictures of one size that follow one another (`upscaler`); a still comes
alone, so all of the device works on it.
"""

import threading
from pathlib import Path

import numpy as np
import torch

from sr_core.cores import core_count
from sr_core.heap import keep_freed_memory
from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.device import device_name
from sr_core.inference.engine import Engine
from sr_core.inference.numerics import settle_gpu_numerics
from sr_core.inference.settling import settle
from sr_core.inference.streamed import in_our_words
from sr_core.models.loading import load
from sr_core.planning import check_scale, execution
from sr_core.types import ColorInfo, ModelSpec, Settings
from sr_core.video.formats import PixelFormat
from sr_core.video.frames import Planes

_GRAY = ColorInfo(matrix="bt709", range="full", primaries=2, transfer=2)
_RGB = ColorInfo(matrix="rgb", range="full", primaries=2, transfer=2)
_WARM_SIDE_PX = 640
"""Of the first picture: a whole tile, so that what is prepared for a shape is there for most."""


class StillUpscaler:
    """A network, ready for pictures.

    Args:
        model: the network.
        weights: its weights file; None for one that ships with the package.
        settings: device, precision, kernels and tile, where they are not to be chosen.
        max_px: width × height of the largest picture that will come.

    Raises InputError when the settings do not go together, or with this machine, and InputError or IntegrityError when
    the weights are not usable, see `models.loading.load`.
    """

    def __init__(self, model: ModelSpec, weights: Path | None, settings: Settings, *, max_px: int) -> None:
        check_scale(settings, model)
        how = execution(settle(settings, model), model, "local", picture_px=max_px)
        if how.device == "cpu":
            keep_freed_memory()
        else:
            settle_gpu_numerics()
        self.model = model
        device = f"{how.device} {device_name(how.device)}"
        self.description = f"{model.name} (×{model.scale}) on {device} in {how.precision} by {how.kernels}"
        """For people: the network, and what it runs on."""
        self._engine = Engine(load(model, weights), how, scale=model.scale)
        self._turn = threading.Lock()

    def warm_up(self) -> None:
        """Runs the network once: whatever is wrong with it or the device shows now. Raises what `upscale` raises."""
        side = np.zeros((_WARM_SIDE_PX, _WARM_SIDE_PX), np.uint8)
        self.upscale(Planes(PixelFormat("gray", "gray", 8), (side,)))

    @torch.inference_mode()
    def upscale(self, picture: Planes) -> Planes:
        """The picture, grey or RGB, full range, in its own format; from any thread, and the second waits for the first.

        Raises:
            GpuMemory, HostCapacity: out of memory at the smallest tile.
            IntegrityError: the result is not finite in fp32 either.
            TransientError: the GPU failed.
        """
        form, color = picture.format, _GRAY if picture.format.chroma == "gray" else _RGB
        with self._turn, in_our_words():
            if self._engine.device.type == "cpu":
                torch.set_num_threads(core_count())
            planes = [torch.from_numpy(plane).unsqueeze(0).to(self._engine.device) for plane in picture.planes]
            rgb = planes_to_rgb(planes, chroma=form.chroma, bit_depth=form.bit_depth, color=color)
            out = self._engine.upscale_rgb(rgb)
            codes = rgb_to_planes(out, chroma=form.chroma, bit_depth=form.bit_depth, color=color)
            return Planes(form, tuple(plane[0].cpu().numpy() for plane in codes))
