"""What will be done, decided once: a pure function from what is in the file and what was asked for.

The segment grid follows from the frames and the settings alone. Chunks are whole segments and may be sized freely: they
do not touch the bytes. Nothing here reads a file, a clock or a machine.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil

from sr_core.delivery import delivery_encoding, lossless_encoding, output_color, output_format, output_warnings
from sr_core.errors import InputError
from sr_core.throughput import (
    LONGEST_SEGMENT_SECONDS,
    choose_tier,
    chunk_frames,
    frame_cost,
    segment_seconds,
    suits_winograd,
)
from sr_core.tiers import CLOUD_TIERS, TIERS
from sr_core.types import (
    COMPACT,
    Chunk,
    CloudTier,
    Device,
    Execution,
    Kernels,
    ModelSpec,
    Plan,
    Precision,
    Request,
    Segment,
    Settings,
    Tier,
    VideoInfo,
)

SEGMENT_SECONDS = 4
"""Of video, at the average rate: long enough for a good GOP, short enough to lose little with a machine."""
_SEGMENT_FRAMES = range(24, 601)
"""Bounds for very low and very high frame rates."""
MAX_SIDE_PX = 16384
"""Of the output: what H.264 and HEVC level limits and their decoders can hold at most."""
_WHOLE_FRAME_PX = 1280 * 720
"""Larger inputs are tiled unless told otherwise, so that memory stays bounded whatever the source's size."""
_FUSED_WHOLE_FRAME_PX = 1920 * 1200
"""The same for fused kernels, which hold the features of two layers at once and nothing else of their size: with the
enlarged pictures in flight, some 3 GB at ×4."""
_TILE_PX = 640
_WINOGRAD_TILE_PX = 4
"""What Winograd's kernels compute at once: each pixel of it depends, by rounding, on all that the whole of it sees.
Tiles of one layer lie half a tile beside those of the next, so that each layer but the first sees 2 px around."""
_WITHOUT_BF16: tuple[Tier, ...] = ("standard", "memory")
"""Their GPU, a T4, emulates it, which is many times slower than fp16."""


def segment_grid(frame_count: int, rate: Fraction) -> tuple[Segment, ...]:
    """Splits [0, frame_count) into segments of SEGMENT_SECONDS at `rate`; a short rest joins the last one."""
    length = min(max(ceil(SEGMENT_SECONDS * rate), _SEGMENT_FRAMES.start), _SEGMENT_FRAMES.stop - 1)
    count = max(1, (frame_count + length // 2) // length)
    bounds = [index * length for index in range(count)] + [frame_count]
    return tuple(
        Segment(index=index, start_frame=start, end_frame=end) for index, (start, end) in enumerate(pairwise(bounds))
    )


def group_chunks(segments: tuple[Segment, ...], *, frames: int) -> tuple[Chunk, ...]:
    """Groups consecutive segments into chunks of about `frames` frames, at least one segment each."""
    chunks: list[Chunk] = []
    start = 0
    for end in range(1, len(segments) + 1):
        is_last = end == len(segments)
        if is_last or segments[end].end_frame - segments[start].start_frame > frames:
            chunks.append(
                Chunk(
                    index=len(chunks),
                    start_segment=start,
                    end_segment=end,
                    start_frame=segments[start].start_frame,
                    end_frame=segments[end - 1].end_frame,
                )
            )
            start = end
    return tuple(chunks)


def make_plan(
    request: Request,
    model: ModelSpec,
    video: VideoInfo,
    *,
    tier: Tier | None = None,
    among: Sequence[CloudTier] = CLOUD_TIERS,
    chunk_segments: int | None = None,
) -> Plan:
    """Decides everything about a job.

    Args:
        request: what was asked for.
        model: the network it names.
        video: what is in the file, with the exact frame count.
        tier: where upscale runs; when None, see `tier_for`.
        among: tiers to choose from, the usual one first.
        chunk_segments: segments in a chunk; chosen from the tier's throughput when None. It does not change the result.

    Raises InputError: a scale that is not the network's, or an output that the codec cannot hold.
    """
    settings = request.settings
    check_scale(settings, model)
    width, height = (side * model.scale for side in video.upright_size_px)
    if max(width, height) > MAX_SIDE_PX:
        raise InputError(
            f"the output would be {width}×{height}, over the limit of {MAX_SIDE_PX} px a side; "
            "use a network of a smaller scale"
        )
    tier = tier or tier_for(settings, model, video, among=among)
    segments = segment_grid(video.frame_count, video.rate)
    frames = (
        chunk_frames(model, video, tier, settings)
        if chunk_segments is None
        else chunk_segments * max(segment.frame_count for segment in segments)
    )
    return Plan(
        request_digest=request.digest(),
        video=video,
        model=model,
        width_px=width,
        height_px=height,
        color=output_color(settings, video),
        segments=segments,
        chunks=group_chunks(segments, frames=frames),
        segment_codec=settings.segment_codec,
        delivery=delivery_encoding(settings, video, width_px=width, height_px=height),
        mezzanine=lossless_encoding(output_format(settings, video)),
        execution=execution(settings, model, tier, picture_px=video.width_px * video.height_px),
        tier=tier,
        deinterlace=is_deinterlaced(settings, video),
        warnings=(*video.warnings, *_interlace_warnings(settings, video), *output_warnings(settings, video)),
    )


def plan_in_prospect(settings: Settings, model: ModelSpec, video: VideoInfo, *, tier: Tier = "local") -> Plan:
    """What `make_plan` would decide, for whoever only wants to know; on this machine unless it says otherwise.

    Raises what it raises.
    """
    request = Request(input="unnamed", input_version="unread", output="unnamed", settings=settings)
    return make_plan(request, model, video, tier=tier)


def tier_for(
    settings: Settings, model: ModelSpec, video: VideoInfo, *, among: Sequence[CloudTier] = CLOUD_TIERS
) -> CloudTier:
    """The tier that was asked for; else the one that the workload is cheapest on, of those `among` that can run it.

    Raises InputError where none of these can, or could save a segment before its job is ended for taking too long.
    """
    if settings.tier != "auto":
        return settings.tier
    able = _able(settings, among)
    tier = choose_tier(model, video, settings, among=able)
    seconds = segment_seconds(frame_cost(model, video, tier, settings), video)
    if seconds > LONGEST_SEGMENT_SECONDS:
        raise InputError(
            f"{model.name} would take about {seconds / 3600:.0f} hours for {SEGMENT_SECONDS} s of this video on tier "
            f"{tier}, which jobs seldom may, and plans here choose among {', '.join(among)}; name a tier with a GPU "
            "or choose a smaller network (see `sr models`)"
        )
    return tier


def check_tier(settings: Settings, model: ModelSpec, *, among: Sequence[CloudTier] = CLOUD_TIERS) -> None:
    """Raises InputError where settings contradict one another on every tier that a job may take, whatever the video."""
    tier = settings.tier if settings.tier != "auto" else _able(settings, among)[0]
    execution(settings, model, tier, picture_px=1)


def _able(settings: Settings, among: Sequence[CloudTier]) -> list[CloudTier]:
    able = [tier for tier in among if suits(settings, tier)]
    if not able:
        raise InputError(
            f"plans here choose among {', '.join(among)}, and none has the device, precision and kernels that were "
            "asked for; leave those settings out, or name a tier"
        )
    return able


def suits(settings: Settings, tier: Tier) -> bool:
    """Whether that tier's kind of machine has the device, precision and kernels, as far as they were asked for."""
    has_gpu = TIERS[tier].has_gpu
    if settings.precision == "bf16" and tier in _WITHOUT_BF16:
        return False
    if settings.device != "auto":
        return has_gpu == (settings.device == "cuda")
    if settings.kernels in ("winograd", "fused"):
        return has_gpu == (settings.kernels == "fused")
    return has_gpu or settings.precision in ("auto", "fp32")


def is_deinterlaced(settings: Settings, video: VideoInfo) -> bool:
    """Whether the frames of a job are deinterlaced ones."""
    return settings.deinterlace == "auto" and video.is_interlaced


def _interlace_warnings(settings: Settings, video: VideoInfo) -> tuple[str, ...]:
    if not video.is_interlaced or is_deinterlaced(settings, video):
        return ()
    order = "" if video.field_order == "unknown" else f" ({video.field_order})"
    return (f"the video is interlaced{order}; its fields are upscaled as they are, woven",)


def check_scale(settings: Settings, model: ModelSpec) -> None:
    """Raises InputError unless the scale asked for, if any, is the network's."""
    if settings.scale not in (None, model.scale):
        raise InputError(
            f"{model.name} is a ×{model.scale} network, not ×{settings.scale}; "
            f"leave out --scale or choose another network with --model (see `sr models`)"
        )


def execution(settings: Settings, model: ModelSpec, tier: Tier, *, picture_px: int) -> Execution:
    """How the network is run on pictures of so many pixels, width × height.

    Raises InputError: a precision that is not right for the network or the tier, or kernels that are not for the job.
    """
    device: Device = settings.device if settings.device != "auto" else "cuda" if TIERS[tier].has_gpu else "cpu"
    precision: Precision = (
        settings.precision if settings.precision != "auto" else "fp16" if device == "cuda" else "fp32"
    )
    if tier == "cpu":
        _check_has_no_gpu(device, precision)
    if precision not in model.precisions:
        if settings.precision != "auto":
            raise InputError(f"{model.name} is wrong in {precision}; choose one of {', '.join(model.precisions)}")
        precision = "fp32"
    if precision == "bf16" and device == "cuda" and tier in _WITHOUT_BF16:
        raise InputError(f"the GPU of tier {tier} does not compute in bf16; choose fp16, or tier premium")
    kernels = _kernels(settings, model, tier, device, precision)
    _check_kernels(kernels, model, device, precision)
    tile_px = settings.tile_px
    largest_px = _FUSED_WHOLE_FRAME_PX if kernels == "fused" else _WHOLE_FRAME_PX
    if tile_px is None and picture_px > largest_px:
        tile_px = _TILE_PX
    return Execution(
        device=device,
        precision=precision,
        tile_px=tile_px,
        halo_px=2 * model.radius_px - 2 if kernels == "winograd" else model.radius_px,
        halo_is_exact=model.radius_is_exact,
        multiple_px=_WINOGRAD_TILE_PX if kernels == "winograd" else model.multiple_px,
        batch_frames=1,
        kernels=kernels,
    )


def _kernels(settings: Settings, model: ModelSpec, tier: Tier, device: Device, precision: Precision) -> Kernels:
    """What was asked for. Where nothing was, the images have Winograd's kernels for whatever CPU they are made for; a
    machine at hand has settled by measuring before it comes to planning (`request`)."""
    if settings.kernels != "auto":
        return settings.kernels
    is_for_them = tier != "local" and (device, precision) == ("cpu", "fp32") and suits_winograd(model)
    return "winograd" if is_for_them else "torch"


def _check_has_no_gpu(device: Device, precision: Precision) -> None:
    if device == "cuda":
        raise InputError("tier cpu has no GPU; leave out --device, or choose another tier")
    if precision != "fp32":
        raise InputError(f"machines of tier cpu compute in fp32, not in {precision}; leave out --precision")


def _check_kernels(kernels: Kernels, model: ModelSpec, device: Device, precision: Precision) -> None:
    """Raises InputError where kernels are not for a job, as far as that can be told without network and machine."""
    if kernels == "fused":
        _check_fused(model, device, precision)
    if kernels == "winograd":
        _check_winograd(model, device, precision)


def _check_winograd(model: ModelSpec, device: Device, precision: Precision) -> None:
    if device != "cpu":
        raise InputError(
            "Winograd's kernels are for a CPU (--device cpu), and this job is for a GPU; leave out --kernels"
        )
    if model.architecture != COMPACT:
        raise InputError(f"{model.name} is no compact network, which Winograd's kernels are for; leave out --kernels")
    if precision != "fp32":
        raise InputError(f"Winograd's kernels compute in fp32, not in {precision}; leave out --kernels or --precision")


def _check_fused(model: ModelSpec, device: Device, precision: Precision) -> None:
    if device != "cuda":
        raise InputError("fused layers need a GPU (--device cuda), and this job is for a CPU; leave out --kernels")
    if model.architecture != COMPACT:
        raise InputError(f"{model.name} is no compact network, so its layers cannot be fused; leave out --kernels")
    if precision == "fp32":
        raise InputError("fused layers compute in fp16 or bf16, not in fp32; leave out --kernels")
