"""What a video would take with a network, before anything runs: hours and dollars on each tier.

A projection by the table of `throughput`, right to a factor. What it leaves out is `NOT_COUNTED`. Pure: no file, no
clock, no machine.
"""

from typing import Literal

from sr_core.planning import group_chunks, plan_in_prospect
from sr_core.throughput import CLOUD_TIERS, TIERS, choose_tier, chunk_frames, frame_cost
from sr_core.types import Model, ModelSpec, Settings, Tier, VideoInfo

NOT_COUNTED = (
    "starting machines, two to four minutes each",
    "the stages on CPU machines: extract, encode where it is asked for, assemble",
    "S3, Step Functions and what leaves AWS",
)
"""What an estimate leaves out."""


class Estimate(Model):
    """Upscaling a whole video with one network on one tier, its result encoded there at what x264's `medium` costs."""

    model: str
    width_px: int
    """Of the result."""
    height_px: int
    tier: Tier
    instance_type: str | None
    """None for a machine at hand, whose rate is that of two Zen 4 cores."""
    is_chosen: bool
    """Whether a job in the cloud would take this tier."""
    fits: bool
    """Whether the tier's host memory holds a worker for pictures of this size."""
    chunk_count: int
    """Jobs, and so machines that can work at once."""
    machine_hours: float
    """Of all machines together."""
    limited_by: Literal["network", "encoder"]
    """Which of the two takes longer; they overlap."""
    spot_usd: float | None
    """None where nobody bills it."""
    on_demand_usd: float | None


def estimates(settings: Settings, model: ModelSpec, video: VideoInfo) -> tuple[Estimate, ...]:
    """One for each tier, that of a machine at hand last.

    Raises InputError where no job could be planned: see `planning.make_plan`.
    """
    chosen = choose_tier(model, video)
    plan = plan_in_prospect(settings, model, video, tier=chosen)
    found = []
    for tier in (*CLOUD_TIERS, *(tier for tier in TIERS if tier not in CLOUD_TIERS)):
        cost, instance_type = frame_cost(model, video, tier), TIERS[tier].instance_type
        chunks = group_chunks(plan.segments, frames=chunk_frames(model, video, tier))
        found.append(
            Estimate(
                model=model.name,
                width_px=plan.width_px,
                height_px=plan.height_px,
                tier=tier,
                instance_type=instance_type,
                is_chosen=tier == chosen,
                fits=cost.fits,
                chunk_count=len(chunks),
                machine_hours=cost.seconds * video.frame_count / 3600,
                limited_by="network" if cost.model_seconds >= cost.codec_seconds else "encoder",
                spot_usd=None if instance_type is None else cost.spot_usd * video.frame_count,
                on_demand_usd=None if instance_type is None else cost.on_demand_usd * video.frame_count,
            )
        )
    return tuple(found)
