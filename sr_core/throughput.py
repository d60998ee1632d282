"""What a network costs on a tier, in seconds and dollars per frame, and from that the tier and the size of a chunk.

    model seconds = the larger of
        FLOPs per input pixel × input pixels ÷ achieved rate                       (2 FLOPs a multiply-accumulate)
        bytes moved per input pixel × input pixels ÷ memory rate                   (GPUs only; see `moved_bytes`)
    codec seconds = output pixels ÷ rate of the segments' encoder on the tier's CPU
    seconds per frame = on a GPU the larger of the two, because upscale overlaps them; on a CPU, whose cores do both,
        their sum

Owns the rules of choosing; the figures are in `tiers` and `encoder_rates`. Pure: no file, no clock, no machine, no
network. Sizes never touch the output's bytes, and tiers only by having a GPU or none, so the figures need to be right
to a factor, not to a digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from sr_core.encoder_rates import relative_rate
from sr_core.tiers import CLOUD_TIERS, TIERS, TierMachine
from sr_core.types import COMPACT, CloudTier, ModelSpec, Settings, Tier, VideoInfo

CHUNK_SECONDS = 600
"""Of work for one upscale job: long against starting a machine (two to four minutes), short against losing one."""
MAX_SEGMENT_SECONDS = 600.0
"""Longest that one segment, the unit which a reclaimed machine loses, may take before a faster tier is worth it."""
LONGEST_SEGMENT_SECONDS = 3 * 3600.0
"""Half of what a job may take, where a deployment does not say otherwise (`job_timeout_minutes`): the figures are right
to a factor. A job that is ended within its first segment leaves nothing, and neither would the next."""
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
_DEFAULTS = Settings()

WINOGRAD_FEATURES = 23.5
"""From which Winograd's kernels are worth while on a CPU: with 20 a network gains 1.1, with 24 1.7 (decision 0720)."""
_WIDE_FEATURES, _NARROW, _BY_TORCH = 44.0, 0.65, 0.4
"""Part of a CPU's rate that networks of fewer features reach, and those that torch computes (bench.speed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCost:
    """What one frame takes on a tier."""

    tier: Tier
    model_seconds: float
    codec_seconds: float
    spot_usd: float
    on_demand_usd: float
    shares_cores: bool
    """Whether network and encoder have the same cores, so that their times add up."""
    host_bytes: int
    """Host memory that a worker needs at its peak."""
    fits: bool
    """Whether `host_bytes` is no more than a job of this tier may use."""

    @property
    def seconds(self) -> float:
        """Wall time of one frame."""
        return _seconds(self.model_seconds, self.codec_seconds, shares_cores=self.shares_cores)


def frame_cost(model: ModelSpec, video: VideoInfo, tier: Tier, settings: Settings = _DEFAULTS) -> FrameCost:
    """What one frame of `video` takes on `tier`, in upscale, with what `settings` have it write."""
    machine = TIERS[tier]
    input_px = video.width_px * video.height_px
    output_px = input_px * model.scale**2
    uses_gpu = machine.has_gpu and settings.device != "cpu"
    model_seconds = 2.0 * model.macs_per_pixel * input_px / _achieved(model, machine, settings, uses_gpu=uses_gpu)
    if uses_gpu and machine.memory_bytes_per_second is not None:
        model_seconds = max(model_seconds, moved_bytes(model) * input_px / machine.memory_bytes_per_second.value)
    codec_seconds = output_px / (machine.encoded_pixels_per_second.value * relative_rate(settings, video))
    shares_cores = not uses_gpu
    hours = _seconds(model_seconds, codec_seconds, shares_cores=shares_cores) * machine.share / 3600
    host_bytes = RESIDENT_BYTES + FRAMES_IN_FLIGHT * _frame_bytes(output_px, video)
    return FrameCost(
        tier=tier,
        model_seconds=model_seconds,
        codec_seconds=codec_seconds,
        spot_usd=hours * machine.spot_usd_per_hour,
        on_demand_usd=hours * machine.on_demand_usd_per_hour,
        shares_cores=shares_cores,
        host_bytes=host_bytes,
        fits=host_bytes <= machine.host_memory_bytes,
    )


def _seconds(model_seconds: float, codec_seconds: float, *, shares_cores: bool) -> float:
    return model_seconds + codec_seconds if shares_cores else max(model_seconds, codec_seconds)


def suits_winograd(model: ModelSpec) -> bool:
    """Whether Winograd's kernels are for this network, and make it faster on CPUs that are like those measured."""
    return model.architecture == COMPACT and features(model) >= WINOGRAD_FEATURES


def features(model: ModelSpec) -> float:
    """Channels of a compact network's inner layers, from the multiplications of all: (inner·c + 3 + 3·scale²)·c·9.

    0 where it has no inner layers.
    """
    inner, outer = model.radius_px - 2, 3 + 3 * model.scale**2
    if inner < 1:
        return 0.0
    return (sqrt(outer**2 + 4 * inner * model.macs_per_pixel / 9) - outer) / (2 * inner)


def _achieved(model: ModelSpec, machine: TierMachine, settings: Settings, *, uses_gpu: bool) -> float:
    """FLOP a second. On a CPU narrow networks reach less than wide ones, and torch's layers less than Winograd's.

    A machine whose GPU is not to be used has cores like those of tier cpu.
    """
    if uses_gpu:
        return machine.flops_per_second.value
    rate = (TIERS["cpu"] if machine.has_gpu else machine).flops_per_second.value
    if settings.kernels == "torch" or not suits_winograd(model):
        return rate * _BY_TORCH
    return rate if features(model) >= _WIDE_FEATURES else rate * _NARROW


def moved_bytes(model: ModelSpec) -> float:
    """GPU memory moved for an input pixel, by the network and by the colour conversion after it; estimated.

    A network whose radius comes from as many 3×3 convolutions has Σ 9·features² multiply-accumulates in them; by the
    inequality of Cauchy and Schwarz Σ features is at most √(macs · layers / 9), and is that for layers of equal width.
    """
    features = sqrt(model.macs_per_pixel * max(1, model.radius_px) / 9)
    return FEATURE_BYTES * features + OUTPUT_BYTES * model.scale**2


def chunk_frames(model: ModelSpec, video: VideoInfo, tier: Tier, settings: Settings = _DEFAULTS) -> int:
    """Frames that make about CHUNK_SECONDS of work, at least one."""
    return max(1, int(CHUNK_SECONDS / frame_cost(model, video, tier, settings).seconds))


def segment_seconds(cost: FrameCost, video: VideoInfo) -> float:
    """Wall time of a segment of `video`, which is lost when its machine is."""
    return cost.seconds * SEGMENT_VIDEO_SECONDS * float(video.rate)


def choose_tier(
    model: ModelSpec,
    video: VideoInfo,
    settings: Settings = _DEFAULTS,
    *,
    among: Sequence[CloudTier] = CLOUD_TIERS,
) -> CloudTier:
    """The tier that a plan takes, of those `among` which it may choose, the usual one first.

    - Of the tiers whose host memory holds a worker, the usual one, or one that costs less on Spot by WORTHWHILE_SAVING.
    - Where a segment would take longer there than MAX_SEGMENT_SECONDS, which is what a reclaimed machine loses: the
      fastest.
    - Where no tier holds a worker: the one with the most host memory, which comes nearest.

    GPU memory is no ground: frames are tiled to fit, and a job that runs out of it all the same is moved when it does.
    """
    costs = {tier: frame_cost(model, video, tier, settings) for tier in among}
    fitting = [tier for tier in among if costs[tier].fits]
    if not fitting:
        return max(among, key=lambda tier: TIERS[tier].host_memory_bytes)
    usual, cheapest = fitting[0], min(fitting, key=lambda tier: costs[tier].spot_usd)
    is_worth_it = costs[cheapest].spot_usd < costs[usual].spot_usd * (1 - WORTHWHILE_SAVING)
    chosen = cheapest if is_worth_it else usual
    if segment_seconds(costs[chosen], video) > MAX_SEGMENT_SECONDS:
        chosen = min(fitting, key=lambda tier: costs[tier].seconds)
    return chosen


def _frame_bytes(pixels: int, video: VideoInfo) -> int:
    """Bytes of an output frame in planes: subsampling and depth are the source's."""
    samples = {"420": 1.5, "gray": 1.5, "422": 2.0, "444": 3.0, "rgb": 3.0}[video.chroma]
    return int(pixels * samples * (1 if video.bit_depth <= 8 else 2))
