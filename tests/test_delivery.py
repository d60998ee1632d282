"""What is delivered: which codec goes where, what each can hold, and how it is said that it cannot."""

from fractions import Fraction
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from sr_core.delivery import (
    CODEC_CONTAINERS,
    DEFAULT_CRF,
    container_for,
    default_output,
    delivery_encoding,
    output_warnings,
)
from sr_core.errors import InputError
from sr_core.media import LightLevel, MasteringDisplay
from sr_core.types import Codec, Encoding, Settings
from tests import builders

HDR10: dict[str, Any] = {
    "mastering_display": MasteringDisplay(
        red=(Fraction(34000, 50000), Fraction(16000, 50000)),
        green=(Fraction(13250, 50000), Fraction(34500, 50000)),
        blue=(Fraction(7500, 50000), Fraction(3000, 50000)),
        white=(Fraction(15635, 50000), Fraction(16450, 50000)),
        min_luminance=Fraction(50, 10000),
        max_luminance=Fraction(1000),
    ),
    "light_level": LightLevel(max_content=1000, max_frame_average=400),
}


def encoding(codec: str, size: tuple[int, int] = (640, 480), settings: Any = None, **traits: Any) -> Encoding:
    wanted = Settings(codec=codec, **(settings or {}))
    return delivery_encoding(wanted, builders.video(**traits), width_px=size[0], height_px=size[1])


@pytest.mark.parametrize(
    ("source", "codec", "expected"),
    [
        ("my.holiday film.mkv", "h264", "my.holiday film-upscaled.mkv"),
        ("videos.old/CLIP.MOV", "prores", "videos.old/CLIP-upscaled.MOV"),
        ("clip.avi", "h264", "clip-upscaled.mp4"),
        ("clip", "hevc", "clip-upscaled.mp4"),
        ("clip.mp4", "prores", "clip-upscaled.mov"),
        ("clip.webm", "h264", "clip-upscaled.mp4"),
        ("clip.mp4", "ffv1", "clip-upscaled.mkv"),
        ("file:///films/a%20b.mkv", "av1", "file:///films/a%20b-upscaled.mkv"),
    ],
)
def test_a_result_is_named_after_its_source_and_can_be_written(source: str, codec: Codec, expected: str) -> None:
    assert default_output(source, codec) == expected
    assert container_for(expected, codec)


@pytest.mark.parametrize("codec", get_args(Codec))
def test_every_codec_has_a_container_and_fixed_threads(codec: Codec) -> None:
    made = encoding(codec)

    assert CODEC_CONTAINERS[codec]
    assert made.threads == 4
    assert container_for("s3://bucket/films/a.mkv", codec) == "matroska"


@pytest.mark.parametrize(
    ("output", "codec", "remedy"),
    [
        ("a.webm", "h264", r"use \.mp4, \.m4v, \.mov, \.mkv, or --codec av1"),
        ("a.mov", "av1", r"use \.mp4, \.m4v, \.mkv, \.webm, or --codec h264 or hevc or prores"),
        ("a.mp4", "prores", r"use \.mov, \.mkv, or --codec h264 or hevc or av1"),
        ("a.mp4", "ffv1", r"use \.mkv"),
        ("a.avi", "h264", r"no container for the suffix '\.avi'; use \.mp4"),
    ],
)
def test_a_container_that_does_not_take_the_codec_is_refused_with_what_would_do(
    output: str, codec: Codec, remedy: str
) -> None:
    with pytest.raises(InputError, match=remedy):
        container_for(output, codec)


@pytest.mark.parametrize(("codec", "crf"), [("h264", 51), ("hevc", 51), ("av1", 63)])
def test_quality_has_the_codecs_own_range(codec: Codec, crf: int) -> None:
    assert ("crf", str(crf)) in encoding(codec, settings={"crf": crf}).options
    assert ("crf", str(DEFAULT_CRF[codec])) in encoding(codec).options
    with pytest.raises(ValidationError, match="crf"):
        Settings(codec=codec, crf=crf + 1)


@pytest.mark.parametrize("codec", ["prores", "ffv1"])
def test_codecs_without_a_rate_factor_refuse_one(codec: Codec) -> None:
    with pytest.raises(ValidationError, match=f"crf: {codec} has none"):
        Settings(codec=codec, crf=18)


def test_presets_are_named_alike_for_every_codec() -> None:
    assert ("preset", "slow") in encoding("hevc", settings={"preset": "slow"}).options
    assert ("preset", "5") in encoding("av1", settings={"preset": "slow"}).options


@pytest.mark.parametrize(
    ("codec", "traits", "complaint"),
    [
        ("av1", {"chroma": "444"}, "4:2:0 chroma only and the source has 444; use --codec hevc"),
        ("av1", {"bit_depth": 12}, "at most 10 bits and the source has 12; add --codec hevc"),
        ("h264", {"bit_depth": 12}, "at most 10 bits and the source has 12; add --codec hevc"),
    ],
)
def test_what_a_codec_cannot_hold_is_refused_by_name(codec: str, traits: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        encoding(codec, **traits)


@pytest.mark.parametrize(
    ("codec", "size", "traits", "holds"),
    [
        ("h264", (135, 90), {}, False),
        ("hevc", (134, 91), {}, False),
        ("h264", (135, 91), {"chroma": "444"}, True),
        ("h264", (134, 91), {"chroma": "422"}, True),
        ("av1", (135, 91), {}, True),
        ("hevc", (12, 20), {}, False),
    ],
)
def test_sizes_that_an_encoder_does_not_take_are_refused_before_any_work(
    codec: str, size: tuple[int, int], traits: dict[str, Any], holds: bool
) -> None:
    if holds:
        encoding(codec, size, **traits)
    else:
        with pytest.raises(InputError, match=f"{size[0]}×{size[1]}; use "):
            encoding(codec, size, **traits)


@pytest.mark.parametrize(
    ("chroma", "profile", "pixel_format", "tag"),
    [
        ("420", None, "yuv422p10le", "apch"),
        ("444", None, "yuv444p10le", "ap4h"),
        ("444", "lt", "yuv422p10le", "apcs"),
        ("422", "4444xq", "yuv444p10le", "ap4x"),
    ],
)
def test_prores_takes_the_profile_that_holds_the_chroma(
    chroma: str, profile: str | None, pixel_format: str, tag: str
) -> None:
    made = encoding("prores", settings={"prores_profile": profile}, chroma=chroma)

    assert (made.pixel_format, made.tag) == (pixel_format, tag)


def test_hdr10_metadata_is_told_to_each_encoder_in_its_own_words() -> None:
    traits = {"bit_depth": 10, **HDR10}
    options = {codec: dict(encoding(codec, **traits).options) for codec in ("h264", "hevc", "av1")}

    units = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    assert f"mastering-display={units}:cll=1000,400" in options["h264"]["x264-params"]
    assert f"master-display={units}:max-cll=1000,400" in options["hevc"]["x265-params"]
    assert "L(1000.00000000,0.00500000):content-light=1000,400" in options["av1"]["svtav1-params"]


@pytest.mark.parametrize(("width_px", "is_narrow"), [(48, True), (126, True), (128, False), (1920, False)])
def test_narrow_hevc_is_encoded_without_what_overruns_a_buffer(width_px: int, is_narrow: bool) -> None:
    parameters = dict(encoding("hevc", size=(width_px, 64)).options)["x265-params"]

    assert ("cutree=0" in parameters) == is_narrow


def test_what_a_master_does_not_keep_is_named() -> None:
    video = builders.video(chroma="444", bit_depth=12, color=builders.color(range="full"), **HDR10)

    said = " ".join(output_warnings(Settings(codec="prores", prores_profile="hq"), video))

    for part in ("12 bits become 10", "chroma is halved to 4:2:2", "full range becomes limited", "HDR10"):
        assert part in said
    assert output_warnings(Settings(codec="hevc"), video) == ()
