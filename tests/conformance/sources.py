"""Clips made in code: what they share, and those with a trait of the picture. Each maker writes into a folder.

The picture is that of `tests.clips`, coded without loss, and then given its trait by the ffmpeg command.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from tests.clips import make_clip

Maker = Callable[[Path], Path]


def ffmpeg(*arguments: str | Path, folder: Path) -> None:
    """Runs the command in `folder`; its last argument is the file that it writes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"


def base(folder: Path, **traits: Any) -> Path:
    """The picture and, if asked for, a tone, coded without loss."""
    return make_clip(folder / "base.mkv", **{"codec": "ffv1", "pixel_format": "yuv444p", "audio": None, **traits})


def coded(suffix: str, *options: str, before: tuple[str, ...] = (), **traits: Any) -> Maker:
    """The picture as ffmpeg's `options` code it; those of `before` stand before the input."""

    def make(folder: Path) -> Path:
        base(folder, **traits)
        ffmpeg(*before, "-i", "base.mkv", *options, f"clip{suffix}", folder=folder)
        return folder / f"clip{suffix}"

    return make


def x264(*options: str, suffix: str = ".mp4", pixel_format: str = "yuv420p", **traits: Any) -> Maker:
    """The picture in H.264 of good quality."""
    quality = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "8", "-pix_fmt", pixel_format)
    return coded(suffix, *quality, *options, **traits)


def x265(
    *options: str, suffix: str = ".mp4", pixel_format: str = "yuv420p10le", params: str = "", **traits: Any
) -> Maker:
    """The picture in HEVC of good quality."""
    quality = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", pixel_format)
    parameters = ":".join(filter(None, ["log-level=error", params]))
    return coded(suffix, *quality, "-x265-params", parameters, *options, **traits)


def copied(make: Maker, suffix: str, *options: str, before: tuple[str, ...] = ()) -> Maker:
    """Another maker's clip in another container, its packets as they are."""

    def make_copy(folder: Path) -> Path:
        source = make(folder)
        ffmpeg(*before, "-i", source.name, "-map", "0", "-c", "copy", *options, f"copied{suffix}", folder=folder)
        return folder / f"copied{suffix}"

    return make_copy


def color(matrix: str, primaries: str, transfer: str, range_: str = "tv") -> tuple[str, ...]:
    """What the samples mean, stated; they are not converted."""
    names = ("-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer, "-color_range", range_)
    words = f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={range_}"
    return ("-vf", words, *names)


BT2020_PQ = color("bt2020nc", "bt2020", "smpte2084")
BT2020_HLG = color("bt2020nc", "bt2020", "arib-std-b67")
MASTERING = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


def turned(degrees: int, suffix: str = ".mp4", *options: str) -> Maker:
    """To be turned by so many degrees, counter-clockwise, before it is shown."""
    return copied(x264(*options), suffix, before=("-display_rotation", str(degrees)))


def gif(folder: Path) -> Path:
    base(folder, frames=12)
    graph = "split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse=dither=none"
    ffmpeg("-i", "base.mkv", "-vf", graph, "clip.gif", folder=folder)
    return folder / "clip.gif"


def transparent(suffix: str, *options: str) -> Maker:
    """With an alpha channel that fades from left to right."""
    fade = "format=yuva444p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='255*X/W'"
    return coded(suffix, "-vf", fade, *options, frames=12)


def hdr10_plus(folder: Path) -> Path:
    """HEVC whose frames bear a message of SMPTE ST 2094-40, as small as its syntax allows."""
    make = x265(*BT2020_PQ, suffix=".hevc", params=f"{MASTERING}:repeat-headers=1:bframes=0")
    source = make(folder)
    data = source.read_bytes()
    fields = [
        (0xB5, 8),
        (0x003C, 16),
        (0x0001, 16),
        (4, 8),
        (1, 8),
    ]  # country, provider, its code, application, version
    fields += [(1, 2), (4000, 27), (0, 1)]  # one window, the target's luminance, no actual peak
    fields += [(50000, 17)] * 3 + [(20000, 17), (0, 4), (10, 10)]  # maxscl, average, no distribution, bright fraction
    fields += [(0, 1), (0, 1), (0, 1)]  # no mastering peak, tone mapping or saturation
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    payload = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    message = bytes([4, len(payload)]) + payload + b"\x80"
    escaped = bytearray()
    for byte in message:
        if byte <= 3 and escaped[-2:] == b"\0\0":
            escaped.append(3)
        escaped.append(byte)
    unit = b"\0\0\0\1" + bytes([39 << 1, 1]) + escaped  # a prefix SEI
    source.write_bytes(_before_each_picture(data, unit))
    stamps = "setts=pts=N*200000:dts=N*200000:duration=200000:time_base=1/1200000"
    ffmpeg("-i", source.name, "-c", "copy", "-bsf:v", stamps, "clip.mp4", folder=folder)
    return folder / "clip.mp4"


def _before_each_picture(stream: bytes, unit: bytes) -> bytes:
    """An HEVC byte stream with `unit` before the first slice of every picture."""
    parts = stream.split(b"\0\0\1")
    out = parts[0]
    for part in parts[1:]:
        is_first_slice = (part[0] >> 1) < 32 and part[2] & 0x80
        if is_first_slice:
            out = out.removesuffix(b"\0") + unit
        out += b"\0\0\1" + part
    return out


def interlaced(codec: str, suffix: str, *options: str, order: str = "tff") -> Maker:
    """50 moments a second, two in each frame."""

    def make(folder: Path) -> Path:
        make_clip(folder / "base.mkv", codec="ffv1", pixel_format="yuv420p", frames=72, rate=50, audio=None)
        graph = f"interlace=scan={order}:lowpass=off"
        ffmpeg("-i", "base.mkv", "-vf", graph, "-c:v", codec, *options, f"clip{suffix}", folder=folder)
        return folder / f"clip{suffix}"

    return make


INTERLACED_MPEG2 = ("-flags", "+ilme+ildct", "-q:v", "2")
INTERLACED_H264 = ("-preset", "veryfast", "-crf", "8", "-x264-params", "tff=1")


def becomes_interlaced(folder: Path) -> Path:
    """A broadcast that switches from progressive to interlaced frames."""
    for name, make in (
        ("one", coded(".ts", "-r", "25", "-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p", rate=25)),
        ("two", interlaced("mpeg2video", ".ts", *INTERLACED_MPEG2)),
    ):
        make(folder).rename(folder / f"{name}.ts")
    (folder / "clip.ts").write_bytes((folder / "one.ts").read_bytes() + (folder / "two.ts").read_bytes())
    return folder / "clip.ts"


def telecined(folder: Path) -> Path:
    """Film in 30 frames a second, by 3:2 pulldown."""
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=96x80:r=24000/1001:d=4",
        "-vf",
        "telecine=pattern=23",
        "-c:v",
        "mpeg2video",
        *INTERLACED_MPEG2,
        "clip.mpg",
        folder=folder,
    )
    return folder / "clip.mpg"


def soft_telecined(folder: Path) -> Path:
    """Film whose frames last two and three fields in turn."""
    steps = "setpts='(floor(N/2)*5+mod(N,2)*2)*1001/60000/TB'"
    base(folder, frames=48)
    ffmpeg(
        "-i",
        "base.mkv",
        "-vf",
        f"settb=1/60000,{steps}",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1/60000",
        "-c:v",
        "libx264",
        "-crf",
        "8",
        "-pix_fmt",
        "yuv420p",
        "-bf",
        "0",
        "clip.mp4",
        folder=folder,
    )
    return folder / "clip.mp4"
