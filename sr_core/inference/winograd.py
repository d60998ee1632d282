"""A compact network on a CPU whose convolutions take a quarter of the multiplications, bias and activation included.

By Winograd's minimal filtering (kernels/winograd.c, docs/decisions/0720), in fp32. Bits are not those of torch's
layers: which of them computes a job is planned, and stands in the fingerprint. On all CPUs they are the same, and
parts have those of whole pictures.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from sr_core.errors import InputError
from sr_core.inference.own_kernels import source_digest
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.tiling import tiles
from sr_core.inference.winograd_library import (
    TILE_PX,
    Chosen,
    Enlarged,
    Layer,
    Library,
    Pixels,
    library,
    seen,
    tile_count,
)
from sr_core.models.compact import Compact

_CHECKED_PX = (19, 23)
"""Height and width of the picture of noise on which the kernels are checked: several tiles, the last ones cut off."""
_CHECKED = ((16, 2), (32, 4), (48, 2), (64, 4))
"""Features and scale of the networks of noise: for each number of channels the kernels have a multiplication."""
_ALLOWED_ERROR = 1e-3
"""Of values of the order of 1, which are off by 1e-5 when all is right."""
_ROWS_FOR_A_THREAD = 32
"""Of a picture: fewer are not worth the start of a thread."""
_TILES_FOR_A_THREAD = 512
"""Of a layer, likewise."""
_COLORS = 3
INSTEAD = "take --kernels torch"
Share = TypeVar("Share")


class Kept(NamedTuple):
    """What the layers of a network gave for a whole picture."""

    features: tuple[Pixels, ...]
    """Of each layer but the last."""
    result: Enlarged


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
        self._library = found
        first, *others, last = ((conv.weight, conv.bias, slope) for conv, slope in network.convolutions())
        self._first = found.first_layer(*first)
        self._inner = [found.layer(*each) for each in others]
        self._last = found.layer(*last)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.part(x, Rectangle(0, height, 0, width))

    def part(self, x: Tensor, wanted: Rectangle, *, tile_px: int | None = None) -> Tensor:
        """What `forward` gives in a rectangle of (N, 3, H, W), to the last bit; computes what that depends on.

        By tiles of at most `tile_px` a side, so that they take less memory, if that is given.
        """
        height, width = wanted.bottom - wanted.top, wanted.right - wanted.left
        out = torch.empty((*x.shape[:2], height * self.scale, width * self.scale))
        for picture, result in zip(x.float(), out, strict=True):
            planes = picture.contiguous()
            if tile_px is None or max(height, width) <= tile_px:
                self._compute(planes, Enlarged(result, wanted, self.scale))
                continue
            for tile in tiles(width, height, tile_px=tile_px, halo_px=0):
                place = Rectangle(tile.top, tile.bottom, tile.left, tile.right)
                inside = place.scaled(self.scale).inside()
                part = torch.empty_like(result[inside], memory_format=torch.contiguous_format)
                self._compute(planes, Enlarged(part, place.moved(wanted.top, wanted.left), self.scale))
                result[inside] = part
        return out

    def _compute(self, planes: Tensor, result: Enlarged) -> None:
        """Computes all of `result`, in place, of a picture (colors, height, width)."""
        first, *regions = _regions(result.part, len(self._inner) + 1, *planes.shape[1:])
        features = _empty(self._first, first)
        self._spread(first, lambda band: self._library.convolve_planes(self._first, planes, features.rows(band)))
        for index, (layer, region) in enumerate(zip(self._inner, regions, strict=False)):
            features = self._computed(layer, features, region, grid=_grid(index, len(regions)))
        self._spread(result.part, lambda band: self._library.enlarge(self._last, features, planes, result, band))

    def _computed(self, layer: Layer, features: Pixels, region: Rectangle, *, grid: int) -> Pixels:
        result = _empty(layer, region)
        self._spread(
            region, lambda band: self._library.convolve(layer, features, result.rows(band), grid=grid), grid=grid
        )
        return result

    @property
    def layer_count(self) -> int:
        return len(self._inner) + 2

    def grid_of(self, layer: int) -> int:
        """A layer's tiles begin at rows and columns that are so much more than multiples of TILE_PX."""
        return _grid(layer - 1, self.layer_count - 1)

    def kept_bytes(self, height: int, width: int) -> int:
        """How large what `kept` gives is."""
        values = sum(layer.outputs for layer in (self._first, *self._inner)) + _COLORS * self.scale**2
        return values * height * width * torch.float32.itemsize

    def kept(self, height: int, width: int) -> Kept:
        """Room for what the layers give for a picture of that size; `compute_layer` fills it."""
        whole = Rectangle(0, height, 0, width)
        result = torch.empty((_COLORS, height * self.scale, width * self.scale))
        features = tuple(_empty(layer, whole) for layer in (self._first, *self._inner))
        return Kept(features, Enlarged(result, whole, self.scale))

    def compute_layer(
        self, index: int, planes: Tensor, kept: Kept, chosen: Chosen | None, *, threads: int = 1
    ) -> float:
        """Computes tiles of one layer in place, of a picture of which all layers before it are in `kept`.

        Args:
            index: of the layer.
            planes: float32 (3, height, width), contiguous, the picture.
            chosen: tiles, which begin as `grid_of` says; None for all.
            threads: how many share the work.

        Returns by how many seconds the time that threads were at work, together, exceeds what it took: 0 for one.
        """
        grid = self.grid_of(index)
        if index == 0:
            compute = partial(self._library.convolve_planes, self._first, planes, kept.features[0], grid=grid)
        elif index <= len(self._inner):
            before, result = kept.features[index - 1 : index + 1]
            compute = partial(self._library.convolve, self._inner[index - 1], before, result, grid=grid)
        else:
            whole = kept.result.part
            compute = partial(self._library.enlarge, self._last, kept.features[-1], planes, kept.result, whole)
        if threads == 1:
            compute(chosen=chosen)
            return 0.0
        if chosen is None:
            tiles = torch.arange(tile_count(*planes.shape[1:], grid=grid), dtype=torch.int32)
            chosen = Chosen(tiles, torch.empty(len(tiles), dtype=torch.bool))
        count = min(threads, len(chosen.tiles) // _TILES_FOR_A_THREAD)
        if count <= 1:
            compute(chosen=chosen)
            return 0.0
        return _at_once(lambda share: compute(chosen=share), chosen.shared(count))

    def _spread(self, part: Rectangle, compute: Callable[[Rectangle], None], *, grid: int = 0) -> None:
        """Has bands of a part computed, each by a thread; all but the first begin where tiles do."""
        height = part.bottom - part.top
        count = min(torch.get_num_threads(), height // _ROWS_FOR_A_THREAD)
        if count <= 1:
            compute(part)
            return
        step = -(-height // (count * TILE_PX)) * TILE_PX
        tops = [part.top, *range((part.top - grid) // TILE_PX * TILE_PX + grid + step, part.bottom, step)]
        ends = [*tops[1:], part.bottom]
        _at_once(compute, [replace(part, top=top, bottom=end) for top, end in zip(tops, ends, strict=True)])


def _at_once(compute: Callable[[Share], None], shares: Sequence[Share]) -> float:
    """Has each share computed by a thread. Returns what `compute_layer` returns."""

    def seconds_at_work(share: Share) -> float:
        started = time.thread_time()  # of the processor: there may be more threads than cores
        compute(share)
        return time.thread_time() - started

    started = time.monotonic()
    with ThreadPoolExecutor(len(shares), "winograd") as threads:
        at_work = sum(threads.map(seconds_at_work, shares))
    return at_work - (time.monotonic() - started)


def _empty(layer: Layer, part: Rectangle) -> Pixels:
    return Pixels(torch.empty((part.bottom - part.top, part.right - part.left, layer.outputs)), part)


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


def accelerate(network: nn.Module) -> WinogradCompact:
    """A network by Winograd's kernels, which are held against torch's layers on this CPU, once in a process.

    Raises InputError when it cannot be had: another architecture, or no kernels for this CPU; or when those are wrong.
    """
    if not isinstance(network, Compact):
        raise InputError(f"Winograd's kernels are for compact networks; {INSTEAD}")
    check_there_are_kernels()
    found = library()
    assert found is not None
    error = error_of(found)
    if not error <= _ALLOWED_ERROR:
        raise InputError(
            f"Winograd's kernels are wrong on this CPU: off by {255 * error:.1f} codes, where "
            f"{255 * _ALLOWED_ERROR:.1f} are allowed; {INSTEAD}, and report it"
        )
    return WinogradCompact(network, found)


@cache
@torch.inference_mode()
def error_of(found: Library) -> float:
    """By how much networks of noise come out otherwise than by torch's layers, at most; NaN where no numbers come."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        picture, networks = torch.rand((1, 3, *_CHECKED_PX)), [_noise(features, scale) for features, scale in _CHECKED]
    errors = [(WinogradCompact(network, found)(picture) - network(picture)).abs().max() for network in networks]
    return float(torch.stack(errors).max())


def _noise(features: int, scale: int) -> Compact:
    """A network whose values are of the order of 1 in all layers, so that an error in any of them shows."""
    network = Compact(scale=scale, feature_count=features, conv_count=1)
    for conv, _ in network.convolutions():
        nn.init.kaiming_normal_(conv.weight)
    return network


def check_there_are_kernels() -> None:
    """Raises InputError where none were compiled for this CPU."""
    if not has_own_kernels():
        raise InputError(f"there are no Winograd's kernels for this CPU (see `sr doctor`); {INSTEAD}")


def has_own_kernels() -> bool:
    """Whether this package's kernels were compiled for this CPU."""
    return library() is not None


def winograd_builds() -> tuple[tuple[str, str], ...]:
    """What can change a bit where these kernels compute: their sources, whatever CPU, compiler or torch there is."""
    return (("kernels", f"winograd {source_digest()[:12]}"),)
