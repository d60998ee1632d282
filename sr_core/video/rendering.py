"""Frames as a player would show them: in one of the handled formats, upright, with square samples, enlarged.

Pictures for people and pictures to be measured are made alike, by libswscale. What the numbers mean as colours stays as
it is; that they become red, green and blue is `inference`'s business.
"""

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext

from sr_core.types import ColorInfo, VideoInfo
from sr_core.video.formats import PixelFormat, pixel_format, target_of
from sr_core.video.frames import Planes, from_av, to_av

ENLARGED_BY = "bicubic+accurate_rnd+full_chroma_int"
"""Bicubic with libswscale's own parameters (B = 0, C = 0.6), as ffplay and VLC enlarge."""
REDUCED_BY = "area+accurate_rnd+full_chroma_int"
"""Each sample is the mean of those that cover it."""
_TICK = Fraction(1, 25)
"""Frames are numbered; filters that look at several take those of the same number."""
_TURNS = {
    0: (),
    90: (("transpose", "clock"),),
    180: (("hflip", None), ("vflip", None)),
    270: (("transpose", "cclock"),),
}
_LEFT, _CENTER = 0, 128
"""Where chroma lies between two luma samples, in 256ths."""


def format_of(info: VideoInfo) -> PixelFormat:
    """The handled format that frames of the video are put into."""
    target = target_of(info.pixel_format)
    assert target is not None, "probing refuses other pixel formats"
    return target.format


def displayed_size_px(info: VideoInfo) -> tuple[int, int]:
    """(width, height) of the upright picture in square samples; the sides that are too short are stretched."""
    (width, height), sar = info.upright_size_px, info.upright_sar
    return (round(width * sar), height) if sar > 1 else (width, round(height / sar))


def stored_size_px(size_px: tuple[int, int], info: VideoInfo) -> tuple[int, int]:
    """An upright size as it is before the picture is turned."""
    return size_px if info.rotation_degrees in (0, 180) else size_px[::-1]


def standard(frame: av.VideoFrame, number: int, *, without_gray: bool = False) -> av.VideoFrame:
    """A copy of a decoded frame in a handled format, with a number for a time and no labels that filters might obey.

    With `without_gray`, grey becomes 4:2:0 of the same luma: libswscale takes all grey to be of full range.
    """
    planes = from_av(frame)
    if without_gray and planes.format.chroma == "gray":
        form = pixel_format("420", planes.format.bit_depth)
        luma = planes.planes[0]
        neutral = 1 << (form.bit_depth - 1)
        sizes = form.plane_sizes_px(planes.width_px, planes.height_px)[1:]
        planes = Planes(form, (luma, *(np.full(size[::-1], neutral, luma.dtype) for size in sizes)))
    copy = to_av(planes)
    copy.pts, copy.time_base = number, _TICK
    return copy


def add_buffer(graph: Graph, name: str, info: VideoInfo) -> FilterContext:
    """The way into a graph for `standard` frames of pixel format `name`."""
    return graph.add_buffer(width=info.width_px, height=info.height_px, format=av.VideoFormat(name), time_base=_TICK)


def add_turn(graph: Graph, node: FilterContext, info: VideoInfo) -> FilterContext:
    """Turns what comes out of `node` upright."""
    for name, argument in _TURNS[info.rotation_degrees]:
        turn = graph.add(name, argument)
        node.link_to(turn)
        node = turn
    return node


class Renderer:
    """Makes one video's frames pictures of `size_px`, upright: 4:4:4, grey or RGB, of the video's own depth."""

    def __init__(self, info: VideoInfo, size_px: tuple[int, int]) -> None:
        form = format_of(info)
        chroma = form.chroma if form.chroma in ("gray", "rgb") else "444"
        width, height = stored_size_px(size_px, info)
        self._graph = Graph()
        self._graph.threads = 1
        node = add_buffer(self._graph, form.name, info)
        for name, options in (
            ("scale", {"w": str(width), "h": str(height), "flags": ENLARGED_BY, **_siting(form, info.color)}),
            ("format", {"pix_fmts": pixel_format(chroma, form.bit_depth).name}),
        ):
            following = self._graph.add(name, **options)
            node.link_to(following)
            node = following
        add_turn(self._graph, node, info).link_to(self._graph.add("buffersink"))
        self._graph.configure()
        self._count = 0

    def render(self, frame: av.VideoFrame) -> Planes:
        """A decoded frame as it is shown."""
        self._graph.push(standard(frame, self._count))
        self._count += 1
        shown: Any = self._graph.pull()
        return from_av(shown)


def _siting(form: PixelFormat, color: ColorInfo) -> dict[str, str]:
    if form.chroma not in ("420", "422"):
        return {}
    across = _CENTER if color.siting == "center" else _LEFT
    return {"in_h_chr_pos": str(across)} | ({"in_v_chr_pos": str(_CENTER)} if form.chroma == "420" else {})
