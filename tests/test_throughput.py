"""The planner's cost table: what a frame takes on a tier, and which tier and chunk size follow from that."""

from fractions import Fraction
from typing import Any

import pytest

from sr_core.throughput import (
    CHUNK_SECONDS,
    MAX_SEGMENT_SECONDS,
    OUTPUT_BYTES,
    SEGMENT_VIDEO_SECONDS,
    WORTHWHILE_SAVING,
    choose_tier,
    chunk_frames,
    frame_cost,
    moved_bytes,
)
from sr_core.tiers import CLOUD_TIERS, TIERS
from sr_core.types import ModelSpec, Tier, VideoInfo

from . import builders

ANIMEVIDEO_MACS = 619_000
RRDB_MACS = 17_927_000
"""Half of the published kFLOP per input pixel of realesr-animevideov3 and of RealESRGAN_x4plus."""


def network(macs_per_pixel: int, **changes: Any) -> ModelSpec:
    """One that makes pictures four times as wide and high."""
    return builders.model(**{"scale": 4, "radius_px": 18, "macs_per_pixel": macs_per_pixel, **changes})


def clip(width_px: int, height_px: int, *, rate: int = 24, **changes: Any) -> VideoInfo:
    return builders.video(width_px=width_px, height_px=height_px, rate=Fraction(rate), **changes)


def test_a_frame_takes_its_flops_over_the_achieved_rate() -> None:
    # given a heavy network, so that the encoder is not what limits
    cost = frame_cost(network(RRDB_MACS), clip(640, 480), "standard")
    # then: 2 × 17.927 M × 307,200 px = 11.01 TFLOP at 13 TFLOPS
    assert cost.model_seconds == pytest.approx(0.847, abs=0.001)
    assert cost.seconds == cost.model_seconds
    # and an hour of such frames costs an hour of the machine
    assert cost.spot_usd * 3600 / cost.seconds == pytest.approx(0.208)


def test_bytes_moved_are_those_of_a_chain_of_equal_layers() -> None:
    # given 16 layers of 64 features between two others: 18 convolutions, of which each moves 64 features
    macs = 9 * 64 * 64 * 18
    # then each feature is read and written twice in fp16, and the output has 16 pixels for one
    assert moved_bytes(network(macs)) == pytest.approx(18 * 64 * 8 + 16 * OUTPUT_BYTES)


def test_a_narrow_network_is_limited_by_the_memory_of_a_gpu() -> None:
    # given 8 layers of 32 features, as in the networks that ship, x4: 70,000 multiply-accumulates a pixel
    narrow = network(70_000, radius_px=8)
    cost = frame_cost(narrow, clip(960, 540), "standard")
    # then moving 5.7 kB a pixel at 320 GB/s takes longer than 140 kFLOP at 13 TFLOPS
    assert cost.model_seconds == pytest.approx(moved_bytes(narrow) * 960 * 540 / 320e9)
    assert cost.model_seconds > 2 * 70_000 * 960 * 540 / 13e12
    # and a CPU's figure is what was measured of networks so narrow
    on_cpu = frame_cost(narrow, clip(960, 540), "local")
    assert on_cpu.model_seconds == pytest.approx(2 * 70_000 * 960 * 540 / (0.65 * 800e9))


def test_a_light_network_is_limited_by_the_encoder() -> None:
    cost = frame_cost(network(10_000), clip(640, 480), "standard")
    assert cost.seconds == cost.codec_seconds > cost.model_seconds
    assert cost.codec_seconds == pytest.approx(640 * 480 * 16 / 18e6)


@pytest.mark.parametrize("tier", CLOUD_TIERS)
def test_cost_grows_with_the_picture_and_with_the_network(tier: Tier) -> None:
    def at(macs: int, width_px: int) -> float:
        return frame_cost(network(macs), clip(width_px, 480), tier).seconds

    assert at(RRDB_MACS, 1280) == pytest.approx(2 * at(RRDB_MACS, 640))
    assert at(RRDB_MACS, 640) > at(ANIMEVIDEO_MACS, 640)


@pytest.mark.parametrize("tier", CLOUD_TIERS)
@pytest.mark.parametrize("size_px", [(320, 240), (1280, 720), (3840, 2160)])
def test_a_chunk_is_about_ten_minutes_of_work(tier: Tier, size_px: tuple[int, int]) -> None:
    model, video = network(ANIMEVIDEO_MACS), clip(*size_px)
    seconds = frame_cost(model, video, tier).seconds
    # to within a frame, of which there are no parts
    assert CHUNK_SECONDS - seconds < chunk_frames(model, video, tier) * seconds <= CHUNK_SECONDS


def test_a_chunk_holds_a_frame_even_if_that_takes_longer() -> None:
    assert chunk_frames(network(10**9), clip(7680, 4320), "standard") == 1


@pytest.mark.parametrize("macs", [ANIMEVIDEO_MACS, RRDB_MACS])
@pytest.mark.parametrize("size_px", [(640, 480), (1280, 720)])
def test_ordinary_work_stays_on_standard_and_no_tier_is_much_cheaper(macs: int, size_px: tuple[int, int]) -> None:
    model, video = network(macs), clip(*size_px)
    assert choose_tier(model, video) == "standard"
    standard = frame_cost(model, video, "standard").spot_usd
    assert all(frame_cost(model, video, tier).spot_usd > standard * (1 - WORTHWHILE_SAVING) for tier in CLOUD_TIERS)


@pytest.mark.parametrize(("rate", "tier"), [(24, "standard"), (30, "premium")])
def test_a_segment_too_slow_to_lose_goes_to_the_faster_gpu(rate: int, tier: Tier) -> None:
    # given a heavy network, full HD, and a rate that puts a segment just below or just above the limit on a T4
    model, video = network(RRDB_MACS), clip(1920, 1080, rate=rate)
    segment_seconds = frame_cost(model, video, "standard").seconds * SEGMENT_VIDEO_SECONDS * rate
    assert (segment_seconds > MAX_SEGMENT_SECONDS) == (tier == "premium")
    # then only the second leaves standard, although a frame costs more on premium
    assert choose_tier(model, video) == tier


def test_frames_too_large_for_the_host_go_to_the_memory_tier() -> None:
    # given full HD in ten bits without chroma subsampling, four times as wide and high
    model, video = network(ANIMEVIDEO_MACS), clip(1920, 1080, bit_depth=10, chroma="444")
    # then 64 frames of 33 Mpx × 3 samples × 2 bytes fit beside nothing else in 14 GB, but into 29
    assert not frame_cost(model, video, "standard").fits
    assert frame_cost(model, video, "memory").fits
    assert choose_tier(model, video) == "memory"
    # and the same picture with subsampled chroma stays
    assert choose_tier(model, clip(1920, 1080, bit_depth=10)) == "standard"


def test_what_fits_nowhere_goes_where_there_is_most() -> None:
    assert choose_tier(network(ANIMEVIDEO_MACS), clip(3840, 2160, bit_depth=10, chroma="444")) == "memory"


@pytest.mark.parametrize("tier", TIERS)
def test_every_figure_says_where_it_comes_from(tier: Tier) -> None:
    machine = TIERS[tier]
    for rate in filter(
        None, (machine.flops_per_second, machine.memory_bytes_per_second, machine.encoded_pixels_per_second)
    ):
        assert rate.value > 0
        assert rate.source


def test_no_gpu_figure_is_claimed_to_be_measured() -> None:
    # nobody has run this on a GPU of these tiers yet; whoever does, changes the table and this test
    rates = [
        rate for tier in CLOUD_TIERS for rate in (TIERS[tier].flops_per_second, TIERS[tier].memory_bytes_per_second)
    ]
    assert {rate.basis for rate in rates if rate is not None} == {"projected"}


def test_dearer_machines_are_faster_or_roomier() -> None:
    standard, premium, memory = (TIERS[tier] for tier in CLOUD_TIERS if TIERS[tier].has_gpu)
    assert premium.flops_per_second.value > standard.flops_per_second.value
    assert memory.host_memory_bytes > standard.host_memory_bytes
    for machine in (TIERS[tier] for tier in CLOUD_TIERS):
        assert 0 < machine.spot_usd_per_hour < machine.on_demand_usd_per_hour
