"""Planning is pure: the same facts and wishes give the same plan, and nothing else does."""

from fractions import Fraction
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_core.delivery import output_color, output_format
from sr_core.errors import InputError
from sr_core.planning import group_chunks, make_plan, segment_grid
from sr_core.types import ModelSpec, Plan, Request, Settings
from tests import builders

RATES = st.fractions(min_value=Fraction(1, 10), max_value=1000, max_denominator=1001)
COUNTS = st.integers(min_value=1, max_value=20_000)


@given(COUNTS, RATES)
def test_segments_cover_every_frame_once_and_in_order(frame_count: int, rate: Fraction) -> None:
    segments = segment_grid(frame_count, rate)

    assert segments[0].start_frame == 0
    assert segments[-1].end_frame == frame_count
    assert [segment.index for segment in segments] == list(range(len(segments)))
    for earlier, later in pairwise(segments):
        assert earlier.end_frame == later.start_frame


@given(COUNTS, RATES)
def test_a_segment_is_at_least_two_seconds_long_unless_the_video_is_shorter(frame_count: int, rate: Fraction) -> None:
    segments = segment_grid(frame_count, rate)

    shortest = min(segment.frame_count for segment in segments)
    assert shortest >= min(Fraction(frame_count), 2 * rate, Fraction(300))


@given(COUNTS, RATES, st.integers(min_value=1, max_value=5000))
def test_chunks_are_whole_segments_and_cover_all_of_them(frame_count: int, rate: Fraction, frames: int) -> None:
    segments = segment_grid(frame_count, rate)
    chunks = group_chunks(segments, frames=frames)

    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [s for chunk in chunks for s in range(chunk.start_segment, chunk.end_segment)] == list(range(len(segments)))
    for chunk in chunks:
        assert chunk.start_frame == segments[chunk.start_segment].start_frame
        assert chunk.end_frame == segments[chunk.end_segment - 1].end_frame
        assert chunk.frame_count <= frames or chunk.end_segment - chunk.start_segment == 1


def test_the_grid_does_not_depend_on_chunking_or_tier() -> None:
    # Given one request and one video
    request, model, video = builders.request(), builders.model(), builders.video(frame_count=2000)

    # When it is planned for several tiers and chunk sizes
    plans = [
        make_plan(request, model, video, tier=tier, chunk_segments=size)
        for tier in ("local", "standard", "premium")
        for size in (None, 1, 3)
    ]

    # Then the segments and the encoding are the same, though the chunks are not
    assert len({plan.segments for plan in plans}) == 1
    assert len({plan.delivery for plan in plans}) == 1
    assert len({plan.chunks for plan in plans}) > 1


def test_planning_twice_gives_the_same_digest_and_survives_json() -> None:
    plan = make_plan(builders.request(), builders.model(), builders.video(), tier="local")

    assert make_plan(builders.request(), builders.model(), builders.video(), tier="local").digest() == plan.digest()
    assert Plan.from_json(plan.to_json()) == plan


def test_a_scale_that_is_not_the_networks_is_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match=r"tiny is a ×2 network, not ×4.*--model"):
        make_plan(builders.request(Settings(scale=4)), builders.model(), builders.video())


def test_an_output_beyond_the_codecs_limits_is_refused() -> None:
    with pytest.raises(InputError, match="18000×480"):
        make_plan(builders.request(), builders.model(), builders.video(width_px=9000))


@pytest.mark.parametrize(
    ("chroma", "bit_depth", "expected"),
    [
        ("420", 8, "yuv420p"),
        ("422", 8, "yuv422p"),
        ("444", 10, "yuv444p10le"),
        ("420", 9, "yuv420p10le"),
        ("gray", 8, "yuv420p"),
        ("rgb", 8, "yuv444p"),
        ("420", 12, "yuv420p12le"),
    ],
)
def test_the_output_keeps_the_sources_subsampling_and_depth(chroma: str, bit_depth: int, expected: str) -> None:
    assert output_format(Settings(), builders.video(chroma=chroma, bit_depth=bit_depth)) == expected


def test_h264_does_not_silently_lose_twelve_bits() -> None:
    video = builders.video(bit_depth=12)

    with pytest.raises(InputError, match=r"12; add --codec hevc"):
        make_plan(builders.request(), builders.model(), video)
    assert make_plan(builders.request(Settings(codec="hevc")), builders.model(), video).delivery.codec == "libx265"


def test_rgb_sources_get_a_matrix_on_the_way_out() -> None:
    converted = output_color(Settings(), builders.video(chroma="rgb", color=builders.color(matrix="rgb", range="full")))

    assert (converted.matrix, converted.range) == ("bt709", "limited")


def test_a_turned_video_is_planned_upright() -> None:
    video = builders.video(rotation_degrees=90, sar=Fraction(4, 3))
    plan = make_plan(builders.request(), builders.model(), video)

    assert (plan.width_px, plan.height_px) == (480, 640)
    assert video.upright_sar == Fraction(3, 4)


def test_large_frames_are_tiled_and_small_ones_are_not() -> None:
    small = make_plan(builders.request(), builders.model(), builders.video())
    large = make_plan(builders.request(), builders.model(), builders.video(width_px=1920, height_px=1080))

    assert small.execution.tile_px is None
    assert large.execution.tile_px is not None
    assert large.execution.halo_px == builders.model().radius_px


def test_fused_kernels_take_full_hd_whole() -> None:
    request = builders.request(Settings(device="cuda", kernels="fused"))

    whole, larger = (
        make_plan(request, builders.model(), builders.video(width_px=width, height_px=height)).execution
        for width, height in ((1920, 1080), (2560, 1440))
    )

    assert whole.tile_px is None
    assert larger.tile_px is not None


def test_bf16_is_refused_where_the_gpu_would_emulate_it() -> None:
    request = builders.request(Settings(precision="bf16"))

    with pytest.raises(InputError, match="the GPU of tier standard does not compute in bf16; choose fp16"):
        make_plan(request, builders.model(), builders.video(), tier="standard")

    assert make_plan(request, builders.model(), builders.video(), tier="premium").execution.precision == "bf16"


def test_the_job_id_follows_content_settings_and_network_but_nothing_else() -> None:
    same = [builders.request(), builders.request(overwrite=True)]
    other = [
        builders.request(input_version="sha256:2"),
        builders.request(Settings(crf=20)),
        builders.request(output="elsewhere.mp4"),
        builders.request(model=builders.model()),
    ]

    assert same[0].job_id == same[1].job_id
    assert len({request.job_id for request in [*same, *other]}) == 1 + len(other)


def test_a_request_is_the_same_job_under_a_release_that_has_more_settings() -> None:
    class LaterSettings(Settings):
        grain: Literal["keep", "remove"] = "keep"

    class LaterRequest(Request):
        settings: LaterSettings = LaterSettings()
        priority: int = 0

    written = builders.request(Settings(crf=20)).to_json()

    later, now = LaterRequest.from_json(written), Request.from_json(written)
    assert later.digest() == now.digest()
    assert later.model_copy(update={"priority": 1}).digest() != now.digest()


def test_winograds_kernels_are_planned_with_what_their_tiles_reach() -> None:
    request = builders.request(Settings(device="cpu", kernels="winograd"))

    how = make_plan(request, builders.model(radius_px=18), builders.video(), tier="local").execution

    assert (how.kernels, how.precision) == ("winograd", "fp32")
    assert (how.halo_px, how.multiple_px) == (34, 4)


@pytest.mark.parametrize(
    ("settings", "model", "complaint"),
    [
        (Settings(device="cuda"), builders.model(), r"are for a CPU \(--device cpu\), and this job is for a GPU"),
        (Settings(device="cpu", precision="bf16"), builders.model(), "compute in fp32, not in bf16"),
        (Settings(device="cpu"), builders.model(architecture="ESRGAN"), "tiny is no compact network"),
    ],
    ids=["gpu", "bf16", "architecture"],
)
def test_winograds_kernels_are_refused_for_what_they_are_not_for(
    settings: Settings, model: ModelSpec, complaint: str
) -> None:
    request = builders.request(settings.model_copy(update={"kernels": "winograd"}))

    with pytest.raises(InputError, match=rf"{complaint}.*; leave out --kernels"):
        make_plan(request, model, builders.video(), tier="local")


def test_where_nobody_has_settled_the_kernels_torch_computes() -> None:
    plan = make_plan(builders.request(Settings(device="cpu")), builders.model(), builders.video(), tier="local")

    assert plan.execution.kernels == "torch"
    assert plan.execution.halo_px == builders.model().radius_px
