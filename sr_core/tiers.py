"""The kinds of machine that upscale: how fast each is and what it costs, every figure with where it comes from.

Prices (`PRICES` says which) are for comparing tiers; what a job cost, only the bill knows. Pure data.
"""

from dataclasses import dataclass
from typing import Literal

from sr_core.errors import InputError
from sr_core.types import CloudTier, Tier

PRICES = (
    "us-east-1: On-Demand as read on 2026-01-19, Spot the middle of a range over zones, undated; query again before "
    "quoting them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A figure, and how far it can be trusted."""

    value: float
    basis: Literal["measured", "projected"]
    source: str
    """Where it comes from, with a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierMachine:
    """A kind of machine, as far as choosing needs to know it."""

    instance_type: str | None
    """The smallest of the tier's types; None where nobody bills it."""
    share: float = 1.0
    """Part of that machine that a job asks for and so pays; other jobs have the rest."""
    flops_per_second: Rate
    """Achieved by convolutional networks in the precision that the tier runs them in; on a CPU by wide ones, by
    Winograd's kernels (`throughput` knows what others reach)."""
    memory_bytes_per_second: Rate | None
    """Of the GPU's memory; None on a CPU, where the measured rate contains it."""
    encoded_pixels_per_second: Rate
    """Output pixels that x264 `medium` takes in where it does not share its cores with the network."""
    host_memory_bytes: int
    """What one job may use."""
    spot_usd_per_hour: float
    """Of the whole machine, as the next."""
    on_demand_usd_per_hour: float

    @property
    def has_gpu(self) -> bool:
        return self.memory_bytes_per_second is not None


_MEASURED_NETWORK = "bench.speed: realesr-animevideov3 by Winograd's kernels on two cores of a Xeon with AVX-512"
_MEASURED_CPU = "x264 medium at 1280×960, 25 to 27 fps on two Zen 4 cores, 2026-11"

TIERS: dict[Tier, TierMachine] = {
    "local": TierMachine(
        instance_type=None,
        flops_per_second=Rate(
            value=800e9,
            basis="measured",
            source=f"{_MEASURED_NETWORK}, 2026-11-29",
        ),
        memory_bytes_per_second=None,
        encoded_pixels_per_second=Rate(
            value=24e6,
            basis="measured",
            source="bench.encoders: x264 medium, 18 to 31 million pixels a second by clip, the same Xeon, 2026-11-29",
        ),
        host_memory_bytes=8 * 10**9,
        spot_usd_per_hour=0.0,
        on_demand_usd_per_hour=0.0,
    ),
    "cpu": TierMachine(
        instance_type="c5.2xlarge",
        share=0.5,
        flops_per_second=Rate(
            value=560e9,
            basis="projected",
            source=f"{_MEASURED_NETWORK}, × 0.7: older cores, and AVX2 alone with some of the pool's types; 2026-11-29",
        ),
        memory_bytes_per_second=None,
        encoded_pixels_per_second=Rate(
            value=18e6, basis="projected", source="as standard: four vCPUs, two cores, of the same generation"
        ),
        host_memory_bytes=7_000 * 2**20,
        spot_usd_per_hour=0.142,
        on_demand_usd_per_hour=0.340,
    ),
    "standard": TierMachine(
        instance_type="g4dn.xlarge",
        flops_per_second=Rate(
            value=13e12,
            basis="projected",
            source="T4, 65 TFLOPS fp16 in its data sheet × 0.2, the part of its 125 TFLOPS that a V100 was published "
            "to reach with realesr-animevideov3 (65.9 fps at 640×480), 2026-11",
        ),
        memory_bytes_per_second=Rate(value=320e9, basis="projected", source="T4, 320 GB/s in its data sheet"),
        encoded_pixels_per_second=Rate(
            value=18e6,
            basis="projected",
            source=f"{_MEASURED_CPU}; two cores of a g4dn.xlarge taken as 0.56 of those",
        ),
        host_memory_bytes=14_000 * 2**20,
        spot_usd_per_hour=0.208,
        on_demand_usd_per_hour=0.526,
    ),
    "premium": TierMachine(
        instance_type="g5.xlarge",
        flops_per_second=Rate(
            value=25e12,
            basis="projected",
            source="A10G, 125 TFLOPS fp16 in its data sheet × 0.2, as for standard, 2026-11",
        ),
        memory_bytes_per_second=Rate(value=600e9, basis="projected", source="A10G, 600 GB/s in its data sheet"),
        encoded_pixels_per_second=Rate(
            value=24e6,
            basis="projected",
            source=f"{_MEASURED_CPU}; two cores of a g5.xlarge taken as 0.75 of those",
        ),
        host_memory_bytes=14_000 * 2**20,
        spot_usd_per_hour=0.438,
        on_demand_usd_per_hour=1.006,
    ),
    "memory": TierMachine(
        instance_type="g4dn.2xlarge",
        flops_per_second=Rate(value=13e12, basis="projected", source="as standard: the same T4"),
        memory_bytes_per_second=Rate(value=320e9, basis="projected", source="as standard: the same T4"),
        encoded_pixels_per_second=Rate(
            value=30e6, basis="projected", source="as standard, its four encoder threads on four cores instead of two"
        ),
        host_memory_bytes=29_000 * 2**20,
        spot_usd_per_hour=0.297,
        on_demand_usd_per_hour=0.752,
    ),
}
"""The table. g4dn.2xlarge's Spot price is g4dn.xlarge's in proportion to On-Demand."""

CLOUD_TIERS: tuple[CloudTier, ...] = ("standard", "premium", "memory", "cpu")
"""Those that a plan may choose, the usual one first."""


def tiers_of(text: str, *, place: str) -> tuple[CloudTier, ...]:
    """What `contract.ENV_TIERS` and a deployment's output say: those named, the usual one first; all where none is.

    Raises InputError for a name that is none, which says at which `place` it stands.
    """
    named = text.split()
    unknown = [name for name in named if name not in CLOUD_TIERS]
    if unknown:
        raise InputError(f"{place}: there is no tier {unknown[0]}; there are {', '.join(CLOUD_TIERS)}")
    return tuple(tier for tier in CLOUD_TIERS if tier in named) or CLOUD_TIERS
