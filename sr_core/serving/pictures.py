"""Stills as files and as planes: what is accepted, what is refused by name, and what a result looks like.

A picture from somewhere is decoded in a process of its own, without credentials and within bounds, as video is
(`video.isolation`); its size is looked at before any of it is decoded. What is encoded here is ours.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import (
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,  # noqa: F401 — these three are there for `Image.open` then, which looks for others otherwise
    PngImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from sr_core.errors import InputError
from sr_core.video import limits
from sr_core.video.confinement import Bounds
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from sr_core.video.isolation import isolated
from sr_core.video.reader import Tell

Kind = Literal["PNG", "JPEG", "WEBP"]
"""Pillow's names of the formats that are read and written."""

KINDS: dict[str, Kind] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
"""By media type. The first is the default."""
SUFFIXES: dict[str, Kind] = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""By the end of a file's name."""

_HOW: dict[Kind, dict[str, Any]] = {
    # The fastest: zlib's own choice, 6, takes 2.4 times as long for an eighth of the bytes.
    "PNG": {"compress_level": 1},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "method": 2},
}
_WEBP_SIDE_PX = 16383
"""The largest side that the format can say."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow's names of what is read: black and white, grey, palettes and RGB, of 8 bits, with or without transparency."""

_BASE_MEMORY_BYTES = 512 << 20
"""For the interpreter, the libraries and a file's content."""
_MEMORY_BYTES_PER_PX = 40
"""Of the largest picture: as it is decoded, turned, with transparency, and as planes."""
_CPU_SECONDS = 60
_SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A still."""

    color: Planes
    """Planar RGB of 8 bits."""
    alpha: Planes | None
    """Grey of 8 bits; None where nothing is transparent."""
    profile: bytes | None
    """The ICC profile that says what the colours mean; None for sRGB."""

    @property
    def width_px(self) -> int:
        return self.color.width_px

    @property
    def height_px(self) -> int:
        return self.color.height_px


def read_picture(path: Path, *, max_px: int) -> Picture:
    """Decodes a PNG, JPEG or WebP, upright, in a process of its own.

    Raises:
        InputError: it is none of these, damaged, over `max_px` (width × height), or of a kind that would not come out
            right: more than 8 bits a sample, CMYK, an animation.
        HostCapacity: the machine ran out of memory.
    """
    bounds = Bounds(
        memory_bytes=min(_BASE_MEMORY_BYTES + max_px * _MEMORY_BYTES_PER_PX, limits.current().memory_bytes),
        cpu_seconds=_CPU_SECONDS,
        silence_seconds=_SILENCE_SECONDS,
        readable=(path,),
    )
    reader = isolated(_decoded, path, max_px, subject=Path("the picture"), bounds=bounds)
    while True:
        try:
            next(reader)
        except StopIteration as end:
            return _trusted(end.value, max_px)


def _trusted(told: object, max_px: int) -> Picture:
    """What the reader says, held to what it may say."""
    match told:
        case (Planes() as color, (Planes() | None) as alpha, (bytes() | None) as profile):
            sides = {(planes.width_px, planes.height_px) for planes in (color, alpha) if planes is not None}
            forms = color.format.name, "gray" if alpha is None else alpha.format.name
            if forms == ("gbrp", "gray") and len(sides) == 1 and color.width_px * color.height_px <= max_px:
                return Picture(color=color, alpha=alpha, profile=profile)
    raise InputError("the process that reads the picture was confused or taken over; do not trust the file")


def _decoded(_tell: Tell, path: Path, max_px: int) -> tuple[Planes, Planes | None, bytes | None]:
    """What a reader does: the picture's colours, its transparency if any, and its profile."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow warns at a size of its own
    try:
        found = Image.open(path, formats=list(_HOW))
    except UnidentifiedImageError:
        raise InputError("the picture is no PNG, JPEG or WebP, or not whole; convert it, or send it again") from None
    width, height = found.size
    if width * height > max_px:
        raise InputError(
            f"the picture has {width}×{height} pixels, {width * height} in all, over the limit of {max_px}; "
            "send a smaller one, or serve with a higher --max-pixels"
        )
    _check_kind(found)
    profile: bytes | None = found.info.get("icc_profile") or None
    image = ImageOps.exif_transpose(found)
    has_alpha = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    is_rgb = image.mode in ("P", "PA", "RGB", "RGBA")
    samples = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    red, green, blue = (np.ascontiguousarray(samples[..., index]) for index in range(3))
    alpha = np.ascontiguousarray(samples[..., 3]) if has_alpha and samples[..., 3].min() < 255 else None
    return (
        Planes(HANDLED["gbrp"], (green, blue, red)),
        None if alpha is None else Planes(HANDLED["gray"], (alpha,)),
        profile if profile is not None and is_rgb and profile[16:20] == b"RGB " else None,
    )


def _check_kind(image: ImageFile.ImageFile) -> None:
    """Raises InputError for what would not come out as it is. (Of a JPEG with several pictures, the first is meant.)"""
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise InputError("the picture is an animation; upscale it as a video (`sr run`), or send one frame of it")
    raw_modes = [tile[3] if isinstance(tile[3], str) else tile[3][0] for tile in image.tile if tile[3]]
    if any("16" in str(mode) for mode in (image.mode, *raw_modes)):
        raise InputError("the picture has 16 bits a sample, and 8 would come out; convert it to 8 bits first")
    if image.mode not in _MODES:
        raise InputError(f"the picture's colours are {image.mode}; convert it to RGB or grey first")


def written(picture: Picture, kind: Kind) -> bytes:
    """The picture as a file.

    Raises InputError where that kind of file cannot hold it.
    """
    if kind == "JPEG" and picture.alpha is not None:
        raise InputError("the picture is transparent in places, which JPEG cannot hold; ask for PNG or WebP")
    if kind == "WEBP" and max(picture.width_px, picture.height_px) > _WEBP_SIDE_PX:
        raise InputError(
            f"the result has {picture.width_px}×{picture.height_px} pixels, and a side in WebP has {_WEBP_SIDE_PX} at "
            "most; ask for PNG or JPEG"
        )
    green, blue, red = picture.color.planes
    channels = [red, green, blue, *(picture.alpha.planes if picture.alpha else ())]
    file = BytesIO()
    Image.fromarray(np.stack(channels, axis=-1)).save(file, kind, icc_profile=picture.profile, **_HOW[kind])
    return file.getvalue()
