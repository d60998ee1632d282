"""How near frames come to others, by FFmpeg's own filters `psnr` and `ssim`, on luma.

Only sums are kept, so length costs nothing.
"""

import math
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.filter.context import FilterContext

from sr_core.likeness import Likeness
from sr_core.types import ColorInfo, VideoInfo
from sr_core.video.formats import PixelFormat, pixel_format
from sr_core.video.rendering import add_buffer, add_turn, format_of, standard, stored_size_px

_MATRICES = {"bt601": "bt601", "bt709": "bt709", "bt2020nc": "bt2020", "smpte240m": "smpte240m", "fcc": "fcc"}
"""libavfilter's names."""
_FOR_RGB = ColorInfo(matrix="bt709", range="limited", primaries=1, transfer=1)
"""What luma means where the original has none."""


class Difference:
    """Compares frames of one video with those of its original.

    Both are turned upright; those of the first are brought to the original's size, depth and colours.

    Args:
        flags: how libswscale is to scale.
    """

    def __init__(self, distorted: VideoInfo, original: VideoInfo, *, flags: str) -> None:
        form = format_of(original)
        color = _FOR_RGB if form.chroma == "rgb" else original.color
        self._compared = pixel_format("420", form.bit_depth)
        self._peak = (1 << form.bit_depth) - 1
        self._graph = graph = Graph()
        graph.threads = 1
        size = original.upright_size_px
        self._ways = (self._way(distorted, size, color, flags), self._way(original, size, color, flags))
        (_, first), (_, second) = self._ways
        split, psnr, ssim, sink = (graph.add(name) for name in ("split", "psnr", "ssim", "buffersink"))
        second.link_to(split)
        first.link_to(psnr, 0, 0)
        split.link_to(psnr, 0, 1)
        psnr.link_to(ssim, 0, 0)
        split.link_to(ssim, 1, 1)
        ssim.link_to(sink)
        graph.configure()
        self._count = 0
        self._errors = self._similarities = 0.0
        self._worst_error, self._worst_error_at = -1.0, Fraction(0)
        self._worst_similarity, self._worst_similarity_at = math.inf, Fraction(0)

    def _way(
        self, info: VideoInfo, size_px: tuple[int, int], color: ColorInfo, flags: str
    ) -> tuple[FilterContext, FilterContext]:
        """Where frames go in, and where they come out comparable."""
        form = format_of(info)
        start = node = add_buffer(self._graph, _without_gray(form).name, info)
        width, height = stored_size_px(size_px, info)
        options = {"w": str(width), "h": str(height), "flags": flags}
        options |= {"in_range": info.color.range, "out_range": color.range, "out_color_matrix": _MATRICES[color.matrix]}
        if form.chroma != "rgb":
            options["in_color_matrix"] = _MATRICES[info.color.matrix]
        for following in (
            self._graph.add("scale", **options),
            self._graph.add("format", pix_fmts=self._compared.name),
        ):
            node.link_to(following)
            node = following
        return start, add_turn(self._graph, node, info)

    def add(self, distorted: av.VideoFrame, original: av.VideoFrame, seconds: Fraction) -> None:
        """Compares two frames that are shown at that time."""
        for (start, _), frame in zip(self._ways, (distorted, original), strict=True):
            start.push(standard(frame, self._count, without_gray=True))
        self._count += 1
        compared: Any = self._graph.pull()
        error = float(compared.metadata["lavfi.psnr.mse.y"])
        similarity = float(compared.metadata["lavfi.ssim.Y"])
        self._errors += error
        self._similarities += similarity
        if error > self._worst_error:
            self._worst_error, self._worst_error_at = error, seconds
        if similarity < self._worst_similarity:
            self._worst_similarity, self._worst_similarity_at = similarity, seconds

    def likeness(self) -> Likeness:
        """Of at least one pair of frames."""
        return Likeness(
            psnr_db=self._psnr_db(self._errors / self._count),
            worst_psnr_db=self._psnr_db(self._worst_error),
            worst_psnr_seconds=float(self._worst_error_at),
            ssim=self._similarities / self._count,
            worst_ssim=self._worst_similarity,
            worst_ssim_seconds=float(self._worst_similarity_at),
        )

    def _psnr_db(self, error: float) -> float | None:
        return 10 * math.log10(self._peak**2 / error) if error else None


def _without_gray(form: PixelFormat) -> PixelFormat:
    return pixel_format("420", form.bit_depth) if form.chroma == "gray" else form
