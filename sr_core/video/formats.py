"""Facts about pixel formats: which planes a frame has, and into which of the supported formats others are put.

Frames are handled as planes of integers: planar YUV (4:2:0, 4:2:2, 4:4:4), grey, or planar RGB (order G, B, R), 8 to
16 bits. Any other format is rewritten by swscale into the nearest of those; all of these rewritings keep every value
except where `lossy_note` says otherwise.
"""

from dataclasses import dataclass
from typing import Literal

Chroma = Literal["420", "422", "444", "gray", "rgb"]


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A planar format that the pipeline handles itself."""

    name: str
    chroma: Chroma
    bit_depth: int

    @property
    def bytes_per_sample(self) -> int:
        return 1 if self.bit_depth == 8 else 2

    def plane_sizes_px(self, width_px: int, height_px: int) -> tuple[tuple[int, int], ...]:
        """(width, height) of each plane."""
        luma = (width_px, height_px)
        half_width, half_height = (width_px + 1) // 2, (height_px + 1) // 2
        match self.chroma:
            case "gray":
                return (luma,)
            case "420":
                return luma, (half_width, half_height), (half_width, half_height)
            case "422":
                return luma, (half_width, height_px), (half_width, height_px)
        return luma, luma, luma


def _name(chroma: Chroma, bit_depth: int) -> str:
    stem = {"gray": "gray", "rgb": "gbrp"}.get(chroma, f"yuv{chroma}p")
    return stem if bit_depth == 8 else f"{stem}{bit_depth}le"


_DEPTHS: dict[Chroma, tuple[int, ...]] = {
    "420": (8, 9, 10, 12, 14, 16),
    "422": (8, 9, 10, 12, 14, 16),
    "444": (8, 9, 10, 12, 14, 16),
    "gray": (8, 9, 10, 12, 14, 16),
    "rgb": (8, 9, 10, 12, 14, 16),
}

HANDLED: dict[str, PixelFormat] = {
    _name(chroma, depth): PixelFormat(_name(chroma, depth), chroma, depth)
    for chroma, depths in _DEPTHS.items()
    for depth in depths
}


def pixel_format(chroma: Chroma, bit_depth: int) -> PixelFormat:
    """The handled format of that chroma subsampling and depth. Raises KeyError if there is none."""
    return HANDLED[_name(chroma, bit_depth)]


@dataclass(frozen=True, slots=True)
class Target:
    """The handled format that frames of some pixel format are put into."""

    format: PixelFormat
    full_range: bool
    """The old ``yuvj`` names imply full range."""
    lossy_note: str | None = None
    has_alpha: bool = False


_ALIASES: dict[str, tuple[Chroma, int]] = {
    "nv12": ("420", 8),
    "nv21": ("420", 8),
    "nv16": ("422", 8),
    "nv24": ("444", 8),
    "yuyv422": ("422", 8),
    "uyvy422": ("422", 8),
    "yvyu422": ("422", 8),
    "p010le": ("420", 10),
    "p012le": ("420", 12),
    "p016le": ("420", 16),
    "p210le": ("422", 10),
    "p216le": ("422", 16),
    "y210le": ("422", 10),
    "rgb48le": ("rgb", 16),
    "rgb48be": ("rgb", 16),
    "bgr48le": ("rgb", 16),
    "gbrp10be": ("rgb", 10),
    "monoblack": ("gray", 8),
    "monowhite": ("gray", 8),
    "gray16be": ("gray", 16),
}
_PACKED_RGB = ("rgb24", "bgr24", "0rgb", "rgb0", "0bgr", "bgr0", "rgb8", "bgr8", "rgb565le", "rgb555le", "bgr565le")
_WITH_ALPHA: dict[str, tuple[Chroma, int]] = {
    "pal8": ("rgb", 8),
    "rgba": ("rgb", 8),
    "bgra": ("rgb", 8),
    "argb": ("rgb", 8),
    "abgr": ("rgb", 8),
    "gbrap": ("rgb", 8),
    "gbrap10le": ("rgb", 10),
    "gbrap12le": ("rgb", 12),
    "rgba64le": ("rgb", 16),
    "gbrap14le": ("rgb", 14),
    "gbrap16le": ("rgb", 16),
    "rgba64be": ("rgb", 16),
    "bgra64le": ("rgb", 16),
    "ya8": ("gray", 8),
    "ya16le": ("gray", 16),
    "ya16be": ("gray", 16),
    "yuva422p12le": ("422", 12),
    "yuva420p16le": ("420", 16),
    "yuva422p16le": ("422", 16),
    "yuva444p16le": ("444", 16),
    "ayuv64le": ("444", 16),
    "vuya": ("444", 8),
    "yuva420p": ("420", 8),
    "yuva422p": ("422", 8),
    "yuva444p": ("444", 8),
    "yuva420p10le": ("420", 10),
    "yuva422p10le": ("422", 10),
    "yuva444p10le": ("444", 10),
    "yuva444p12le": ("444", 12),
}
_COARSE_CHROMA: dict[str, Chroma] = {"yuv410p": "420", "yuv411p": "422", "yuv440p": "444", "yuvj411p": "422"}


def target_of(name: str) -> Target | None:
    """Where frames of the pixel format `name` go; None when it is not supported."""
    if name in HANDLED:
        return Target(HANDLED[name], full_range=HANDLED[name].chroma == "rgb")
    if name.startswith("yuvj") and name[4:7] in ("420", "422", "444"):
        return Target(HANDLED[f"yuv{name[4:]}"], full_range=True)
    if name in _ALIASES:
        chroma, depth = _ALIASES[name]
        return Target(pixel_format(chroma, depth), full_range=chroma == "rgb")
    if name in _PACKED_RGB:
        return Target(pixel_format("rgb", 8), full_range=True)
    if name in _WITH_ALPHA:
        chroma, depth = _WITH_ALPHA[name]
        return Target(pixel_format(chroma, depth), full_range=chroma == "rgb", has_alpha=True)
    if name in _COARSE_CHROMA:
        chroma = _COARSE_CHROMA[name]
        note = f"chroma of {name} is resampled to {chroma}"
        return Target(pixel_format(chroma, 8), full_range=name.startswith("yuvj"), lossy_note=note)
    return None
