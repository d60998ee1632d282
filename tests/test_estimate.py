"""What a video would take is what its frames take by the cost table, on each tier."""

from fractions import Fraction

import pytest

from sr_core.errors import InputError
from sr_core.estimate import Estimate, estimates
from sr_core.throughput import CHUNK_SECONDS, choose_tier, frame_cost
from sr_core.tiers import CLOUD_TIERS, TIERS
from sr_core.types import Settings, Tier

from . import builders

MODEL = builders.model(name="anime", scale=4, radius_px=18, macs_per_pixel=619_000)
VIDEO = builders.video(width_px=640, height_px=480, rate=Fraction(24), frame_count=24 * 3600)


def by_tier() -> dict[str, Estimate]:
    return {each.tier: each for each in estimates(Settings(), MODEL, VIDEO)}


def test_every_tier_is_told_and_one_of_them_is_the_one_that_a_job_takes() -> None:
    found = estimates(Settings(), MODEL, VIDEO)

    assert {each.tier for each in found} == set(TIERS)
    assert [each.tier for each in found if each.is_chosen] == [choose_tier(MODEL, VIDEO)]


@pytest.mark.parametrize("tier", CLOUD_TIERS)
def test_an_hour_of_machines_costs_what_the_machine_costs_an_hour(tier: Tier) -> None:
    each, machine = by_tier()[tier], TIERS[tier]

    assert each.spot_usd == pytest.approx(each.machine_hours * machine.spot_usd_per_hour)
    assert each.on_demand_usd == pytest.approx(each.machine_hours * machine.on_demand_usd_per_hour)
    seconds = frame_cost(MODEL, VIDEO, each.tier).seconds * VIDEO.frame_count
    assert each.machine_hours == pytest.approx(machine.share * seconds / 3600)


def test_a_machine_at_hand_costs_time_alone() -> None:
    local = by_tier()["local"]

    assert local.machine_hours > 0
    assert (local.instance_type, local.spot_usd, local.on_demand_usd) == (None, None, None)


def test_there_are_as_many_jobs_as_chunks_of_work() -> None:
    standard = by_tier()["standard"]

    work_seconds = standard.machine_hours * 3600
    assert work_seconds / CHUNK_SECONDS <= standard.chunk_count <= work_seconds / CHUNK_SECONDS * 1.1 + 1


def test_what_no_job_could_do_has_no_estimate() -> None:
    too_large = builders.video(width_px=8192, height_px=4320)

    with pytest.raises(InputError, match="over the limit"):
        estimates(Settings(), MODEL, too_large)
