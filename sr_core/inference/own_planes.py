"""Colour conversion on a CPU in one pass each way, by kernels/planes.c, where torch runs some twenty over fp32 samples.

The formulas are `color`'s, the last bit is not: a sample that lies between two codes may fall to either side. So it
goes with the kernels that are planned, Winograd's: compiled into their library, of sources that a fingerprint names.
See docs/decisions/0721.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import cache
from math import inf
from typing import Any

import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.inference.color import LUMA_WEIGHTS, spans
from sr_core.inference.conversion import Conversion, TorchConversion, samples_of_luma
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd import INSTEAD, check_there_are_kernels
from sr_core.inference.winograd_library import Library, library
from sr_core.types import ColorInfo

_GRAY, _DIFFERENCES, _CHANNELS = range(3)
_KINDS = {"gray": _GRAY, "rgb": _CHANNELS}
"""`enum kind` of planes.c; _DIFFERENCES for the rest."""
_CHECKED_PX = (37, 151)
"""Height and width of the picture of noise on which the kernels are checked: whole blocks of columns, and some left."""
_ALLOWED_CODES, _ALLOWED_ERROR = 1, 1e-5


class _Format(ctypes.Structure):
    """`struct format` of planes.c."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("right", ctypes.c_int),
        ("down", ctypes.c_int),
        ("is_cosited_right", ctypes.c_int),
        ("is_cosited_down", ctypes.c_int),
        ("bytes", ctypes.c_int),
        ("black", ctypes.c_float),
        ("center", ctypes.c_float),
        ("most", ctypes.c_float),
        ("luma_span", ctypes.c_float),
        ("blue_span", ctypes.c_float),
        ("red_span", ctypes.c_float),
        ("red", ctypes.c_float),
        ("blue", ctypes.c_float),
        ("blue_by_blue", ctypes.c_float),
        ("green_by_blue", ctypes.c_float),
        ("green_by_red", ctypes.c_float),
        ("red_by_red", ctypes.c_float),
    )


class _Plane(ctypes.Structure):
    """`struct plane` of planes.c."""

    _fields_ = (("samples", ctypes.c_void_p), ("pitch", ctypes.c_ssize_t))


class _Picture(ctypes.Structure):
    """`struct picture` of planes.c."""

    _fields_ = (("samples", ctypes.c_void_p), ("height", ctypes.c_int), ("width", ctypes.c_int))


class _Part(ctypes.Structure):
    """`struct part` of planes.c."""

    _fields_ = (
        ("top", ctypes.c_int),
        ("bottom", ctypes.c_int),
        ("left", ctypes.c_int),
        ("right", ctypes.c_int),
    )


class OwnConversion:
    """Between planes and RGB of one format, on one thread; from any threads. Samples above 8 bits are uint16.

    Args:
        chroma, bit_depth, color: as of `color.planes_to_rgb`.
        found: what computes.
    """

    def __init__(self, chroma: str, bit_depth: int, color: ColorInfo, found: Library) -> None:
        self._right, self._down = samples_of_luma(chroma)
        self._plane_count = 1 if chroma == "gray" else 3
        self._dtype = torch.uint8 if bit_depth == 8 else torch.uint16
        self._format = _format(chroma, bit_depth, color)
        compiled = found.compiled
        compiled.planes_work_size.restype = ctypes.c_size_t
        self._work_size: Callable[[int], int] = compiled.planes_work_size
        self._write_planes: Callable[..., object] = compiled.write_planes
        self._write_rgb: Callable[..., object] = compiled.write_rgb

    def rgb(self, planes: Sequence[Tensor]) -> Tensor:
        usable = [plane.to(self._dtype) for plane in planes]
        rows = [plane if plane.stride(-1) == 1 else plane.contiguous() for plane in usable]
        rgb = torch.empty((1, 3, *planes[0].shape[-2:]))
        self._call(self._write_rgb, _planes(rows), ctypes.byref(self._format), _picture(rgb), width=rgb.shape[-1])
        return rgb

    def planes(self, rgb: Tensor) -> tuple[Tensor, ...]:
        height, width = rgb.shape[-2:]
        chroma = (1, -(-height // self._down), -(-width // self._right))
        sizes = [(1, height, width), chroma, chroma][: self._plane_count]
        planes = tuple(torch.empty(size, dtype=self._dtype) for size in sizes)
        self.write_planes(rgb, planes, Rectangle(0, height, 0, width))
        return planes

    def write_planes(self, rgb: Tensor, planes: Sequence[Tensor], part: Rectangle) -> None:
        assert all(plane.dtype == self._dtype and plane.stride(-1) == 1 for plane in planes)
        assert rgb.shape[:2] == (1, 3)
        rgb = rgb.float().contiguous()
        given = _picture(rgb), ctypes.byref(self._format), _planes(planes), ctypes.byref(_Part(*astuple(part)))
        self._call(self._write_planes, *given, width=rgb.shape[-1])

    def _call(self, function: Callable[..., object], *arguments: object, width: int) -> None:
        work = torch.empty(self._work_size(width))
        function(*arguments, ctypes.c_void_p(work.data_ptr()))


def _format(chroma: str, bit_depth: int, color: ColorInfo) -> _Format:
    black, luma_span, chroma_span = spans(bit_depth, color.range)
    kr, kb = LUMA_WEIGHTS.get(color.matrix, LUMA_WEIGHTS["bt709"])
    kg, per_red, per_blue = 1 - kr - kb, 2 * (1 - kr), 2 * (1 - kb)
    by_red, by_blue = (per * luma_span / chroma_span for per in (per_red, per_blue))
    siting, (right, down) = color.siting, samples_of_luma(chroma)
    return _Format(
        kind=_KINDS.get(chroma, _DIFFERENCES),
        right=right,
        down=down,
        is_cosited_right=siting in ("left", "topleft"),
        is_cosited_down=siting == "topleft",
        bytes=1 if bit_depth == 8 else 2,
        black=black,
        center=1 << (bit_depth - 1),
        most=(1 << bit_depth) - 1,
        luma_span=luma_span,
        blue_span=chroma_span / per_blue,
        red_span=chroma_span / per_red,
        red=kr,
        blue=kb,
        blue_by_blue=by_blue,
        green_by_blue=-by_blue * kb / kg,
        green_by_red=-by_red * kr / kg,
        red_by_red=by_red,
    )


def _planes(planes: Sequence[Tensor]) -> Any:
    found = [_Plane(plane.data_ptr(), plane.stride(-2) * plane.element_size()) for plane in planes]
    return (_Plane * 3)(*found)


def _picture(rgb: Tensor) -> Any:
    return ctypes.byref(_Picture(rgb.data_ptr(), *rgb.shape[-2:]))


@cache
def own_conversion(chroma: str, bit_depth: int, color: ColorInfo) -> Conversion:
    """The conversion of a format, held against torch's on this CPU, once in a process.

    Raises InputError where no kernels were compiled, or they are wrong.
    """
    check_there_are_kernels()
    found = library()
    assert found is not None
    own = OwnConversion(chroma, bit_depth, color, found)
    check_conversion(own, TorchConversion(chroma, bit_depth, color))
    return own


@torch.inference_mode()
def check_conversion(own: Conversion, exact: Conversion) -> None:
    """Holds a conversion against another one, on noise. Raises InputError when it is wrong."""
    noise = torch.rand((1, 3, *_CHECKED_PX), generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    planes = exact.planes(noise)
    codes = max(
        int((one.to(torch.int32) - other.to(torch.int32)).abs().max())
        for one, other in zip(own.planes(noise), planes, strict=True)
    )
    error = float((own.rgb(planes) - exact.rgb(planes)).abs().nan_to_num(inf).max())
    if codes > _ALLOWED_CODES or error > _ALLOWED_ERROR:
        raise InputError(
            f"the kernels for colours are wrong on this CPU: planes are off by {codes} codes, RGB by {error:.1g}; "
            f"{INSTEAD}, and report it"
        )
