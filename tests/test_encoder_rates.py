"""How fast encoders are beside x264 `medium`: by codec, preset, depth and chroma, as was measured."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from bench.encoder_cases import PRESETS, Key, factors, relative_rates
from sr_core.encoder_rates import (
    CHROMA_FACTORS,
    DEEP_FACTORS,
    LOSSLESS_RATE,
    PRESET_RATES,
    PRORES_RATES,
    relative_rate,
)
from sr_core.types import ProresProfile, Settings

from . import builders

RESULTS = Path(__file__).parents[1] / "bench" / "results" / "encoders.json"
ROUNDED = 0.02
"""The table has two or three digits."""


def rate(*, bit_depth: int = 8, chroma: str = "420", **settings: Any) -> float:
    return relative_rate(Settings(**settings), builders.video(bit_depth=bit_depth, chroma=chroma))


@pytest.fixture(scope="module")
def measured() -> dict[Key, float]:
    return relative_rates(json.loads(RESULTS.read_text())["figures"])


def test_the_default_encoder_is_what_others_are_relative_to() -> None:
    assert rate() == 1.0


@pytest.mark.parametrize("codec", PRESET_RATES)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_as_fast_as_measured(measured: dict[Key, float], codec: str, preset: str) -> None:
    # Given x264 `medium` itself, whose ratio says how exact the others are
    tolerance = 0.05 if (codec, preset) == ("h264", "medium") else ROUNDED
    assert rate(codec=codec, preset=preset) == pytest.approx(measured[codec, preset, 8, "420"], rel=tolerance)


@pytest.mark.parametrize("profile", get_args(ProresProfile))
def test_a_profile_is_as_fast_as_measured(measured: dict[Key, float], profile: ProresProfile) -> None:
    chroma = "444" if profile.startswith("4444") else "422"
    assert PRORES_RATES[profile] == pytest.approx(measured["prores", profile, 10, chroma], rel=ROUNDED)
    assert rate(codec="prores", prores_profile=profile, chroma="444") == PRORES_RATES[profile]


def test_lossless_is_as_fast_as_measured(measured: dict[Key, float]) -> None:
    assert rate(codec="ffv1") == LOSSLESS_RATE == pytest.approx(measured["ffv1", "lossless", 8, "420"], rel=ROUNDED)


def test_factors_are_as_measured(measured: dict[Key, float]) -> None:
    found = factors(measured)
    for codec, factor in DEEP_FACTORS.items():
        assert factor == pytest.approx(found.pop((codec, 10, "420")), rel=ROUNDED)
    for codec, by_chroma in CHROMA_FACTORS.items():
        for chroma, factor in by_chroma.items():
            assert factor == pytest.approx(found.pop((codec, 8, chroma)), rel=ROUNDED)
    # Then nothing measured is left out
    assert not found


def test_more_than_8_bits_and_fuller_chroma_each_take_their_part() -> None:
    plain = rate(codec="hevc", preset="fast")

    assert rate(codec="hevc", preset="fast", bit_depth=10) == plain * DEEP_FACTORS["hevc"]
    assert rate(codec="hevc", preset="fast", bit_depth=12) == plain * DEEP_FACTORS["hevc"]
    assert rate(codec="hevc", preset="fast", chroma="422") == plain * CHROMA_FACTORS["hevc"]["422"]
    assert rate(codec="hevc", preset="fast", bit_depth=10, chroma="444") == pytest.approx(
        plain * DEEP_FACTORS["hevc"] * CHROMA_FACTORS["hevc"]["444"]
    )


def test_depth_and_chroma_are_the_outputs() -> None:
    # Given grey, which is written as 4:2:0, and RGB, which is written as 4:4:4
    assert rate(chroma="gray") == rate()
    assert rate(chroma="rgb") == rate(chroma="444") < rate()
    # And AV1, which is refused beyond 4:2:0 elsewhere
    assert rate(codec="av1", chroma="444") == rate(codec="av1")


def test_prores_goes_by_the_profile_it_is_written_in() -> None:
    assert rate(codec="prores") == rate(codec="prores", bit_depth=10, chroma="422") == PRORES_RATES["hq"]
    assert rate(codec="prores", chroma="rgb") == PRORES_RATES["4444"]


def test_with_a_mezzanine_upscale_writes_that_whatever_is_delivered() -> None:
    # Given the slowest of encoders
    slowest: dict[str, Any] = {"codec": "hevc", "preset": "veryslow", "segment_codec": "mezzanine"}
    # Then upscale does not wait for it
    assert rate(**slowest) == LOSSLESS_RATE
    assert rate(**slowest, bit_depth=10) == LOSSLESS_RATE * DEEP_FACTORS["ffv1"]
    # And ProRes' mezzanine has its 10 bits and its chroma
    lossless = rate(codec="prores", segment_codec="mezzanine")
    assert lossless == LOSSLESS_RATE * DEEP_FACTORS["ffv1"] * CHROMA_FACTORS["ffv1"]["422"]
