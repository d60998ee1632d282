"""What will be done, decided once: a pure function from what is in the file and what was asked for.

The segment grid follows from the frames and the settings alone. Chunks are whole segments and may be sized freely: they
do not touch the bytes. Nothing here reads a file, a clock or a machine.
"""

from fractions import Fraction
from itertools import pairwise
from math import ceil

from sr_core.errors import InputError
from sr_core.throughput import choose_tier, chunk_frames
from sr_core.types import (
    Chunk,
    ColorInfo,
    Device,
    Encoding,
    Execution,
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
ENCODER_THREADS = 4
"""On every machine alike, because the number decides x264's bytes."""
MAX_SIDE_PX = 16384
"""Of the output: what H.264 and HEVC level limits and their decoders can hold at most."""
_WHOLE_FRAME_PX = 1280 * 720
"""Larger inputs are tiled unless told otherwise, so that memory stays bounded whatever the source's size."""
_TILE_PX = 640


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
    request: Request, model: ModelSpec, video: VideoInfo, *, tier: Tier | None = None, chunk_segments: int | None = None
) -> Plan:
    """Decides everything about a job.

    Args:
        request: what was asked for.
        model: the network it names.
        video: what is in the file, with the exact frame count.
        tier: where upscale runs; chosen from the workload when None.
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
    tier = tier or choose_tier(model, video)
    segments = segment_grid(video.frame_count, video.rate)
    frames = (
        chunk_frames(model, video, tier)
        if chunk_segments is None
        else chunk_segments * max(segment.frame_count for segment in segments)
    )
    return Plan(
        request_digest=request.digest(),
        video=video,
        model=model,
        width_px=width,
        height_px=height,
        color=output_color(video),
        segments=segments,
        chunks=group_chunks(segments, frames=frames),
        segment_codec=settings.segment_codec,
        delivery=delivery_encoding(settings, video),
        mezzanine=lossless_encoding(output_format(video)),
        execution=_execution(settings, model, video, tier),
        tier=tier,
        warnings=video.warnings,
    )


def check_scale(settings: Settings, model: ModelSpec) -> None:
    """Raises InputError unless the scale asked for, if any, is the network's."""
    if settings.scale not in (None, model.scale):
        raise InputError(
            f"{model.name} is a ×{model.scale} network, not ×{settings.scale}; "
            f"leave out --scale or choose another network with --model (see `sr models`)"
        )


def output_color(video: VideoInfo) -> ColorInfo:
    """What the output's samples mean: what the source's do, with RGB turned into BT.709 of limited range."""
    if video.color.matrix != "rgb":
        return video.color
    return video.color.model_copy(update={"matrix": "bt709", "range": "limited"})


def output_format(video: VideoInfo) -> str:
    """Pixel format of the output: the source's chroma subsampling and depth, as far as encoders have them.

    Grey becomes 4:2:0 and RGB 4:4:4; 9 bits become 10, more than 10 become 12.
    """
    chroma = {"gray": "420", "rgb": "444"}.get(video.chroma, video.chroma)
    depth = 8 if video.bit_depth == 8 else 10 if video.bit_depth <= 10 else 12
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def delivery_encoding(settings: Settings, video: VideoInfo) -> Encoding:
    """How the delivered packets are made. Raises InputError where the codec cannot hold the source's depth."""
    options: tuple[tuple[str, str], ...] = (("crf", str(settings.crf)), ("preset", settings.preset))
    if settings.codec == "h264":
        if video.bit_depth > 10:
            raise InputError(f"H.264 holds at most 10 bits and the source has {video.bit_depth}; add --codec hevc")
        return Encoding(codec="libx264", pixel_format=output_format(video), options=options, threads=ENCODER_THREADS)
    parameters = f"pools={ENCODER_THREADS}:frame-threads=2:log-level=error"
    return Encoding(
        codec="libx265",
        pixel_format=output_format(video),
        options=(*options, ("x265-params", parameters)),
        threads=ENCODER_THREADS,
    )


def lossless_encoding(pixel_format: str) -> Encoding:
    """FFV1 version 3 with checksummed slices: exact, intra-only, fast enough, for any depth and subsampling.

    RGB of 8 bits it takes packed only.
    """
    if pixel_format == "gbrp":
        pixel_format = "bgr0"
    options = (("level", "3"), ("slices", "4"), ("slicecrc", "1"))
    return Encoding(codec="ffv1", pixel_format=pixel_format, options=options, threads=ENCODER_THREADS)


def _execution(settings: Settings, model: ModelSpec, video: VideoInfo, tier: Tier) -> Execution:
    device: Device = settings.device if settings.device != "auto" else "cpu" if tier == "local" else "cuda"
    precision: Precision = (
        settings.precision if settings.precision != "auto" else "fp16" if device == "cuda" else "fp32"
    )
    tile_px = settings.tile_px
    if tile_px is None and video.width_px * video.height_px > _WHOLE_FRAME_PX:
        tile_px = _TILE_PX
    return Execution(device=device, precision=precision, tile_px=tile_px, halo_px=model.radius_px, batch_frames=1)
