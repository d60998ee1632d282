"""What a video would take with a network, before anything runs: hours and dollars on each tier.

A projection by the tables of `tiers` and `encoder_rates`, right to a factor. What it leaves out is `NOT_COUNTED`. Pure:
no file, no clock, no machine.
"""

from collections.abc import Sequence
from typing import Literal

from sr_core.planning import group_chunks, plan_in_prospect, suits, tier_for
from sr_core.throughput import chunk_frames, frame_cost
from sr_core.tiers import CLOUD_TIERS, TIERS
from sr_core.types import CloudTier, Model, ModelSpec, Settings, Tier, VideoInfo

NOT_COUNTED = (
    "starting machines, two to four minutes each",
    "the stages on CPU machines: extract, encode where it is asked for, assemble",
    "S3, Step Functions and what leaves AWS",
)
"""What an estimate leaves out."""


class Estimate(Model):
    """Upscaling a whole video with one network on one tier, what comes out encoded there as asked."""

    model: str
    width_px: int
    """Of the result."""
    height_px: int
    tier: Tier
    instance_type: str | None
    """None for a machine at hand, whose rate is that of two cores of a server."""
    is_chosen: bool
    """Whether a job in the cloud would take this tier."""
    fits: bool
    """Whether the tier's host memory holds a worker for pictures of this size."""
    chunk_count: int
    """Jobs, and so machines that can work at once."""
    machine_hours: float
    """Of all machines together; a job that has half of one counts half."""
    limited_by: Literal["network", "encoder"]
    """Which of the two takes longer; on a GPU they overlap."""
    spot_usd: float | None
    """None where nobody bills it."""
    on_demand_usd: float | None


def estimates(
    settings: Settings, model: ModelSpec, video: VideoInfo, *, among: Sequence[CloudTier] = CLOUD_TIERS
) -> tuple[Estimate, ...]:
    """One for each tier that is for such settings, and for the machine at hand; one is chosen, `among` those from which
    a deployment chooses unless it is told.

    Raises InputError where no job could be planned: see `planning.make_plan`.
    """
    chosen = tier_for(settings, model, video, among=among)
    plan = plan_in_prospect(settings, model, video, tier=chosen)
    found = []
    told: tuple[Tier, ...] = (*(each for each in CLOUD_TIERS if each == chosen or suits(settings, each)), "local")
    for tier in told:
        cost, machine = frame_cost(model, video, tier, settings), TIERS[tier]
        chunks = group_chunks(plan.segments, frames=chunk_frames(model, video, tier, settings))
        found.append(
            Estimate(
                model=model.name,
                width_px=plan.width_px,
                height_px=plan.height_px,
                tier=tier,
                instance_type=machine.instance_type,
                is_chosen=tier == chosen,
                fits=cost.fits,
                chunk_count=len(chunks),
                machine_hours=cost.seconds * machine.share * video.frame_count / 3600,
                limited_by="network" if cost.model_seconds >= cost.codec_seconds else "encoder",
                spot_usd=None if machine.instance_type is None else cost.spot_usd * video.frame_count,
                on_demand_usd=None if machine.instance_type is None else cost.on_demand_usd * video.frame_count,
            )
        )
    return tuple(found)
