"""What a network costs on a tier: seconds per frame, and from that the tier and the size of a chunk.

Seconds per frame = FLOPs per input pixel × input pixels ÷ achieved rate (2 FLOPs a multiply-accumulate). Only the order
of magnitude matters here: chunk sizes do not touch the output.
"""

from dataclasses import dataclass

from sr_core.types import ModelSpec, Tier, VideoInfo

CHUNK_SECONDS = 600
"""Of work for one upscale job: long against starting a container, short against losing a machine."""


@dataclass(frozen=True, slots=True)
class TierRate:
    """What a tier achieves on convolutional networks."""

    flops_per_second: float
    source: str
    """Where the figure comes from; says "measured" or "projected"."""


RATES: dict[Tier, TierRate] = {
    "local": TierRate(60e9, "measured: bench, two CPU cores with AVX-512, fp32, 2026-11"),
    "standard": TierRate(20e12, "projected: T4 data sheet, 65 TFLOPS fp16 at 30 %"),
    "premium": TierRate(40e12, "projected: A10G data sheet, 125 TFLOPS fp16 at 30 %"),
    "memory": TierRate(20e12, "projected: as standard"),
}


def seconds_per_frame(model: ModelSpec, video: VideoInfo, tier: Tier) -> float:
    """Expected seconds of model time for one frame."""
    flops = 2.0 * model.macs_per_pixel * video.width_px * video.height_px
    return flops / RATES[tier].flops_per_second


def chunk_frames(model: ModelSpec, video: VideoInfo, tier: Tier) -> int:
    """Frames that make about CHUNK_SECONDS of work."""
    return max(1, int(CHUNK_SECONDS / seconds_per_frame(model, video, tier)))


def choose_tier(model: ModelSpec, video: VideoInfo) -> Tier:
    """The cheapest tier that does the work: standard, or premium where one frame takes over two seconds there."""
    return "standard" if seconds_per_frame(model, video, "standard") <= 2 else "premium"
