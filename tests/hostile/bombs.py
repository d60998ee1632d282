"""Small files that ask for enormous things: pictures, indexes, streams, rates, data to unpack.

`BOMBS` maps a name to how the file is written (given a path without suffix, it returns the path) and to what a refusal
must say.
"""

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

import av

from tests.clips import make_clip

from .samples import make_gif

Write = Callable[[Path], Path]
GB = 1 << 30


def patched(data: bytes, marker: bytes, offset: int, code: str, *values: int | float) -> bytes:
    """Overwrites fields, `offset` bytes after the first `marker`."""
    changed = bytearray(data)
    struct.pack_into(code, changed, data.index(marker) + len(marker) + offset, *values)
    return bytes(changed)


def _wide_gif(stem: Path) -> Path:
    """A screen of 65535×65535 around pictures of 64×48: 17 GB as FFmpeg composes it."""
    path = make_gif(stem.with_suffix(".gif"))
    path.write_bytes(patched(path.read_bytes(), b"GIF89a", 0, "<HH", 65535, 65535))
    return path


def _packed(piece: bytes, count: int) -> bytes:
    squeeze = zlib.compressobj(1)
    return b"".join(squeeze.compress(same) for same in repeat(piece, count)) + squeeze.flush()


def png(width_px: int, height_px: int, *, color: bool) -> bytes:
    """A black picture with three channels of 16 bits, or with one of one bit; it packs hundredfold."""
    row = bytes(1 + (6 * width_px if color else (width_px + 7) // 8))
    packed = _packed(row, height_px)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width_px, height_px, *((16, 2) if color else (1, 0)), 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _film_of(picture: bytes, declared: tuple[int, int], path: Path) -> Path:
    """A QuickTime film of that PNG picture, whose header declares another size."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("png", rate=5)
        stream.width, stream.height = declared
        stream.pix_fmt = "rgb48be"
        for number in range(3):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 5)
            packet.is_keyframe = True
            container.mux(packet)
    return path


def _lying_picture(stem: Path) -> Path:
    """Declared as 64×48, 20000×20000 when it is decoded."""
    return _film_of(png(20000, 20000, color=False), (64, 48), stem.with_suffix(".mov"))


def _large_picture(stem: Path) -> Path:
    """Within the limit on pixels: 340 MB for each picture, from 2 MB."""
    return _film_of(png(8000, 7000, color=True), (8000, 7000), stem.with_suffix(".mov"))


def _long_index(stem: Path) -> Path:
    """QuickTime: 268 million samples of one byte, said in eight bytes; FFmpeg's index of them would take 6 GB."""
    path = make_clip(stem.with_suffix(".mp4"), frames=12, audio=None)
    data = patched(path.read_bytes(), b"stsz", 4, ">II", 1, 0x10000000)
    data = patched(data, b"stts", 4, ">III", 1, 0x10000000, 1)
    path.write_bytes(patched(data, b"stsc", 4, ">IIII", 1, 1, 0x10000000, 1))
    return path


def _packed_header(stem: Path) -> Path:
    """QuickTime's compressed index: 4 GB when it is unpacked."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    packed = _packed(bytes(1 << 20), 64)
    moov = box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", 0xFFFFFFF0) + packed)))
    path = stem.with_suffix(".mov")
    path.write_bytes(box(b"ftyp", b"qt  \0\0\0\0qt  ") + moov)
    return path


def element(name: int, content: bytes) -> bytes:
    """An EBML element with a length of eight bytes."""
    identifier = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return identifier + ((1 << 56) | len(content)).to_bytes(8, "big") + content


_EBML_HEAD = element(0x1A45DFA3, element(0x4282, b"matroska") + element(0x4287, b"\4") + element(0x4285, b"\2"))


def _packed_packet(stem: Path) -> Path:
    """Matroska's compressed packets: one of a few megabytes that becomes a gigabyte."""
    packed = _packed(bytes(1 << 20), 1024)
    compression = element(0x6D80, element(0x6240, element(0x5034, element(0x4254, b"\0"))))
    video = element(0xE0, element(0xB0, b"\0\x40") + element(0xBA, b"\0\x30"))
    track = element(0xD7, b"\1") + element(0x73C5, b"\1") + element(0x83, b"\1") + element(0x86, b"V_MPEG4/ISO/ASP")
    tracks = element(0x1654AE6B, element(0xAE, track + video + compression))
    block = element(0xA3, b"\x81\0\0\x80" + packed)
    cluster = element(0x1F43B675, element(0xE7, b"\0") + block)
    path = stem.with_suffix(".mkv")
    path.write_bytes(_EBML_HEAD + element(0x18538067, tracks + cluster))
    return path


def _many_streams(stem: Path) -> Path:
    """One with pictures, and 299 of sound without any."""
    clip = make_clip(stem.with_suffix(".clip.mp4"), frames=6, audio="aac")
    path = stem.with_suffix(".mkv")
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        video: Any = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for _ in range(299):
            out.add_stream_from_template(source.streams.audio[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
    clip.unlink()
    return path


def _more_streams_than_ffmpeg_takes(stem: Path) -> Path:
    """Only their declarations, in 200 kB."""
    video = element(0xE0, element(0xB0, b"\0\x40") + element(0xBA, b"\0\x30"))
    tracks = b""
    for number in range(1, 5001):
        name = number.to_bytes(2, "big")
        head = element(0xD7, name) + element(0x73C5, name) + element(0x83, b"\1") + element(0x86, b"V_MPEG4/ISO/ASP")
        tracks += element(0xAE, head + video)
    path = stem.with_suffix(".mkv")
    path.write_bytes(_EBML_HEAD + element(0x18538067, element(0x1654AE6B, tracks)))
    return path


def _fast_sound(stem: Path) -> Path:
    """Sound of two thousand million samples a second."""
    path = make_clip(stem.with_suffix(".mkv"), frames=6, audio="pcm_s16le")
    data = path.read_bytes()
    path.write_bytes(patched(data, b"\xb5\x88", 0, ">d", 2e9))
    return path


def _long_life(stem: Path) -> Path:
    """A film of thirty thousand years, by its header."""
    path = make_clip(stem.with_suffix(".mkv"), frames=6, audio=None)
    path.write_bytes(patched(path.read_bytes(), b"\x44\x89\x88", 0, ">d", 1e15))
    return path


BOMBS: dict[str, tuple[Write, str]] = {
    "a screen of 65535×65535": (_wide_gif, "or larger than the limits (docs/limits.md)"),
    "a picture larger than declared": (_lying_picture, "or larger than the limits (docs/limits.md)"),
    "pictures of 340 MB": (_large_picture, "of memory to read; raise the limit with SR_LIMITS=memory_bytes=…"),
    "an index of 268 million": (_long_index, "bomb.mp4"),
    "a packed header of 4 GB": (_packed_header, "bomb.mov"),
    "a packed packet of 1 GB": (_packed_packet, "bomb.mkv"),
    "300 streams": (_many_streams, "declares 300 streams, over the limit of 256; raise the limit"),
    "5000 streams": (_more_streams_than_ffmpeg_takes, "bomb.mkv"),
    "sound of 2 GHz": (_fast_sound, "2000000000 samples a second, over the limit of 768000"),
    "thirty thousand years": (_long_life, "seconds, over the limit of 604800"),
}  # fmt: skip
