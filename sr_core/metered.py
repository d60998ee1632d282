"""What a finished job used and about what that cost, from its receipts.

Seconds are those of the receipts. Dollars are seconds × the listed price of the machine's type and market, for upscale
alone: its jobs ask for a GPU, and the types that have a price here have one each, so such a job has its machine to
itself. Jobs of the other stages share theirs. Pure: no file, no clock, no network.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sr_core.contract import Stage
from sr_core.cost import Cost, Machine, Used
from sr_core.throughput import CLOUD_TIERS, PRICES, TIERS
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
    usd_per_hour = _usd_per_hour(machine) if stage == Stage.UPSCALE else None
    return Used(
        stage=stage,
        instance_type=machine.instance_type,
        market=machine.market,
        seconds=seconds,
        usd=None if usd_per_hour is None else seconds / 3600 * usd_per_hour,
    )


def _usd_per_hour(machine: Machine) -> float | None:
    for listed in (TIERS[tier] for tier in CLOUD_TIERS):
        if listed.instance_type == machine.instance_type:
            prices = {"spot": listed.spot_usd_per_hour, "on-demand": listed.on_demand_usd_per_hour}
            return prices.get(machine.market or "")
    return None


def _unpriced(used: Iterable[Used]) -> Iterator[str]:
    """What has no price, and why."""
    for each in used:
        if each.usd is None:
            why = "no price is listed for that" if each.stage == Stage.UPSCALE else "jobs share such machines"
            machine = Machine(instance_type=each.instance_type, market=each.market)
            yield f"{each.stage}: {each.seconds:.0f} s on {machine}; {why}"
