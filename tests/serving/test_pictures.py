"""A still becomes what its viewer shows, or is refused by name; what is too large is not decoded."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_core.errors import InputError
from sr_core.serving.pictures import KINDS, Picture, read_picture, written
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes

from .stills import file_of, image, opened

MAX_PX = 10_000
PROFILE = bytes(16) + b"RGB " + bytes(108)


def read(folder: Path, content: bytes, *, max_px: int = MAX_PX) -> Picture:
    path = folder / "picture"
    path.write_bytes(content)
    return read_picture(path, max_px=max_px)


def pixels(picture: Picture) -> np.ndarray:
    green, blue, red = picture.color.planes
    return np.stack([red, green, blue, *(picture.alpha.planes if picture.alpha else ())], axis=-1)


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_picture_is_what_its_viewer_shows(tmp_path: Path, kind: str) -> None:
    content = file_of(image(), kind)

    picture = read(tmp_path, content)

    assert np.array_equal(pixels(picture), np.asarray(opened(content).convert("RGB")))
    assert picture.alpha is None


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palettes_become_rgb(tmp_path: Path, mode: str) -> None:
    given = image().convert(mode)

    assert np.array_equal(pixels(read(tmp_path, file_of(given))), np.asarray(given.convert("RGB")))


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_a_picture_is_put_upright(tmp_path: Path, orientation: int) -> None:
    # Given a camera's file that says how it was held
    exif = Image.Exif()
    exif[274] = orientation
    content = file_of(image(), "JPEG", exif=exif)

    picture = read(tmp_path, content)

    # Then it is as wide as what a viewer shows, whose first pixel is its first
    assert (picture.width_px, picture.height_px) == ((36, 20) if orientation < 5 else (20, 36))
    stored = np.asarray(opened(content))
    corners = {1: (0, 0), 3: (-1, -1), 5: (0, 0), 6: (-1, 0), 8: (0, -1)}
    assert np.array_equal(pixels(picture)[0, 0], stored[corners[orientation]])


def test_transparency_is_kept_where_there_is_any(tmp_path: Path) -> None:
    given = image("RGBA")
    opaque = image().convert("RGBA")
    keyed = image("L").convert("P")
    keyed.info["transparency"] = 255  # this colour is not to be seen

    assert np.array_equal(pixels(read(tmp_path, file_of(given))), np.asarray(given))
    assert read(tmp_path, file_of(opaque)).alpha is None
    assert np.array_equal(pixels(read(tmp_path, file_of(keyed))), np.asarray(keyed.convert("RGBA")))


def test_the_profile_stays_with_the_colours_it_is_for(tmp_path: Path) -> None:
    picture = read(tmp_path, file_of(image(), icc_profile=PROFILE))
    grey = read(tmp_path, file_of(image("L"), icc_profile=PROFILE.replace(b"RGB ", b"GRAY")))

    assert picture.profile == PROFILE
    assert grey.profile is None  # what comes out is RGB
    for kind in KINDS.values():
        assert opened(written(picture, kind)).info["icc_profile"] == PROFILE


def animation(kind: str) -> bytes:
    return file_of(image(), kind, save_all=True, append_images=[image(seed=2)], duration=100)


def huge_png() -> bytes:
    """A whole file of a hundred bytes that says it has 60000×60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


REFUSED = {
    "too many pixels": (huge_png, "60000×60000 pixels, 3600000000 in all, over the limit of 10000"),
    "an animated PNG": (lambda: animation("PNG"), "an animation; upscale it as a video"),
    "an animated WebP": (lambda: animation("WEBP"), "an animation; upscale it as a video"),
    "CMYK": (lambda: file_of(image("CMYK"), "JPEG"), "colours are CMYK; convert it to RGB"),
    "16 bits of grey": (lambda: file_of(Image.new("I;16", (9, 9))), "16 bits a sample"),
    "another kind of file": (lambda: file_of(image(), "TIFF"), "no PNG, JPEG or WebP"),
    "half a file": (lambda: file_of(image())[:300], "cannot be read"),
    "text": (lambda: b"hello", "no PNG, JPEG or WebP"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_come_out_right_is_refused_by_name(tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]

    with pytest.raises(InputError) as caught:
        read(tmp_path, content())

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sixteen_bits_of_rgb_are_refused_though_pillow_reads_them(tmp_path: Path) -> None:
    # Given a PNG of 16 bits, which Pillow opens as one of 8
    eight = file_of(Image.new("RGB", (2, 1)))
    header = bytearray(eight[16:29])
    header[8] = 16
    content = eight[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + eight[33:]
    assert opened(content).mode == "RGB"

    with pytest.raises(InputError, match="16 bits a sample"):
        read(tmp_path, content)


def test_what_a_kind_of_file_cannot_hold_is_refused() -> None:
    def blank(width_px: int, height_px: int, name: str) -> Planes:
        plane = np.zeros((height_px, width_px), np.uint8)
        return Planes(HANDLED[name], (plane,) * (3 if name == "gbrp" else 1))

    transparent = Picture(color=blank(4, 4, "gbrp"), alpha=blank(4, 4, "gray"), profile=None)
    wide = Picture(color=blank(16384, 1, "gbrp"), alpha=None, profile=None)

    with pytest.raises(InputError, match="JPEG cannot hold; ask for PNG or WebP"):
        written(transparent, "JPEG")
    with pytest.raises(InputError, match=r"16384×1 pixels.*ask for PNG or JPEG"):
        written(wide, "WEBP")
    assert opened(written(wide, "PNG")).size == (16384, 1)
