"""A compact network on a CPU whose convolutions take a quarter of the multiplications, bias and activation included.

By Winograd's minimal filtering (kernels/winograd.c, docs/decisions/0720), in fp32. Bits are not those of torch's
layers: which of them computes a job is planned, and stands in the fingerprint. Parts have the bits of whole pictures.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_core.errors import InputError
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.tiling import tiles
from sr_core.inference.winograd_library import TILE_PX, Layer, Library, Pixels, library, padded, seen
from sr_core.models.compact import Compact, shuffled_onto

_CHECKED_PX = (19, 23)
"""Height and width of the picture of noise on which the kernels are checked: several tiles, the last ones cut off."""
_ALLOWED_ERROR = 1e-3
_ROWS_FOR_A_THREAD = 32
"""Of a picture: fewer are not worth the start of a thread."""
INSTEAD = "take --kernels torch"


class WinogradCompact(nn.Module):
    """Maps (N, 3, H, W) to (N, 3, H·scale, W·scale), as the compact network that it is made from, in fp32 on a CPU.

    Takes as many threads as torch is told to.

    Args:
        network: its weights are copied.
        found: what computes the layers.
    """

    def __init__(self, network: Compact, found: Library) -> None:
        super().__init__()
        self.scale = network.scale
        self._outputs = network.body[-1].out_channels
        self._library = found
        (first, first_slope), *others = network.convolutions()
        assert first.bias is not None
        missing = padded(first.out_channels) - first.out_channels
        weight = F.pad(first.weight.detach().float(), (0, 0, 0, 0, 0, 0, 0, missing))
        self._first_weight = weight.contiguous(memory_format=torch.channels_last)
        self._first_bias, self._first_slope = (
            F.pad(values.detach().float(), (0, missing)) for values in (first.bias, first_slope)
        )
        self._layers = [found.layer(conv.weight, conv.bias, slope) for conv, slope in others]
        self._threads = ThreadPoolExecutor(thread_name_prefix="winograd")

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.part(x, Rectangle(0, height, 0, width))

    def part(self, x: Tensor, wanted: Rectangle, *, tile_px: int | None = None) -> Tensor:
        """What `forward` gives in a rectangle of (N, 3, H, W), to the last bit; computes what that depends on.

        By tiles of at most `tile_px` a side, so that they take less memory, if that is given.
        """
        height, width = wanted.bottom - wanted.top, wanted.right - wanted.left
        if len(x) == 1 and (tile_px is None or max(height, width) <= tile_px):
            return self._part(x, wanted)
        out = torch.empty((*x.shape[:2], height * self.scale, width * self.scale))
        for tile in tiles(width, height, tile_px=tile_px, halo_px=0):
            place = Rectangle(tile.top, tile.bottom, tile.left, tile.right)
            of_picture, of_out = place.moved(wanted.top, wanted.left), place.scaled(self.scale).inside()
            for index in range(len(x)):
                out[index][of_out] = self._part(x[index : index + 1], of_picture)[0]
        return out

    def _part(self, x: Tensor, wanted: Rectangle) -> Tensor:
        height, width = x.shape[-2:]
        first, *others = _regions(wanted, len(self._layers), height, width)
        features = self._first(x, first)
        for index, (layer, region) in enumerate(zip(self._layers, others, strict=True)):
            features = self._computed(layer, features, region, grid=_grid(index, len(self._layers)))
        details = features.values.permute(2, 0, 1)[None, : self._outputs]
        return shuffled_onto(x[wanted.inside()], details, self.scale)

    def _first(self, x: Tensor, region: Rectangle) -> Pixels:
        """The first layer, of three channels, by torch; at sides within the picture, its outermost pixels are wrong."""
        height, width = x.shape[-2:]
        around = region.grown(1, width_px=width, height_px=height)
        cut = x[around.inside()].contiguous(memory_format=torch.channels_last)
        out = F.conv2d(cut, self._first_weight, self._first_bias, padding=1)
        out = torch.prelu(out, self._first_slope)
        return Pixels(out[0].permute(1, 2, 0).contiguous(), around)

    def _computed(self, layer: Layer, features: Pixels, region: Rectangle, *, grid: int) -> Pixels:
        height, width = region.bottom - region.top, region.right - region.left
        result = Pixels(torch.empty((height, width, layer.outputs)), region)
        count = max(1, min(torch.get_num_threads(), height // _ROWS_FOR_A_THREAD))
        rows = -(-height // count // TILE_PX) * TILE_PX
        bands = [
            Pixels(band, replace(region, top=top, bottom=top + len(band)))
            for band, top in zip(torch.split(result.values, rows), range(region.top, region.bottom, rows), strict=True)
        ]
        if len(bands) == 1:
            self._library.convolve(layer, features, result, grid=grid)
        else:
            list(self._threads.map(lambda band: self._library.convolve(layer, features, band, grid=grid), bands))
        return result


def _grid(layer: int, count: int) -> int:
    """Where a layer's tiles begin: half a tile beside the next one's, so that a tile sees just two of them a side."""
    return (count - 1 - layer) % 2 * (TILE_PX // 2)


@lru_cache(maxsize=4096)
def _regions(wanted: Rectangle, count: int, height: int, width: int) -> tuple[Rectangle, ...]:
    """What is computed of each layer, the one before the `count` included, to have a rectangle of the last one's."""
    regions = [wanted]
    for layer in reversed(range(count)):
        needed = seen(regions[-1], grid=_grid(layer, count))
        regions.append(
            Rectangle(max(0, needed.top), min(height, needed.bottom), max(0, needed.left), min(width, needed.right))
        )
    return tuple(reversed(regions))


@torch.inference_mode()
def check_winograd(made: WinogradCompact, network: Compact) -> None:
    """Holds it against torch's layers, on noise. Raises InputError when they differ."""
    picture = torch.rand((1, 3, *_CHECKED_PX), generator=torch.Generator().manual_seed(1))
    exact = network(picture)
    error, allowed = float((made(picture) - exact).abs().max()), _ALLOWED_ERROR * max(1.0, float(exact.abs().max()))
    if not error <= allowed:
        raise InputError(
            f"Winograd's kernels are wrong on this CPU: off by {255 * error:.1f} codes, where {255 * allowed:.1f} are "
            f"allowed; {INSTEAD}, and report it"
        )


def accelerate(network: nn.Module) -> WinogradCompact:
    """A network by Winograd's kernels, held against torch's layers on this CPU.

    Raises InputError when it cannot be had: another architecture, or no kernels for this CPU; or when it is wrong.
    """
    if not isinstance(network, Compact):
        raise InputError(f"Winograd's kernels are for compact networks; {INSTEAD}")
    found = library()
    if found is None:
        raise InputError(f"Winograd's kernels were not compiled for this CPU (see `sr doctor`); {INSTEAD}")
    made = WinogradCompact(network, found)
    check_winograd(made, network)
    return made


def has_own_kernels() -> bool:
    """Whether this package's kernels were compiled for this CPU."""
    return library() is not None


def winograd_builds() -> tuple[tuple[str, str], ...]:
    """What of the kernels can change a bit: the library, if there is one."""
    found = library()
    return (("kernels", f"winograd {found.digest[:12]}" if found else "winograd, none"),)
