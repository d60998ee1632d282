"""What only a GPU can show: its bits do not change, recordings and streams give the plain network's, fp32 is fp32.

Everywhere else these are skipped. On a machine with one: ``pytest tests/inference/test_gpu.py``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.errors import GpuMemory
from sr_core.inference import FrameUpscaler, choose_device
from sr_core.inference.color import rgb_to_planes
from sr_core.inference.cuda_graphs import CudaGraphs
from sr_core.inference.device import fingerprint
from sr_core.inference.engine import Engine
from sr_core.inference.fused_planes import fuse_planes
from sr_core.inference.numerics import settle_gpu_numerics
from sr_core.inference.precision import computes_bf16
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format
from sr_core.inference.streamed import Arrived, StreamedUpscaler
from sr_core.models.compact import Compact
from sr_core.models.describe import describe
from sr_core.planning import make_plan
from sr_core.stages.overlap import overlap
from sr_core.types import Device, Execution, Kernels, Precision, Settings
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Plane, Planes
from tests import builders

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

WIDTH_PX, HEIGHT_PX, SCALE, CONV_COUNT = 322, 182, 2, 4
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
WAYS: tuple[tuple[Precision, Kernels], ...] = (
    *((each, "torch") for each in PRECISIONS),
    *((each, "fused") for each in PRECISIONS[1:]),
)
"""Precisions and what computes the layers. A T4 has no bf16 for fused ones, and says so."""
EIGHT = Format("420", 8, builders.color())
TEN = Format("422", 10, builders.color())


@pytest.fixture(autouse=True)
def settled() -> None:
    settle_gpu_numerics()


class Slow(Compact):
    """Keeps the GPU busy for ten milliseconds or so first, so that what does not wait comes too early."""

    def forward(self, x: Tensor) -> Tensor:
        torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call]
        return super().forward(x)


def engine(
    precision: Precision,
    *,
    device: Device = "cuda",
    tile_px: int | None = None,
    batch_px: int | None = None,
    kind: type[Compact] = Compact,
    kernels: Kernels = "torch",
    features: int = 64,
) -> Engine:
    if kernels == "fused" and precision == "bf16" and not computes_bf16("cuda"):
        pytest.skip("this GPU does not compute in bf16")
    torch.manual_seed(1)
    network = kind(scale=SCALE, feature_count=features, conv_count=CONV_COUNT)
    execution = Execution(
        device=device,
        precision=precision,
        tile_px=tile_px,
        halo_px=CONV_COUNT + 2,
        batch_frames=1,
        kernels=kernels,
    )
    return Engine(network, execution, scale=SCALE, batch_px=batch_px)


def picture(seed: int = 0) -> Tensor:
    return torch.rand(1, 3, HEIGHT_PX, WIDTH_PX, generator=torch.Generator().manual_seed(seed))


def frames(count: int, form: Format) -> list[tuple[Plane, ...]]:
    random = np.random.default_rng(5)
    dtype = np.uint8 if form.bit_depth == 8 else np.uint16
    rows = HEIGHT_PX // 2 if form.chroma == "420" else HEIGHT_PX
    sizes = ((HEIGHT_PX, WIDTH_PX), *2 * ((rows, WIDTH_PX // 2),))
    codes: list[list[Any]] = [[random.integers(0, 1 << form.bit_depth, size) for size in sizes] for _ in range(count)]
    made = [tuple(plane.astype(dtype) for plane in each) for each in codes]
    return [made[0], *made]  # the first one twice


def in_threads(upscaler: StreamedUpscaler, given: Sequence[tuple[Plane, ...]], form: Format) -> list[Arrived]:
    results = overlap((upscaler.step(each, form) for each in given), upscaler.upscale, workers=3, ahead=4)
    return list(map(upscaler.arrived, results))


@pytest.mark.parametrize(("precision", "kernels"), WAYS)
@pytest.mark.parametrize("tile_px", [None, 64])
def test_bits_do_not_change_from_run_to_run(precision: Precision, kernels: Kernels, tile_px: int | None) -> None:
    first, *others = (engine(precision, tile_px=tile_px, kernels=kernels).upscale_rgb(picture()) for _ in range(4))

    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(("precision", "kernels"), WAYS)
@pytest.mark.parametrize("tile_px", [None, 64])
def test_recordings_give_the_networks_bits(precision: Precision, kernels: Kernels, tile_px: int | None) -> None:
    # Given engines that replay whatever was recorded, fast or not, and that never do
    warm, plain = (engine(precision, tile_px=tile_px, kernels=kernels) for _ in range(2))
    notes = warm.warm_up(WIDTH_PX, HEIGHT_PX, lambda network: CudaGraphs(network, clock=lambda: 0.0))

    # Then recording works here, and gives the same for pictures that neither has seen
    assert all("recorded and replayed" in note for note in notes), notes
    for seed in range(3):
        assert torch.equal(warm.upscale_rgb(picture(seed)), plain.upscale_rgb(picture(seed)))


@pytest.mark.parametrize("form", [EIGHT, TEN], ids=["8 bits", "10 bits"])
@pytest.mark.parametrize(("precision", "kernels"), WAYS)
@pytest.mark.parametrize(("kind", "tile_px"), [(Compact, None), (Compact, 64), (Slow, None)])
def test_streams_give_the_bytes_of_one_frame_after_another(
    precision: Precision, kernels: Kernels, form: Format, kind: type[Compact], tile_px: int | None
) -> None:
    given = frames(24, form)
    streamed = engine(precision, tile_px=tile_px, kind=kind, kernels=kernels)
    upscaler = StreamedUpscaler(streamed, output=form, size_px=(WIDTH_PX, HEIGHT_PX))

    arrived = in_threads(upscaler, given, form)

    sequence = SequenceUpscaler(engine(precision, tile_px=tile_px, kernels=kernels), output=form, reuse=False)
    for one, planes in zip(arrived, given, strict=True):
        step = sequence.step([torch.from_numpy(plane)[None] for plane in planes], form)
        expected = [plane[0].cpu().numpy() for plane in sequence.upscale(step).planes]
        assert all(map(np.array_equal, one.planes, expected))
    assert arrived[1].computed_share == 0
    assert all(each.busy_seconds > 0 for each in arrived if each.computed_share)


def test_fp32_on_a_gpu_is_fp32() -> None:
    # TF32, which torch uses for convolutions by default, is off by about 1e-3
    exact, gpu = engine("fp32", device="cpu").upscale_rgb(picture()), engine("fp32").upscale_rgb(picture()).cpu()

    assert float((exact - gpu).abs().max()) < 2e-5


@pytest.mark.parametrize(("precision", "kernels"), WAYS[1:])
@pytest.mark.parametrize("features", [32, 48, 64])
def test_half_precision_is_within_two_codes_of_fp32(precision: Precision, kernels: Kernels, features: int) -> None:
    exact = engine("fp32", features=features).upscale_rgb(picture())
    half = engine(precision, kernels=kernels, features=features).upscale_rgb(picture())

    assert float((exact - half).abs().max()) <= 2 / 255


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_fused_layers_are_no_further_from_fp32_than_torchs_and_the_same_in_tiles(precision: Precision) -> None:
    exact = engine("fp32").upscale_rgb(picture())
    fused = engine(precision, kernels="fused").upscale_rgb(picture())

    torchs, own = ((each - exact).square().mean() for each in (engine(precision).upscale_rgb(picture()), fused))
    assert own <= 1.1 * torchs
    assert torch.equal(engine(precision, kernels="fused", tile_px=64).upscale_rgb(picture()), fused)


def test_memory_does_not_grow_with_frames() -> None:
    upscaler = StreamedUpscaler(engine("fp16"), output=EIGHT, size_px=(WIDTH_PX, HEIGHT_PX))
    allocated = []
    for _ in range(3):
        in_threads(upscaler, frames(50, EIGHT), EIGHT)
        torch.cuda.synchronize()
        allocated.append(torch.cuda.memory_allocated())

    assert allocated[1] == allocated[2]


def test_a_gpu_without_room_for_whole_pictures_computes_the_same_in_tiles() -> None:
    # Given room for parts of the picture's features, each layer's of which take half a GB
    large = torch.rand(1, 3, 1080, 1920, generator=torch.Generator().manual_seed(0))
    whole = engine("fp32").upscale_rgb(large).cpu()
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(900e6 / total)
    try:
        subject = engine("fp32")
        in_tiles = subject.upscale_rgb(large).cpu()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()

    assert subject.tile_px is not None
    assert float((whole - in_tiles).abs().max()) < 2e-5


def test_frames_come_out_as_on_a_cpu_but_for_rounding() -> None:
    # Given the whole way, of a network that ships, on either
    spec, video = describe("compact-x2"), builders.video(width_px=WIDTH_PX, height_px=HEIGHT_PX)
    arrived: dict[str, list[tuple[Plane, ...]]] = {}
    for device in ("cpu", "cuda"):
        request = builders.request(Settings.model_validate({"device": device, "precision": "fp32"}))
        upscaler = FrameUpscaler(make_plan(request, spec, video, tier="local"), None)
        steps = [upscaler.step(Planes(HANDLED["yuv420p"], planes)) for planes in frames(3, EIGHT)]
        arrived[device] = [upscaler.arrived(upscaler.upscale(step)).planes for step in steps]

    # Then no sample differs by more than a code
    for one, other in zip(arrived["cpu"], arrived["cuda"], strict=True):
        assert all(np.abs(a.astype(int) - b.astype(int)).max() <= 1 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("form", [EIGHT, TEN, Format("444", 12, builders.color())], ids=["8", "10", "12"])
def test_fused_kernels_make_the_planes_that_torch_makes(form: Format) -> None:
    fused = fuse_planes(form, torch.device("cuda"))
    assert fused is not None
    rgb = picture().cuda()

    expected = rgb_to_planes(rgb, chroma=form.chroma, bit_depth=form.bit_depth, color=form.color)

    for one, other in zip(fused(rgb), expected, strict=True):
        off = (one.to(torch.int32) - other.to(torch.int32)).abs()
        assert int(off.max()) <= 1
        assert float((off != 0).float().mean()) < 0.002


def test_frames_by_fused_kernels_come_out_as_on_a_cpu_but_for_rounding() -> None:
    spec, video = describe("compact-x2"), builders.video(width_px=WIDTH_PX, height_px=HEIGHT_PX)
    arrived: list[list[tuple[Plane, ...]]] = []
    for settings in (Settings(device="cpu", precision="fp32"), Settings(device="cuda", kernels="fused")):
        upscaler = FrameUpscaler(make_plan(builders.request(settings), spec, video, tier="local"), None)
        steps = [upscaler.step(Planes(HANDLED["yuv420p"], planes)) for planes in frames(3, EIGHT)]
        arrived.append([upscaler.arrived(upscaler.upscale(step)).planes for step in steps])

    for one, other in zip(*arrived, strict=True):
        assert all(np.abs(a.astype(int) - b.astype(int)).max() <= 2 for a, b in zip(one, other, strict=True))


def test_a_gpu_that_is_full_means_smaller_tiles_and_then_an_error_of_its_own() -> None:
    # Given room for the picture, but not for its result
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(800e6 / total)
    try:
        with pytest.raises(GpuMemory, match="use a GPU with more memory"):
            engine("fp32").upscale_rgb(torch.rand(1, 3, 4320, 7680))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_the_gpu_is_chosen_and_named() -> None:
    execution = engine("fp16").execution

    assert choose_device(Settings()) == "cuda"
    assert torch.cuda.get_device_name() in dict(fingerprint(execution, tile_px=None))["device"]
    assert dict(fingerprint(execution, tile_px=None))["driver"] != "unknown"
