"""What a job used, by stage and kind of machine, and what that comes to by listed prices."""

import pytest

from sr_core.contract import Stage
from sr_core.cost import Machine
from sr_core.metered import NOT_COUNTED, cost
from sr_core.tiers import CLOUD_TIERS, PRICES, TIERS
from sr_core.types import Receipt, Report, Tier, Timing
from tests import builders

HERE = Machine()
SPOT = Machine(instance_type="g4dn.xlarge", market="spot")
ON_DEMAND = Machine(instance_type="g4dn.xlarge", market="on-demand")
CPU = Machine(instance_type="c5.2xlarge", market="spot")
UNLISTED = Machine(instance_type="c6a.2xlarge", market="spot")


def receipt(stage: Stage, index: int, machine: Machine, seconds: float) -> Receipt:
    return Receipt(
        stage=stage,
        index=index,
        key="key",
        size_bytes=1,
        sha256="0" * 64,
        frame_count=1,
        plan_digest="0",
        fingerprint=(),
        machine="here",
        instance_type=machine.instance_type,
        market=machine.market,
        timing=Timing(total_seconds=seconds, model_seconds=seconds / 2),
    )


def test_seconds_are_added_up_by_stage_type_and_market_in_the_order_of_the_stages() -> None:
    # Given a video whose third segment went to On-Demand
    made = [
        receipt(Stage.UPSCALE, 2, ON_DEMAND, 50),
        receipt(Stage.UPSCALE, 0, SPOT, 100),
        receipt(Stage.UPSCALE, 1, SPOT, 200),
        receipt(Stage.EXTRACT, 0, CPU, 7),
        receipt(Stage.ENCODE, 0, CPU, 20),
    ]

    found = cost(made, assembled_on=CPU, assemble_seconds=3)

    assert [(each.stage, each.instance_type, each.market, each.seconds) for each in found.used] == [
        ("extract", "c5.2xlarge", "spot", 7),
        ("upscale", "g4dn.xlarge", "on-demand", 50),
        ("upscale", "g4dn.xlarge", "spot", 300),
        ("encode", "c5.2xlarge", "spot", 20),
        ("assemble", "c5.2xlarge", "spot", 3),
    ]


def test_dollars_are_hours_times_the_listed_price_of_type_and_market() -> None:
    # Given an hour of a T4 on Spot at 0.208 $, and half of one On-Demand at 0.526 $
    made = [receipt(Stage.UPSCALE, 0, SPOT, 3600), receipt(Stage.UPSCALE, 1, ON_DEMAND, 1800)]

    found = cost(made, assembled_on=UNLISTED, assemble_seconds=3)

    assert [each.usd for each in found.used] == [pytest.approx(0.263), pytest.approx(0.208), None]
    assert found.usd == pytest.approx(0.471)
    assert found.prices == f"listed, not the bill; {PRICES}"


def test_a_job_without_a_gpu_pays_for_the_half_of_a_machine_that_it_asks_for_whatever_its_stage() -> None:
    # Given an hour of each stage on a c5.2xlarge, at 0.142 $ on Spot
    made = [receipt(stage, 0, CPU, 3600) for stage in (Stage.EXTRACT, Stage.UPSCALE, Stage.ENCODE)]

    found = cost(made, assembled_on=CPU, assemble_seconds=3600)

    assert [each.usd for each in found.used] == [pytest.approx(0.071)] * 4


@pytest.mark.parametrize("tier", CLOUD_TIERS)
def test_every_type_of_the_table_of_tiers_has_its_price(tier: Tier) -> None:
    listed = TIERS[tier]
    spot = Machine(instance_type=listed.instance_type, market="spot")

    found = cost([receipt(Stage.UPSCALE, 0, spot, 7200)], assembled_on=UNLISTED, assemble_seconds=3)

    assert found.usd == pytest.approx(2 * listed.share * listed.spot_usd_per_hour)


def test_what_is_left_out_is_named_with_its_reason() -> None:
    made = [
        receipt(Stage.EXTRACT, 0, UNLISTED, 7),
        receipt(Stage.UPSCALE, 0, SPOT, 100),
        receipt(Stage.UPSCALE, 1, Machine(instance_type="g6.xlarge", market="spot"), 60),
        receipt(Stage.UPSCALE, 2, Machine(instance_type="g4dn.xlarge"), 5),
        receipt(Stage.UPSCALE, 3, HERE, 9),
    ]

    found = cost(made, assembled_on=SPOT, assemble_seconds=3)

    assert found.usd == pytest.approx(100 / 3600 * 0.208)
    assert found.not_counted == (
        "extract: 7 s on c6a.2xlarge (spot); no price is listed for that",
        "upscale: 5 s on g4dn.xlarge (spot or on-demand, it is not known which); no price is listed for that",
        "upscale: 60 s on g6.xlarge (spot); no price is listed for that",
        "upscale: 9 s on machines of an unknown type; no price is listed for that",
        "assemble: 3 s on g4dn.xlarge (spot); no price is listed for that",
        *NOT_COUNTED,
    )


def test_a_machine_at_hand_costs_nothing_that_is_known() -> None:
    found = cost([receipt(Stage.UPSCALE, 0, HERE, 100)], assembled_on=HERE, assemble_seconds=3)

    assert [(each.instance_type, each.market, each.seconds, each.usd) for each in found.used] == [
        (None, None, 100, None),
        (None, None, 3, None),
    ]
    assert (found.usd, found.prices, found.not_counted) == (None, None, ())


def test_receipts_and_reports_of_earlier_versions_are_read() -> None:
    earlier = receipt(Stage.UPSCALE, 0, HERE, 1).model_dump(mode="json", exclude={"instance_type", "market"})
    read = Receipt.model_validate(earlier)
    assert (read.instance_type, read.market) == (None, None)

    report = builders.report().model_dump(mode="json", exclude={"cost"})
    assert Report.model_validate(report).cost is None
