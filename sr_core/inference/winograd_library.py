"""The compiled kernels/winograd.c: which of them this CPU runs, how its weights lie, and how it is called.

setup.py compiles them where there is a C compiler, and kernels/planes.c with them (`own_planes`). Knows nothing of
networks; see docs/decisions/0720.
"""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sr_core.inference import own_kernels
from sr_core.inference.rectangles import Rectangle

TILE_PX = 4
"""Sides of the squares that are computed at once. In a tile each value depends, if only by rounding, on all it sees."""
CHANNEL_STEP = 16
"""Channels come in multiples of it; what a layer lacks is zeros."""
_TO_FREQUENCIES = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""G of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.3."""


class _View(ctypes.Structure):
    """`struct view` of winograd.c."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        ("height", ctypes.c_int),
        ("width", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("top", ctypes.c_int),
        ("left", ctypes.c_int),
    )


class _Enlargement(ctypes.Structure):
    """`struct enlargement` of winograd.c."""

    _fields_ = (
        ("planes", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("colors", ctypes.c_int),
        ("height", ctypes.c_int),
        ("width", ctypes.c_int),
        ("scale", ctypes.c_int),
        ("rows", ctypes.c_int),
        ("columns", ctypes.c_int),
        ("top", ctypes.c_int),
        ("left", ctypes.c_int),
    )


class _Choice(ctypes.Structure):
    """`struct choice` of winograd.c."""

    _fields_ = (("listed", ctypes.c_void_p), ("count", ctypes.c_int), ("changed", ctypes.c_void_p))


class Pixels(NamedTuple):
    """A part of a picture."""

    values: Tensor
    """float32 (height, width, channels), contiguous."""
    part: Rectangle
    """What of the picture it is."""

    def rows(self, band: Rectangle) -> "Pixels":
        """Some of its rows, as `band` has them, in the same memory."""
        return Pixels(self.values[band.top - self.part.top : band.bottom - self.part.top], band)


class Enlarged(NamedTuple):
    """A part of a picture that is larger than its source by a whole factor."""

    samples: Tensor
    """float32 (colors, height·scale, width·scale), contiguous."""
    part: Rectangle
    """What of the source it is made of."""
    scale: int


class Chosen(NamedTuple):
    """Some of the tiles that a result lies in."""

    tiles: Tensor
    """int32: their numbers, ascending, as all are counted row by row."""
    changed: Tensor
    """bool, one for each: whether its bits are others than before. Written when they are computed."""

    def shared(self, count: int) -> "list[Chosen]":
        """So many parts of it, about equal, in the same memory."""
        return [
            Chosen(*part) for part in zip(self.tiles.tensor_split(count), self.changed.tensor_split(count), strict=True)
        ]


class Layer(NamedTuple):
    """A 3×3 convolution and what follows it, ready for one library."""

    weights: Tensor
    bias: Tensor
    slope: Tensor
    """By which a channel is multiplied where it is negative: 1 for no activation."""
    inputs: int
    outputs: int
    """Channels, multiples of CHANNEL_STEP."""


class Library:
    """One compiled winograd.c, and planes.c.

    Raises what `own_kernels.opened` raises.
    """

    def __init__(self, path: Path) -> None:
        self.compiled = found = own_kernels.opened(path)
        """What is called, for whoever calls what is no layer."""
        found.work_size.restype = ctypes.c_size_t
        found.convolve.restype = found.convolve_planes.restype = None
        self._convolve: Callable[..., None] = found.convolve
        self._convolve_planes: Callable[..., None] = found.convolve_planes
        self._work_size: Callable[[int, int], int] = found.work_size
        self._panel_channels: int = found.panel_channels()

    def first_layer(self, weight: Tensor, bias: Tensor | None, slope: Tensor) -> Layer:
        """Of `convolve_planes`; arguments as of `layer`, but that weights are (outputs, colors, 3, 3)."""
        outputs = padded(weight.shape[0])
        taps = _filled(weight.flatten(1), outputs).T[None]
        return self._ready(taps, bias, slope, weight.shape[1], outputs)

    def layer(self, weight: Tensor, bias: Tensor | None, slope: Tensor) -> Layer:
        """From a convolution's weights (outputs, inputs, 3, 3), its bias and slopes, (outputs) each."""
        outputs, inputs = (padded(count) for count in weight.shape[:2])
        whole = F.pad(_filled(weight, outputs).double(), (0, 0, 0, 0, 0, inputs - weight.shape[1]))
        frequencies = _transformed(_transformed(whole).mT).mT.float()
        return self._ready(frequencies.flatten(2).permute(2, 1, 0), bias, slope, inputs, outputs)

    def _ready(self, matrices: Tensor, bias: Tensor | None, slope: Tensor, inputs: int, outputs: int) -> Layer:
        """From weights (matrices, inputs of each, outputs)."""
        panels = [panel.flatten(1) for panel in torch.split(matrices, self._panel_channels, dim=2)]
        bias = torch.zeros_like(slope) if bias is None else bias
        return Layer(
            torch.cat(panels, dim=1).contiguous(), _filled(bias, outputs), _filled(slope, outputs), inputs, outputs
        )

    def convolve_planes(
        self, layer: Layer, planes: Tensor, result: Pixels, *, grid: int = 0, chosen: Chosen | None = None
    ) -> None:
        """Computes `result`, in place, of a whole picture (colors, height, width), contiguous, and zeros beyond.

        As all of these, from any threads, and on one. `grid` and `chosen` are those of `convolve`.
        """
        colors, height, width = planes.shape
        work = torch.empty(self._work_size(padded(9 * colors), layer.outputs))
        self._convolve_planes(
            _address(planes), colors, height, width, _view(result), grid, _choice(chosen), *_parameters(layer, work)
        )

    def convolve(
        self, layer: Layer, picture: Pixels, result: Pixels, *, grid: int, chosen: Chosen | None = None
    ) -> None:
        """Computes `result`, in place; beyond the part that `picture` is, it sees zeros.

        Args:
            layer: what `layer` gave.
            picture: holds `seen(result.part, grid=grid)`, but for what lies outside of the whole picture.
            result: with the layer's number of channels.
            grid: tiles begin at rows and columns that are so much more than multiples of TILE_PX.
            chosen: the tiles to compute; None for all that `result` lies in.
        """
        work = torch.empty(self._work_size(layer.inputs, layer.outputs))
        self._convolve(_view(picture), _view(result), None, grid, _choice(chosen), *_parameters(layer, work))

    def enlarge(
        self,
        layer: Layer,
        picture: Pixels,
        planes: Tensor,
        result: Enlarged,
        part: Rectangle,
        *,
        chosen: Chosen | None = None,
    ) -> None:
        """Computes a part of `result`, in place: the pixel shuffle of a layer on the nearest pixels of `planes`.

        Args:
            layer, picture, chosen: as `convolve` takes them, tiles beginning at multiples of TILE_PX. All that are
                chosen count as changed: nothing is computed of them but planes.
            planes: (colors, height, width), contiguous, the whole source.
            result: of which at least `part` is to be computed.
            part: in pixels of the source.
        """
        colors, height, width = planes.shape
        top, bottom, left, right = astuple(result.part)
        addresses = planes.data_ptr(), result.samples.data_ptr()
        enlargement = _Enlargement(
            *addresses, colors, height, width, result.scale, bottom - top, right - left, top, left
        )
        features = _View(None, part.bottom - part.top, part.right - part.left, layer.outputs, part.top, part.left)
        views = _view(picture), ctypes.byref(features), ctypes.byref(enlargement)
        work = torch.empty(self._work_size(layer.inputs, layer.outputs))
        self._convolve(*views, 0, _choice(chosen), *_parameters(layer, work))


def seen(wanted: Rectangle, *, grid: int) -> Rectangle:
    """What a layer looks at to compute a rectangle: whole tiles, and a pixel around them."""
    start = [(edge - grid) // TILE_PX * TILE_PX + grid - 1 for edge in (wanted.top, wanted.left)]
    end = [-((grid - edge) // TILE_PX * TILE_PX) + grid + 1 for edge in (wanted.bottom, wanted.right)]
    return Rectangle(start[0], end[0], start[1], end[1])


def tile_rows_and_columns(height: int, width: int, *, grid: int) -> tuple[int, int]:
    """Of the tiles that a picture lies in, cut off ones included."""
    return -(-(height + grid) // TILE_PX), -(-(width + grid) // TILE_PX)


def tile_count(height: int, width: int, *, grid: int) -> int:
    """How many these are."""
    rows, columns = tile_rows_and_columns(height, width, grid=grid)
    return rows * columns


def padded(channels: int) -> int:
    """The next number of channels that kernels are made for."""
    return -(-channels // CHANNEL_STEP) * CHANNEL_STEP


@cache
def library() -> Library | None:
    """The fastest for this CPU; None where none was compiled, or none that can be used (`own_kernels.why_none`)."""
    for path in own_kernels.paths():
        with suppress(OSError):
            return Library(path)
    return None


def _transformed(taps: Tensor) -> Tensor:
    """G times matrices (…, 3, n), by single products and sums: they round alike on every machine, torch's matrix
    products do not."""
    first, second, third = taps.unbind(-2)
    return torch.stack([a * first + b * second + c * third for a, b, c in _TO_FREQUENCIES], dim=-2)


def _filled(values: Tensor, length: int) -> Tensor:
    """The same in fp32, with zeros up to a length."""
    filled = torch.zeros((length, *values.shape[1:]))
    filled[: len(values)] = values.detach()
    return filled


def _view(pixels: Pixels) -> Any:
    height, width, channels = pixels.values.shape
    return ctypes.byref(_View(pixels.values.data_ptr(), height, width, channels, pixels.part.top, pixels.part.left))


def _choice(chosen: Chosen | None) -> Any:
    if chosen is None:
        return ctypes.byref(_Choice(None, -1, None))
    return ctypes.byref(_Choice(chosen.tiles.data_ptr(), len(chosen.tiles), chosen.changed.data_ptr()))


def _parameters(layer: Layer, work: Tensor) -> tuple[ctypes.c_void_p, ...]:
    return _address(layer.weights), _address(layer.bias), _address(layer.slope), _address(work)


def _address(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
