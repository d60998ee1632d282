"""What a network costs on a tier, in seconds and dollars per frame, and from that the tier and the size of a chunk.

    model seconds = the larger of
        FLOPs per input pixel × input pixels ÷ achieved rate                       (2 FLOPs a multiply-accumulate)
        bytes moved per input pixel × input pixels ÷ memory rate                   (GPUs only; see `moved_bytes`)
    codec seconds = output pixels ÷ rate of the delivery encoder on the tier's CPU
    seconds per frame = the larger of the two, because upscale overlaps them

Owns the table of tiers, each entry with where it comes from, and the rules of choosing. Pure: no file, no clock, no
machine, no network. Sizes and tiers never touch the output's bytes, so the figures need to be right to a factor, not
to a digit. Prices (`PRICES` says which) are for comparing tiers; what a job cost, only the bill knows.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from sr_core.types import ModelSpec, Tier, VideoInfo

CHUNK_SECONDS = 600
"""Of work for one upscale job: long against starting a machine (two to four minutes), short against losing one."""
MAX_SEGMENT_SECONDS = 600.0
"""Longest that one segment, the unit which a reclaimed machine loses, may take before a faster tier is worth it."""
WORTHWHILE_SAVING = 0.25
"""Part of the price that another tier must save before it is preferred to standard: the table is not exact enough for
less, and every tier that a plan avoids is a market that its chunks do not wait for."""
SEGMENT_VIDEO_SECONDS = 4.0
"""Length of a segment that the rules here assume; planning makes them about this long."""
FRAMES_IN_FLIGHT = 64
"""Output frames that a worker holds at once: the encoder's look-ahead and references, and the queues before it."""
RESIDENT_BYTES = 4 * 2**30
"""Host memory that a worker takes whatever the frame's size: Python, torch, CUDA context, decoder."""
FEATURE_BYTES = 4 * 2
"""Of GPU memory moved for each feature of each layer at a pixel: its convolution reads and writes it in fp16, then the
activation does."""
OUTPUT_BYTES = 230
"""Moved for each output pixel: the passes that `inference.color` makes over fp32 samples, counted for 4:2:0."""


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
    flops_per_second: Rate
    """Achieved by convolutional networks in the precision that the tier runs them in."""
    memory_bytes_per_second: Rate | None
    """Of the GPU's memory; None on a CPU, where the measured rate contains it."""
    encoded_pixels_per_second: Rate
    """Output pixels that x264 `medium` takes in beside the network."""
    host_memory_bytes: int
    """What one job may use."""
    spot_usd_per_hour: float
    on_demand_usd_per_hour: float


_MEASURED_CPU = "x264 medium at 1280×960, 25 to 27 fps on two Zen 4 cores, 2026-11"

TIERS: dict[Tier, TierMachine] = {
    "local": TierMachine(
        instance_type=None,
        flops_per_second=Rate(
            value=800e9,
            basis="measured",
            source="bench.speed: realesr-animevideov3 by Winograd's kernels on two cores of a Xeon with AVX-512, "
            "2026-11-29; networks of 32 features reach three fifths of it, torch's layers two",
        ),
        memory_bytes_per_second=None,
        encoded_pixels_per_second=Rate(value=32e6, basis="measured", source=_MEASURED_CPU),
        host_memory_bytes=8 * 10**9,
        spot_usd_per_hour=0.0,
        on_demand_usd_per_hour=0.0,
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

CLOUD_TIERS: tuple[Tier, ...] = ("standard", "premium", "memory")
"""Those that a plan may choose, the usual one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCost:
    """What one frame takes on a tier."""

    tier: Tier
    model_seconds: float
    codec_seconds: float
    spot_usd: float
    on_demand_usd: float
    host_bytes: int
    """Host memory that a worker needs at its peak."""
    fits: bool
    """Whether `host_bytes` is no more than a job of this tier may use."""

    @property
    def seconds(self) -> float:
        """Wall time of one frame, network and encoder overlapped."""
        return max(self.model_seconds, self.codec_seconds)


def frame_cost(model: ModelSpec, video: VideoInfo, tier: Tier) -> FrameCost:
    """What one frame of `video` takes on `tier`, when upscale writes the delivery codec itself."""
    machine = TIERS[tier]
    input_px = video.width_px * video.height_px
    output_px = input_px * model.scale**2
    model_seconds = 2.0 * model.macs_per_pixel * input_px / machine.flops_per_second.value
    if machine.memory_bytes_per_second is not None:
        model_seconds = max(model_seconds, moved_bytes(model) * input_px / machine.memory_bytes_per_second.value)
    codec_seconds = output_px / machine.encoded_pixels_per_second.value
    hours = max(model_seconds, codec_seconds) / 3600
    host_bytes = RESIDENT_BYTES + FRAMES_IN_FLIGHT * _frame_bytes(output_px, video)
    return FrameCost(
        tier=tier,
        model_seconds=model_seconds,
        codec_seconds=codec_seconds,
        spot_usd=hours * machine.spot_usd_per_hour,
        on_demand_usd=hours * machine.on_demand_usd_per_hour,
        host_bytes=host_bytes,
        fits=host_bytes <= machine.host_memory_bytes,
    )


def moved_bytes(model: ModelSpec) -> float:
    """GPU memory moved for an input pixel, by the network and by the colour conversion after it; estimated.

    A network whose radius comes from as many 3×3 convolutions has Σ 9·features² multiply-accumulates in them; by the
    inequality of Cauchy and Schwarz Σ features is at most √(macs · layers / 9), and is that for layers of equal width.
    """
    features = sqrt(model.macs_per_pixel * max(1, model.radius_px) / 9)
    return FEATURE_BYTES * features + OUTPUT_BYTES * model.scale**2


def seconds_per_frame(model: ModelSpec, video: VideoInfo, tier: Tier) -> float:
    """Expected wall seconds for one frame on `tier`."""
    return frame_cost(model, video, tier).seconds


def chunk_frames(model: ModelSpec, video: VideoInfo, tier: Tier) -> int:
    """Frames that make about CHUNK_SECONDS of work, at least one."""
    return max(1, int(CHUNK_SECONDS / seconds_per_frame(model, video, tier)))


def choose_tier(model: ModelSpec, video: VideoInfo) -> Tier:
    """The tier that a plan takes.

    - Of the tiers whose host memory holds a worker, `standard`, or one that costs less on Spot by WORTHWHILE_SAVING.
    - Where a segment would take longer there than MAX_SEGMENT_SECONDS, which is what a reclaimed machine loses: the
      fastest.
    - Where no tier holds a worker: `memory`, which comes nearest.

    GPU memory is no ground: frames are tiled to fit, and a job that runs out of it all the same is moved when it does.
    """
    costs = [frame_cost(model, video, tier) for tier in CLOUD_TIERS]
    fitting = [cost for cost in costs if cost.fits]
    if not fitting:
        return "memory"
    usual, cheapest = fitting[0], min(fitting, key=lambda cost: cost.spot_usd)
    chosen = cheapest if cheapest.spot_usd < usual.spot_usd * (1 - WORTHWHILE_SAVING) else usual
    if chosen.seconds * SEGMENT_VIDEO_SECONDS * float(video.rate) > MAX_SEGMENT_SECONDS:
        chosen = min(fitting, key=lambda cost: cost.seconds)
    return chosen.tier


def _frame_bytes(pixels: int, video: VideoInfo) -> int:
    """Bytes of an output frame in planes: subsampling and depth are the source's."""
    samples = {"420": 1.5, "gray": 1.5, "422": 2.0, "444": 3.0, "rgb": 3.0}[video.chroma]
    return int(pixels * samples * (1 if video.bit_depth <= 8 else 2))
