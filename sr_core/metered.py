"""What a finished job used and about what that cost, from its receipts.

Seconds are those of the receipts. Dollars are seconds × the listed price of the machine's type and market × the part of
the machine that a job asks for: all of it for one that asks for its only GPU, half of the smallest of those without.
Pure: no file, no clock, no network.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sr_core.contract import Stage
from sr_core.cost import Cost, Machine, Used
from sr_core.tiers import CLOUD_TIERS, PRICES, TIERS
from sr_core.types import Receipt

NOT_COUNTED = (
    "starting machines, pulling images and waiting for the next job: minutes for each machine",
    "work that was lost, with a machine or for damage, and done again",
    "what a job does around its units of work: reading its files, loading the network, storing and publishing results",
    "disks and addresses of machines, S3, Step Functions and what leaves AWS",
)
"""What is counted for no machine."""


def cost(receipts: Iterable[Receipt], *, assembled_on: Machine, assemble_seconds: float) -> Cost:
    """The receipts and assemble's own seconds, added up by stage and kind of machine: stages in their order."""
    seconds: defaultdict[tuple[Stage, Machine], float] = defaultdict(float)
    for receipt in receipts:
        machine = Machine(instance_type=receipt.instance_type, market=receipt.market)
        seconds[receipt.stage, machine] += receipt.timing.total_seconds
    seconds[Stage.ASSEMBLE, assembled_on] += assemble_seconds
    stages = list(Stage)
    order = sorted(seconds, key=lambda each: (stages.index(each[0]), str(each[1])))
    used = tuple(_used(stage, machine, seconds[stage, machine]) for stage, machine in order)
    priced = [each.usd for each in used if each.usd is not None]
    is_billed = any(each.instance_type is not None for each in used)
    return Cost(
        used=used,
        usd=sum(priced) if priced else None,
        prices=f"listed, not the bill; {PRICES}" if priced else None,
        not_counted=(*_unpriced(used), *NOT_COUNTED) if is_billed else (),
    )


def _used(stage: Stage, machine: Machine, seconds: float) -> Used:
    usd_per_hour = _usd_per_hour(stage, machine)
    return Used(
        stage=stage,
        instance_type=machine.instance_type,
        market=machine.market,
        seconds=seconds,
        usd=None if usd_per_hour is None else seconds / 3600 * usd_per_hour,
    )


def _usd_per_hour(stage: Stage, machine: Machine) -> float | None:
    """Of one job. Jobs without a GPU ask for the same, whatever their stage; none of theirs is listed beside a GPU."""
    for listed in (TIERS[tier] for tier in CLOUD_TIERS):
        if listed.instance_type == machine.instance_type and (stage == Stage.UPSCALE or not listed.has_gpu):
            prices = {"spot": listed.spot_usd_per_hour, "on-demand": listed.on_demand_usd_per_hour}
            whole = prices.get(machine.market or "")
            return None if whole is None else whole * listed.share
    return None


def _unpriced(used: Iterable[Used]) -> Iterator[str]:
    """What has no price."""
    for each in used:
        if each.usd is None:
            machine = Machine(instance_type=each.instance_type, market=each.market)
            yield f"{each.stage}: {each.seconds:.0f} s on {machine}; no price is listed for that"
