"""Which kind of machine upscales: what is said of it by the workload, by a request, and by a deployment."""

from fractions import Fraction
from typing import Any

import pytest

from sr_core.errors import InputError
from sr_core.planning import execution, make_plan, tier_for
from sr_core.throughput import choose_tier, frame_cost, suits_winograd
from sr_core.tiers import CLOUD_TIERS, TIERS, tiers_of
from sr_core.types import CloudTier, ModelSpec, Settings, VideoInfo

from . import builders

LIGHT = builders.model(name="light", scale=2, radius_px=8, macs_per_pixel=59_616)
"""The network that ships for twice the size: six layers of 32 features between two others."""
HEAVY = builders.model(name="heavy", architecture="ESRGAN", scale=4, radius_px=18, macs_per_pixel=17_927_000)


def clip(width_px: int = 640, height_px: int = 360) -> VideoInfo:
    return builders.video(width_px=width_px, height_px=height_px, rate=Fraction(25))


def test_a_cpu_both_computes_and_encodes_so_that_its_times_add_up() -> None:
    cost = frame_cost(LIGHT, clip(), "cpu")

    assert cost.seconds == pytest.approx(cost.model_seconds + cost.codec_seconds)
    # and a job pays for the half of a machine that it asks for
    hourly = cost.spot_usd * 3600 / cost.seconds
    assert hourly == pytest.approx(TIERS["cpu"].spot_usd_per_hour / 2)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"macs_per_pixel": 59_616}, 0.65),
        ({"macs_per_pixel": 214_272, "radius_px": 12}, 1.0),
        ({"macs_per_pixel": 10_000}, 0.4),
        ({"architecture": "ESRGAN"}, 0.4),
    ],
    ids=["32 features", "48 features", "too narrow for Winograd's kernels", "another architecture"],
)
def test_how_much_of_a_cpus_rate_a_network_reaches_is_told_by_its_layers(changes: dict[str, Any], share: float) -> None:
    model = LIGHT.model_copy(update=changes)

    flops = 2 * model.macs_per_pixel * 640 * 360

    assert flops / frame_cost(model, clip(), "cpu").model_seconds == pytest.approx(
        share * TIERS["cpu"].flops_per_second.value
    )
    assert suits_winograd(model) == (share > 0.4)


def test_what_a_job_is_told_to_compute_by_and_on_is_what_its_cost_goes_by() -> None:
    # Given a job for CPUs by torch's layers
    by_torch = frame_cost(LIGHT, clip(), "cpu", Settings(kernels="torch"))
    assert by_torch.model_seconds == pytest.approx(frame_cost(LIGHT, clip(), "cpu").model_seconds * 0.65 / 0.4)

    # and one that leaves its GPU unused
    idle_gpu = frame_cost(LIGHT, clip(), "standard", Settings(device="cpu", kernels="torch"))

    # Then that takes what it takes on as many cores, at the price of the GPU
    assert idle_gpu.seconds == pytest.approx(by_torch.seconds)
    hourly = idle_gpu.spot_usd * 3600 / idle_gpu.seconds
    assert hourly == pytest.approx(TIERS["standard"].spot_usd_per_hour)


@pytest.mark.parametrize(
    ("model", "settings", "tier"),
    [
        (LIGHT, Settings(preset="veryfast"), "standard"),
        (LIGHT, Settings(preset="slower"), "cpu"),
        (LIGHT, Settings(codec="hevc"), "cpu"),
        (HEAVY, Settings(preset="veryfast"), "standard"),
        (HEAVY, Settings(codec="hevc", preset="slow"), "standard"),
    ],
    ids=["a fast encoder", "a slow encoder", "a slow codec", "a heavy network", "both heavy"],
)
def test_where_the_encoder_keeps_a_gpu_waiting_the_work_goes_to_cpus(
    model: ModelSpec, settings: Settings, tier: CloudTier
) -> None:
    assert choose_tier(model, clip(), settings) == tier
    # that is where it costs less, by more than the figures may be wrong
    ratio = (
        frame_cost(model, clip(), "cpu", settings).spot_usd / frame_cost(model, clip(), "standard", settings).spot_usd
    )
    assert (ratio < 0.75) == (tier == "cpu")


def test_a_deployment_says_among_which_a_plan_may_choose() -> None:
    # Given a network that is far cheaper on a GPU, and an account that has none
    assert tier_for(Settings(), HEAVY, clip()) == "standard"
    assert tier_for(Settings(), HEAVY, clip(), among=("cpu",)) == "cpu"

    # and pictures for which no machine there has the memory
    huge = builders.video(width_px=3840, height_px=2160)
    light = LIGHT.model_copy(update={"scale": 4})
    assert not frame_cost(light, huge, "cpu").fits
    assert tier_for(Settings(), light, huge, among=("cpu",)) == "cpu"


def test_no_plan_of_itself_takes_a_tier_on_which_jobs_would_end_before_their_first_segment() -> None:
    # Given a heavy network and large pictures
    large = clip(1920, 1080)
    assert tier_for(Settings(), HEAVY, large) == "standard"

    # When a deployment has CPUs alone, and nobody has asked for them
    with pytest.raises(InputError, match=r"heavy would take about \d hours for 4 s of this video on tier cpu, which"):
        tier_for(Settings(), HEAVY, large, among=("cpu",))

    # Then whoever does ask for them gets them: a deployment may let its jobs run for days
    assert tier_for(Settings(tier="cpu"), HEAVY, large, among=("cpu",)) == "cpu"


def test_a_request_may_name_any_tier() -> None:
    for tier in CLOUD_TIERS:
        settings = Settings(tier=tier)
        assert tier_for(settings, LIGHT, clip(), among=("cpu",)) == tier
        assert make_plan(builders.request(settings), LIGHT, clip()).tier == tier


@pytest.mark.parametrize(
    ("settings", "tier"),
    [
        (Settings(device="cpu"), "cpu"),
        (Settings(kernels="winograd"), "cpu"),
        (Settings(device="cuda", codec="hevc"), "standard"),
        (Settings(kernels="fused", codec="hevc"), "standard"),
        (Settings(precision="fp16", codec="hevc"), "standard"),
        (Settings(precision="fp32", codec="hevc"), "cpu"),
        (Settings(precision="bf16"), "premium"),
        (Settings(precision="bf16", device="cuda"), "premium"),
    ],
)
def test_what_is_asked_for_of_a_machine_decides_which_it_can_be(settings: Settings, tier: CloudTier) -> None:
    assert tier_for(settings, LIGHT, clip()) == tier
    # and what it is planned for then, it can do
    assert make_plan(builders.request(settings), LIGHT, clip()).tier == tier


def test_what_no_tier_of_a_deployment_can_do_is_refused() -> None:
    with pytest.raises(InputError, match="plans here choose among cpu, and none has the device, precision and"):
        tier_for(Settings(precision="fp16"), LIGHT, clip(), among=("cpu",))
    with pytest.raises(InputError, match="choose among standard, premium, and none has the device"):
        tier_for(Settings(device="cpu"), LIGHT, clip(), among=("standard", "premium"))
    with pytest.raises(InputError, match="choose among standard, memory, and none has the device"):
        tier_for(Settings(precision="bf16"), LIGHT, clip(), among=("standard", "memory"))


def test_on_cpus_the_images_kernels_are_planned_for_the_networks_that_they_are_for() -> None:
    run = execution(Settings(), LIGHT, "cpu", picture_px=640 * 360)
    assert (run.device, run.precision, run.kernels, run.multiple_px) == ("cpu", "fp32", "winograd", 4)

    # also where a machine has a GPU that is not to be used
    run = execution(Settings(device="cpu"), LIGHT, "standard", picture_px=640 * 360)
    assert (run.device, run.precision, run.kernels) == ("cpu", "fp32", "winograd")

    narrow = LIGHT.model_copy(update={"macs_per_pixel": 10_000})
    for model, settings in ((narrow, Settings()), (HEAVY, Settings()), (LIGHT, Settings(kernels="torch"))):
        run = execution(settings, model, "cpu", picture_px=640 * 360)
        assert (run.device, run.precision, run.kernels) == ("cpu", "fp32", "torch")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (Settings(tier="cpu", device="cuda"), "tier cpu has no GPU; leave out --device"),
        (Settings(tier="cpu", precision="fp16"), "machines of tier cpu compute in fp32, not in fp16"),
        (Settings(tier="cpu", kernels="fused"), "fused layers need a GPU"),
    ],
)
def test_what_a_cpu_has_not_is_refused_by_name(settings: Settings, why: str) -> None:
    with pytest.raises(InputError, match=why):
        make_plan(builders.request(settings), LIGHT, clip())


def test_tiers_are_told_as_words_the_usual_one_first() -> None:
    assert tiers_of("", place="SR_TIERS") == CLOUD_TIERS
    assert tiers_of("cpu standard", place="SR_TIERS") == ("standard", "cpu")
    with pytest.raises(InputError, match="SR_TIERS: there is no tier gpu; there are standard, premium, memory, cpu"):
        tiers_of("cpu gpu", place="SR_TIERS")


def test_a_request_that_names_no_tier_is_the_job_that_it_was() -> None:
    assert builders.request(Settings()).digest() == builders.request(Settings(tier="auto")).digest()
    assert builders.request(Settings()).digest() != builders.request(Settings(tier="cpu")).digest()
