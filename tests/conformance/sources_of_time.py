"""Made clips whose trait is one of time: when frames are shown, which of them are, and what is missing or broken."""

from pathlib import Path
from typing import Any

from tests.clips import make_clip

from .sources import Maker, base, coded, copied, ffmpeg, x264

UNEVEN = [index * 9 + (index * index) % 7 for index in range(48)]
"""Presentation times of a variable rate, in tenths of a frame's duration."""


def plain(suffix: str = ".mp4", **traits: Any) -> Maker:
    """A picture and a tone."""
    return lambda folder: make_clip(folder / f"plain{suffix}", **{"frames": 36, **traits})


def hidden_by_an_edit_list(folder: Path) -> Path:
    """The first 13 frames are there to be decoded only."""
    make_clip(folder / "plain.mp4", frames=36, gop=12)
    ffmpeg("-ss", "2.17", "-i", "plain.mp4", "-c", "copy", "clip.mp4", folder=folder)
    return folder / "clip.mp4"


def delayed(suffix: str, *, picture: str = "0", sound: str = "0") -> Maker:
    """Picture and sound begin so many seconds late."""

    def make(folder: Path) -> Path:
        make_clip(folder / "plain.mp4", frames=36)
        ffmpeg(
            "-itsoffset",
            picture,
            "-i",
            "plain.mp4",
            "-itsoffset",
            sound,
            "-i",
            "plain.mp4",
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c",
            "copy",
            f"clip{suffix}",
            folder=folder,
        )
        return folder / f"clip{suffix}"

    return make


def negative(folder: Path) -> Path:
    """MP4 whose first frames have times before zero, and no edit list to say so: composition offsets less than none."""
    make_clip(folder / "plain.mp4", frames=36, audio=None)
    data = bytearray((folder / "plain.mp4").read_bytes())
    data[data.index(b"edts") : data.index(b"edts") + 4] = b"free"
    place = data.index(b"ctts") + 4
    count = int.from_bytes(data[place + 4 : place + 8], "big")
    data[place] = 1  # the version in which offsets have a sign
    offsets = [place + 12 + 8 * entry for entry in range(count)]
    step = min(int.from_bytes(data[offset : offset + 4], "big") for offset in offsets)
    for offset in offsets:
        value = int.from_bytes(data[offset : offset + 4], "big") - 4 * step
        data[offset : offset + 4] = value.to_bytes(4, "big", signed=True)
    (folder / "clip.mp4").write_bytes(data)
    return folder / "clip.mp4"


def wrapped(suffix: str, *options: str) -> Maker:
    """A clock of 33 bits that begins anew two seconds in."""
    return coded(
        suffix,
        *options,
        "-output_ts_offset",
        str(2**33 / 90000 - 2),
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "mp2",
        "-ar",
        "48000",
        frames=100,
        rate=25,
        audio="flac",
    )


def hours(count: int) -> Maker:
    """Frames of which each is shown for an hour."""
    return plain(".mp4", frames=count, times=[index * 36000 for index in range(count)], rate=1, audio=None)


def changes_its_size(folder: Path) -> Path:
    """A transport stream whose picture grows on the way."""
    parts = [
        make_clip(
            folder / f"{width}.ts", frames=12, size=(width, 48), codec="mpeg2video", b_frames=0, rate=25, audio=None
        )
        for width in (64, 96)
    ]
    (folder / "clip.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder / "clip.ts"


def flipped(make: Maker, *, every: int = 900, start: int = 3000) -> Maker:
    """A byte in so many is another."""

    def damage(folder: Path) -> Path:
        source = make(folder)
        data = bytearray(source.read_bytes())
        for place in range(start, len(data) - 2000, every):
            data[place] ^= 0x5A
        path = folder / f"damaged{source.suffix}"
        path.write_bytes(data)
        return path

    return damage


def truncated(make: Maker, *, keep: float) -> Maker:
    """Cut off after that part of its bytes."""

    def cut(folder: Path) -> Path:
        source = make(folder)
        path = folder / f"cut{source.suffix}"
        path.write_bytes(source.read_bytes()[: int(source.stat().st_size * keep)])
        return path

    return cut


def with_a_hole(make: Maker, *, at: float = 0.5, size_bytes: int = 4000) -> Maker:
    """Bytes are missing in the middle, as after a lost connection."""

    def lose(folder: Path) -> Path:
        source = make(folder)
        data = source.read_bytes()
        path = folder / f"holed{source.suffix}"
        path.write_bytes(data[: int(len(data) * at)] + data[int(len(data) * at) + size_bytes :])
        return path

    return lose


def indexed_first(folder: Path) -> Path:
    """MP4 with its index in front, so that it can be cut off and still be read."""
    return copied(x264(frames=60, audio="aac"), ".mp4", "-movflags", "+faststart")(folder)


def untimed(folder: Path) -> Path:
    """A bare H.264 stream: no frame has a time."""
    base(folder)
    ffmpeg(
        "-i", "base.mkv", "-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p", "-r", "25", "clip.h264", folder=folder
    )
    return folder / "clip.h264"
