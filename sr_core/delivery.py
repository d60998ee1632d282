"""What is delivered: the codecs, what each can hold, how its encoder is set, and the containers that take it.

Whatever decides an encoder's bytes is fixed here and written in the plan. Nothing here opens a file.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

from sr_core.contract import DEFAULT_SUFFIXES
from sr_core.errors import InputError
from sr_core.media import ColorInfo, LightLevel, MasteringDisplay, VideoInfo
from sr_core.types import Codec, Encoding, ProresProfile, Settings

ENCODER_THREADS = 4
"""On every machine alike, because the number decides x264's bytes."""

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Muxers by the output's suffix."""
CODEC_CONTAINERS: Mapping[Codec, tuple[str, ...]] = {
    "h264": ("mp4", "mov", "matroska"),
    "hevc": ("mp4", "mov", "matroska"),
    "av1": ("mp4", "matroska", "webm"),
    "prores": ("mov", "matroska"),
    "ffv1": ("matroska",),
}
"""Which muxers take which codec in a way that players agree on."""
CODEC_NAMES: Mapping[Codec, str] = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1", "prores": "ProRes", "ffv1": "FFV1"}

DEFAULT_CRF: Mapping[Codec, int] = {"h264": 18, "hevc": 18, "av1": 20}
"""Visually transparent for upscaled pictures (docs/decisions/0301)."""
AV1_PRESETS: Mapping[str, int] = {
    "ultrafast": 12, "superfast": 11, "veryfast": 10, "faster": 9, "fast": 8, "medium": 6, "slow": 5, "slower": 4,
    "veryslow": 2,
}  # fmt: skip
"""SVT-AV1's numbers by x264's names."""

_TEN_BIT_CODECS: tuple[Codec, ...] = ("h264", "av1")
"""Which hold 10 bits at most. ProRes does, too, as it is written here, and yet its own 4444 is read as 12 bits."""
_X265_FIXED = (f"pools={ENCODER_THREADS}", "frame-threads=2", "log-level=error")
_X265_NARROW_PX = 128
"""Below, x265's propagation of block costs (`cutree`) writes beyond its buffer: valgrind shows it at 48×32."""
_MIN_SIDE_PX: Mapping[Codec, int] = {"h264": 2, "hevc": 16, "av1": 16, "prores": 2, "ffv1": 8}
_PRORES_TAGS = {"proxy": "apco", "lt": "apcs", "standard": "apcn", "hq": "apch", "4444": "ap4h", "4444xq": "ap4x"}
"""QuickTime's four letters by profile; containers name the profile by them."""


def container_for(output: str, codec: Codec) -> str:
    """The muxer for an output path or address.

    Raises InputError for a suffix that is unknown, or that is not used with `codec`.
    """
    suffix = Path(output).suffix.lower()
    fitting = ", ".join(known for known, muxer in CONTAINERS.items() if muxer in CODEC_CONTAINERS[codec])
    if suffix not in CONTAINERS:
        raise InputError(f"{output}: no container for the suffix {suffix!r}; use {fitting}")
    if CONTAINERS[suffix] not in CODEC_CONTAINERS[codec]:
        others = [other for other in CODEC_CONTAINERS if CONTAINERS[suffix] in CODEC_CONTAINERS[other]]
        raise InputError(
            f"{output}: a {suffix} file is not made with {CODEC_NAMES[codec]}; "
            f"use {fitting}, or --codec {' or '.join(others)}"
        )
    return CONTAINERS[suffix]


def default_output(source: str, codec: Codec) -> str:
    """Where the result goes if nobody says: beside the source, as ``film-upscaled.mkv`` for ``film.mkv``.

    A suffix that is not written, or not with `codec`, gives way to that of `DEFAULT_SUFFIXES`.
    """
    fitting = [suffix for suffix, muxer in CONTAINERS.items() if muxer in CODEC_CONTAINERS[codec]]
    suffix = Path(source).suffix
    return f"{source.removesuffix(suffix)}-upscaled{suffix if suffix.lower() in fitting else DEFAULT_SUFFIXES[codec]}"


def output_color(settings: Settings, video: VideoInfo) -> ColorInfo:
    """What the output's samples mean: what the source's do, with RGB turned into BT.709 of limited range.

    ProRes cannot say that its range is full, so it is limited there.
    """
    if video.color.matrix == "rgb":
        return video.color.model_copy(update={"matrix": "bt709", "range": "limited"})
    if settings.codec == "prores":
        return video.color.model_copy(update={"range": "limited"})
    return video.color


def output_format(settings: Settings, video: VideoInfo) -> str:
    """Pixel format of the output: the source's chroma subsampling and depth, as far as encoders have them.

    Grey becomes 4:2:0 and RGB 4:4:4; 9 bits become 10, more than 12 become 12 but in FFV1. ProRes has 10 bits, 4:2:2 or
    4:4:4.
    """
    if settings.codec == "prores":
        return "yuv444p10le" if prores_profile(settings, video).startswith("4444") else "yuv422p10le"
    chroma = {"gray": "420", "rgb": "444"}.get(video.chroma, video.chroma)
    deepest = 16 if settings.codec == "ffv1" else 12
    depth = 10 if video.bit_depth == 9 else min(video.bit_depth, deepest)
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def prores_profile(settings: Settings, video: VideoInfo) -> ProresProfile:
    """The profile that ProRes is written in: as chosen, else 4444 for a source of full chroma and hq for others."""
    return settings.prores_profile or ("4444" if video.chroma in ("444", "rgb") else "hq")


def delivery_encoding(settings: Settings, video: VideoInfo, *, width_px: int, height_px: int) -> Encoding:
    """How the delivered packets are made. Raises InputError, by name, for what the codec cannot hold of the source."""
    pixel_format = output_format(settings, video)
    _check_held(settings.codec, video, pixel_format, width_px=width_px, height_px=height_px)
    match settings.codec:
        case "prores":
            profile = prores_profile(settings, video)
            options: tuple[tuple[str, str], ...] = (("profile", profile), ("vendor", "apl0"))
            tag = _PRORES_TAGS[profile]
            return Encoding(
                codec="prores_ks", pixel_format=pixel_format, options=options, threads=ENCODER_THREADS, tag=tag
            )
        case "ffv1":
            return lossless_encoding(pixel_format)
    crf = DEFAULT_CRF[settings.codec] if settings.crf is None else settings.crf
    encoder, preset, option, parameters = {
        "h264": ("libx264", settings.preset, "x264-params", []),
        "hevc": ("libx265", settings.preset, "x265-params", [*_X265_FIXED]),
        "av1": ("libsvtav1", str(AV1_PRESETS[settings.preset]), "svtav1-params", [f"lp={ENCODER_THREADS}"]),
    }[settings.codec]
    if settings.codec == "hevc" and width_px < _X265_NARROW_PX:
        parameters.append("cutree=0")
    parameters += _light_parameters(settings.codec, video)
    options = (("crf", str(crf)), ("preset", preset))
    if parameters:
        options = (*options, (option, ":".join(parameters)))
    return Encoding(codec=encoder, pixel_format=pixel_format, options=options, threads=ENCODER_THREADS)


def lossless_encoding(pixel_format: str) -> Encoding:
    """FFV1 version 3 with checksummed slices: exact, intra-only, fast enough, for any depth and subsampling.

    RGB of 8 bits it takes packed only.
    """
    if pixel_format == "gbrp":
        pixel_format = "bgr0"
    options = (("level", "3"), ("slices", "4"), ("slicecrc", "1"))
    return Encoding(codec="ffv1", pixel_format=pixel_format, options=options, threads=ENCODER_THREADS)


def output_warnings(settings: Settings, video: VideoInfo) -> tuple[str, ...]:
    """What the delivery codec changes of the source, by name."""
    warnings = []
    name = CODEC_NAMES[settings.codec]
    if settings.codec == "prores":
        profile = prores_profile(settings, video)
        if video.bit_depth > 10:
            warnings.append(f"{video.bit_depth} bits become 10: ProRes is written with no more; FFV1 is")
        if video.chroma in ("444", "rgb") and not profile.startswith("4444"):
            warnings.append(f"chroma is halved to 4:2:2: ProRes {profile} holds no more")
        if video.color.range == "full" and video.color.matrix != "rgb":
            warnings.append("full range becomes limited: ProRes has no word for the other")
    if settings.codec == "hevc" and video.bit_depth > 12:
        warnings.append(f"{video.bit_depth} bits become 12: HEVC is written with no more; FFV1 is")
    if settings.codec in ("prores", "ffv1") and (video.mastering_display or video.light_level):
        warnings.append(
            f"mastering display and light level (HDR10) are not kept: {name} packets have no place for them"
        )
    return tuple(warnings)


def _check_held(codec: Codec, video: VideoInfo, pixel_format: str, *, width_px: int, height_px: int) -> None:
    name = CODEC_NAMES[codec]
    if video.bit_depth > 10 and codec in _TEN_BIT_CODECS:
        raise InputError(f"{name} holds at most 10 bits and the source has {video.bit_depth}; add --codec hevc")
    if codec == "av1" and not pixel_format.startswith("yuv420p"):
        raise InputError(
            f"AV1 is written with 4:2:0 chroma only and the source has {video.chroma}; use --codec hevc, h264 or ffv1"
        )
    if min(width_px, height_px) < _MIN_SIDE_PX[codec]:
        raise InputError(
            f"{name} holds no less than {_MIN_SIDE_PX[codec]} px a side and the output would be "
            f"{width_px}×{height_px}; use --codec h264"
        )
    needs_even = (width_px % 2 and "444" not in pixel_format) or (height_px % 2 and "420" in pixel_format)
    if needs_even and codec in ("h264", "hevc"):
        raise InputError(
            f"{name} holds subsampled chroma in even sizes only and the output would be {width_px}×{height_px}; "
            "use a network of an even scale, or --codec ffv1"
        )


def _light_parameters(codec: Literal["h264", "hevc", "av1"], video: VideoInfo) -> list[str]:
    """HDR10's static metadata in the encoder's own words, so that it lies in the packets and survives any container."""
    names = {
        "h264": ("mastering-display", "cll"),
        "hevc": ("master-display", "max-cll"),
        "av1": ("mastering-display", "content-light"),
    }[codec]
    parameters = []
    if video.mastering_display is not None:
        shown = _decimal(video.mastering_display) if codec == "av1" else _in_units(video.mastering_display)
        parameters.append(f"{names[0]}={shown}")
    if video.light_level is not None:
        level: LightLevel = video.light_level
        parameters.append(f"{names[1]}={level.max_content},{level.max_frame_average}")
    return parameters


def _in_units(display: MasteringDisplay) -> str:
    """In the units of H.265 annex D.3.28: 0.00002 for coordinates, 0.0001 candelas for luminance."""
    points = "".join(
        f"{letter}({round(x * 50000)},{round(y * 50000)})"
        for letter, (x, y) in (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    )
    return f"{points}L({round(display.max_luminance * 10000)},{round(display.min_luminance * 10000)})"


def _decimal(display: MasteringDisplay) -> str:
    """As SVT-AV1 reads it, which turns decimals into the fixed point of the AV1 specification 6.7.4."""

    def text(value: Fraction) -> str:
        return f"{float(value):.8f}"

    points = "".join(
        f"{letter}({text(x)},{text(y)})"
        for letter, (x, y) in (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    )
    return f"{points}L({text(display.max_luminance)},{text(display.min_luminance)})"
