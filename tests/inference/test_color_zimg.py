"""Colour bars and ramps, to RGB and back, are as zimg makes them: every matrix, range, depth, subsampling and siting.

zimg is a colour library of its own, reached through the zscale filter of the ffmpeg command. One call converts a
picture for all matrices, ranges and sitings at once; the results come stacked.
"""

import itertools
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sr_core.inference.color import LUMA_WEIGHTS, planes_to_rgb, rgb_to_planes
from sr_core.inference.engine import Engine
from sr_core.types import ColorInfo, Execution
from sr_core.video.formats import PixelFormat, pixel_format
from tests import builders

Picture = tuple[NDArray[np.int32], ...]
Siting = Literal["left", "center", "topleft"]

WIDTH_PX, HEIGHT_PX = 96, 64
DEPTHS = (8, 10, 12)
SUBSAMPLINGS = ("420", "422", "444")
_CODES = {"bt601": 6, "bt709": 1, "bt2020nc": 9, "smpte240m": 7, "fcc": 4}
"""H.273 matrix coefficients, as zscale takes them."""
_SITINGS: dict[str, tuple[Siting, ...]] = {
    "420": ("left", "center", "topleft"),
    "422": ("left", "center"),
    "444": ("left",),
}


def colors(chroma: str) -> Iterator[ColorInfo]:
    """Every matrix, range and siting that means something for that subsampling."""
    for matrix, span, siting in itertools.product(LUMA_WEIGHTS, ("limited", "full"), _SITINGS[chroma]):
        yield builders.color(matrix=matrix, range=span, siting=siting)


def bars_and_ramps(form: PixelFormat) -> Picture:
    """Planes with bars of the extreme codes, ramps of each plane in both directions, steps, and lines a sample wide."""
    top = (1 << form.bit_depth) - 1
    planes = []
    for number, (width, height) in enumerate(form.plane_sizes_px(WIDTH_PX, HEIGHT_PX)):
        rows, columns = np.mgrid[0:height, 0:width]
        across, down = columns / (width - 1), rows / (height - 1)
        bars = np.array([0.06, 0.92, 0.3, 0.75, 0.5, 0.94, 0.1, 0.6])[(columns * 8 // width + 3 * number) % 8]
        band = rows * 4 // height
        ramp = (across, 1 - across, down)[number % 3]
        lines = np.where((columns // (1 + number)) % 2, 0.8, 0.2)
        values = np.select([band == 0, band == 1, band == 2], [bars, ramp, 0.25 + 0.5 * down], lines)
        planes.append((values * top).round().astype(np.int32))
    return tuple(planes)


_ALIKE = ",setparams=colorspace=bt709:range=limited:chroma_location=left"
"""Said of every result, so that ffmpeg stacks them without converting them to one another."""


def zimg(source: Picture, form: PixelFormat, target: PixelFormat, options: Sequence[str]) -> list[Picture]:
    """The picture converted once for each of zscale's `options`."""
    count = len(options)
    split = f"[0:v]split={count}" + "".join(f"[in{number}]" for number in range(count))
    branches = [
        f"[in{number}]zscale={option}:dither=none:filter=bilinear,format={target.name}{_ALIKE}[out{number}]"
        for number, option in enumerate(options)
    ]
    stack = "".join(f"[out{number}]" for number in range(count)) + f"vstack=inputs={count}[all]"
    command = [
        *(
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-nostdin",
            "-loglevel",
            "error",
            "-noauto_conversion_filters",
            "-f",
            "rawvideo",
            "-pix_fmt",
            form.name,
        ),
        *(
            "-video_size",
            f"{WIDTH_PX}x{HEIGHT_PX}",
            "-i",
            "pipe:0",
            "-filter_complex",
            ";".join([split, *branches, stack]),
        ),
        *("-map", "[all]", "-f", "rawvideo", "-pix_fmt", target.name, "pipe:1"),
    ]
    outcome = subprocess.run(command, input=_packed(source, form), capture_output=True, check=False)
    assert outcome.returncode == 0, outcome.stderr.decode()
    return _unpacked(outcome.stdout, target, count)


def _packed(picture: Picture, form: PixelFormat) -> bytes:
    return b"".join(plane.astype(_dtype(form)).tobytes() for plane in picture)


def _unpacked(data: bytes, form: PixelFormat, count: int) -> list[Picture]:
    """A stack of pictures: of each plane first the rows of the first picture, then those of the next."""
    samples = np.frombuffer(data, _dtype(form)).astype(np.int32)
    planes, start = [], 0
    for width, height in form.plane_sizes_px(WIDTH_PX, HEIGHT_PX):
        planes.append(samples[start : start + width * height * count].reshape(count, height, width))
        start += width * height * count
    assert start == len(samples)
    return [tuple(plane[number] for plane in planes) for number in range(count)]


def _dtype(form: PixelFormat) -> Any:
    return np.uint8 if form.bytes_per_sample == 1 else np.dtype("<u2")


def _span(color: ColorInfo) -> str:
    return "full" if color.range == "full" else "limited"


@cache
def to_rgb_by_zimg(chroma: Any, bit_depth: int) -> list[Picture]:
    form, rgb = pixel_format(chroma, bit_depth), pixel_format("rgb", bit_depth)
    options = [
        f"matrixin={_CODES[color.matrix]}:rangein={_span(color)}:chromalin={color.siting}:matrix=gbr:range=full"
        for color in colors(chroma)
    ]
    return zimg(bars_and_ramps(form), form, rgb, options)


@cache
def from_rgb_by_zimg(chroma: Any, bit_depth: int) -> list[Picture]:
    form, rgb = pixel_format(chroma, bit_depth), pixel_format("rgb", bit_depth)
    options = [
        f"matrixin=gbr:rangein=full:matrix={_CODES[color.matrix]}:range={_span(color)}:chromal={color.siting}"
        for color in colors(chroma)
    ]
    return zimg(bars_and_ramps(rgb), rgb, form, options)


def as_tensors(picture: Picture) -> list[torch.Tensor]:
    return [torch.from_numpy(plane).unsqueeze(0) for plane in picture]


def largest_difference(planes: Sequence[torch.Tensor], expected: Picture) -> int:
    assert [tuple(plane.shape[1:]) for plane in planes] == [plane.shape for plane in expected]
    return max(
        int(np.abs(plane[0].numpy().astype(np.int32) - wanted).max())
        for plane, wanted in zip(planes, expected, strict=True)
    )


RGB = builders.color(matrix="rgb", range="full")


@pytest.mark.parametrize("bit_depth", DEPTHS)
@pytest.mark.parametrize("chroma", SUBSAMPLINGS)
def test_to_rgb_is_zimgs_within_a_code(chroma: Any, bit_depth: int) -> None:
    source = as_tensors(bars_and_ramps(pixel_format(chroma, bit_depth)))
    differences = {}
    for color, expected in zip(colors(chroma), to_rgb_by_zimg(chroma, bit_depth), strict=True):
        rgb = planes_to_rgb(source, chroma=chroma, bit_depth=bit_depth, color=color)
        codes = rgb_to_planes(rgb, chroma="rgb", bit_depth=bit_depth, color=RGB)
        differences[color.matrix, color.range, color.siting] = largest_difference(codes, expected)

    assert {which: by for which, by in differences.items() if by > 1} == {}
    assert len(differences) == 10 * len(_SITINGS[chroma])


@pytest.mark.parametrize("bit_depth", DEPTHS)
@pytest.mark.parametrize("chroma", SUBSAMPLINGS)
def test_from_rgb_is_zimgs_within_a_code(chroma: Any, bit_depth: int) -> None:
    source = as_tensors(bars_and_ramps(pixel_format("rgb", bit_depth)))
    rgb = planes_to_rgb(source, chroma="rgb", bit_depth=bit_depth, color=RGB)
    differences = {}
    for color, expected in zip(colors(chroma), from_rgb_by_zimg(chroma, bit_depth), strict=True):
        planes = rgb_to_planes(rgb, chroma=chroma, bit_depth=bit_depth, color=color)
        differences[color.matrix, color.range, color.siting] = largest_difference(planes, expected)

    assert {which: by for which, by in differences.items() if by > 1} == {}


@cache
def between_by_zimg(chroma: Any, bit_depth: int) -> list[Picture]:
    form = pixel_format(chroma, bit_depth)
    options = [
        f"matrixin={_CODES[one.matrix]}:rangein={_span(one)}:chromalin={one.siting}"
        f":matrix={_CODES[other.matrix]}:range={_span(other)}:chromal={other.siting}"
        for one, other in pairs(chroma)
    ]
    return zimg(bars_and_ramps(form), form, form, options)


def pairs(chroma: str) -> list[tuple[ColorInfo, ColorInfo]]:
    """Every meaning of the samples, and with each of them another one to be turned into."""
    all_colors = list(colors(chroma))
    return list(zip(all_colors, [*all_colors[7:], *all_colors[:7]], strict=True))


@pytest.mark.parametrize("bit_depth", DEPTHS)
@pytest.mark.parametrize("chroma", SUBSAMPLINGS)
def test_through_an_identity_network_it_is_zimgs_within_a_code(chroma: Any, bit_depth: int) -> None:
    source = as_tensors(bars_and_ramps(pixel_format(chroma, bit_depth)))
    execution = Execution(device="cpu", precision="fp32", tile_px=None, halo_px=0, batch_frames=1)
    engine = Engine(torch.nn.Identity(), execution, scale=1)
    differences = {}
    for (one, other), expected in zip(pairs(chroma), between_by_zimg(chroma, bit_depth), strict=True):
        rgb = engine.upscale_rgb(planes_to_rgb(source, chroma=chroma, bit_depth=bit_depth, color=one))
        planes = rgb_to_planes(rgb, chroma=chroma, bit_depth=bit_depth, color=other)
        differences[one, other] = largest_difference(planes, expected)

    assert {which: by for which, by in differences.items() if by > 1} == {}


def test_the_comparison_tells_sitings_matrices_and_ranges_apart() -> None:
    """Else a picture that is too plain, or an option that zscale ignores, would let anything pass."""
    by_color = list(zip(colors("420"), to_rgb_by_zimg("420", 8), strict=True))

    for (one, first), (other, second) in itertools.combinations(by_color, 2):
        difference = max(int(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))
        assert difference > 1, (one, other)
