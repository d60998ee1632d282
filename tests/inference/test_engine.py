"""The engine: tiles change nothing, memory errors cost time but no frame, and infinities are computed again."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import HostCapacity, IntegrityError
from sr_core.inference.cuda_graphs import CudaGraphs
from sr_core.inference.engine import Engine
from sr_core.inference.tiling import tiles
from sr_core.models.compact import Compact
from sr_core.types import Execution, Precision

CONV_COUNT = 3
RADIUS_PX = CONV_COUNT + 2


def network(seed: int = 0) -> Compact:
    torch.manual_seed(seed)
    return Compact(scale=2, feature_count=8, conv_count=CONV_COUNT)


def execution(*, tile_px: int | None = None, precision: Precision = "fp32") -> Execution:
    return Execution(device="cpu", precision=precision, tile_px=tile_px, halo_px=RADIUS_PX, batch_frames=1)


def picture(height: int = 96, width: int = 130, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tile_px", [32, 50, 64, 97])
def test_tiled_equals_untiled_within_one_code(tile_px: int, precision: Precision) -> None:
    whole = Engine(network(), execution(precision=precision), scale=2).upscale_rgb(picture())
    tiled = Engine(network(), execution(tile_px=tile_px, precision=precision), scale=2).upscale_rgb(picture())

    assert float((whole - tiled).abs().max()) <= 1 / 255


def test_a_halo_one_pixel_too_small_would_show() -> None:
    # Given the whole picture, and tiles whose halo is a pixel short of the receptive radius
    short = execution(tile_px=32).model_copy(update={"halo_px": RADIUS_PX - 1})
    whole = Engine(network(), execution(), scale=2).upscale_rgb(picture())

    # When both are computed exactly
    tiled = Engine(network(), short, scale=2).upscale_rgb(picture())

    # Then they differ, so the test above could fail
    assert not torch.equal(whole, tiled)


class Noting(nn.Module):
    """Notes the shapes that it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        result: Tensor = self.inner(x)
        return result

    def __deepcopy__(self, _memo: object) -> "Noting":
        return self


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tiles_of_one_shape_go_through_together_and_change_nothing_but_rounding(precision: Precision) -> None:
    # Given a grid of four times three tiles, and room for three of the largest at once
    noting, alone = Noting(), Noting()
    together = Engine(noting, execution(tile_px=32, precision=precision), scale=2, batch_px=3 * 42 * 42)

    # When a picture is upscaled
    result = together.upscale_rgb(picture(height=96, width=128))

    # Then corners, edges and inner tiles were gathered, in fewer calls; in a batch other kernels may round otherwise
    expected = Engine(alone, execution(tile_px=32, precision=precision), scale=2).upscale_rgb(picture(96, 128))
    assert float((result - expected).abs().max()) <= (1e-5 if precision == "fp32" else 1 / 255)
    assert sorted(noting.shapes) == [
        (1, 3, 37, 37),
        (1, 3, 37, 42),
        (2, 3, 42, 37),
        (2, 3, 42, 42),
        (3, 3, 37, 37),
        (3, 3, 37, 42),
    ]
    assert len(alone.shapes) == 12


def test_several_pictures_in_tiles_stay_apart() -> None:
    pictures = torch.cat([picture(seed=seed) for seed in range(2)])

    together = Engine(network(), execution(tile_px=32), scale=2, batch_px=10**6).upscale_rgb(pictures)

    for index in range(2):
        alone = Engine(network(), execution(tile_px=32), scale=2).upscale_rgb(pictures[index : index + 1])
        assert float((together[index : index + 1] - alone).abs().max()) <= 1e-5


class TooLittleMemory(nn.Module):
    """Fails to allocate for inputs of more than `limit_px` a side."""

    def __init__(self, limit_px: int, fail: Callable[[], BaseException]) -> None:
        super().__init__()
        self.inner = network()
        self.limit_px, self.fail = limit_px, fail

    def forward(self, x: Tensor) -> Tensor:
        if max(x.shape[-2:]) > self.limit_px:
            raise self.fail()
        result: Tensor = self.inner(x)
        return result

    def __deepcopy__(self, _memo: object) -> "TooLittleMemory":
        return self


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.OutOfMemoryError("out of memory"),
        lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError,
    ],
)
def test_out_of_memory_means_smaller_tiles_and_the_same_picture(fail: Callable[[], BaseException]) -> None:
    small = Engine(TooLittleMemory(90, fail), execution(), scale=2)

    result = small.upscale_rgb(picture())

    expected = Engine(network(), execution(), scale=2).upscale_rgb(picture())
    assert small.tile_px is not None
    assert float((result - expected).abs().max()) <= 1 / 255


def record(network: nn.Module, _example: Tensor) -> Callable[[Tensor], Tensor]:
    """As good as a recording, where nothing is recorded."""
    return lambda batch: network(batch) + 0


def graphs(network: nn.Module) -> CudaGraphs:
    return CudaGraphs(network, record=record, clock=lambda: 0.0)


def test_warming_up_finds_the_tile_that_memory_allows_and_prepares_its_shapes() -> None:
    # Given a device that bears tiles of 90 px, surroundings included
    engine = Engine(TooLittleMemory(90, MemoryError), execution(), scale=2)

    # When it is warmed up
    notes = engine.warm_up(130, 96, graphs)

    # Then the tile is settled before the first picture, and the shapes of such tiles are decided on
    assert engine.tile_px == 65
    assert [note.partition(":")[0] for note in notes] == ["network at 1×3×53×70"]
    assert torch.equal(
        engine.upscale_rgb(picture()), Engine(network(), execution(tile_px=65), scale=2).upscale_rgb(picture())
    )


def test_memory_that_runs_out_later_takes_the_recordings_with_it() -> None:
    inner = TooLittleMemory(200, MemoryError)
    engine = Engine(inner, execution(), scale=2)
    engine.warm_up(130, 96, graphs)

    inner.limit_px = 90
    result = engine.upscale_rgb(picture())

    assert engine.tile_px == 65
    assert torch.equal(result, Engine(network(), execution(tile_px=65), scale=2).upscale_rgb(picture()))


def test_out_of_memory_at_the_smallest_tile_is_an_error_that_says_what_helps() -> None:
    engine = Engine(TooLittleMemory(10, MemoryError), execution(), scale=2)

    with pytest.raises(HostCapacity, match="use a machine with more memory"):
        engine.upscale_rgb(picture())


def test_another_error_of_the_network_is_not_taken_for_a_lack_of_memory() -> None:
    engine = Engine(TooLittleMemory(10, lambda: RuntimeError("shapes do not match")), execution(), scale=2)

    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.upscale_rgb(picture())


class Overflowing(nn.Module):
    """Infinite in half precision, fine in fp32: what fp16 does to networks with large activations."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        large = x.to(self.weight.dtype) * 1e30 * 1e10 / 1e35 if self.weight.dtype != torch.float32 else x
        return nn.functional.interpolate(torch.where(large > 1, torch.inf, large).float(), scale_factor=2.0)


def test_an_infinite_result_is_computed_again_in_fp32() -> None:
    engine = Engine(Overflowing(), execution(precision="bf16"), scale=2)

    result = engine.upscale_rgb(picture())

    assert engine.redone_frames == 1
    assert torch.equal(result, nn.functional.interpolate(picture(), scale_factor=2.0))


def test_a_network_that_is_infinite_in_fp32_too_is_refused() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.interpolate(x / 0, scale_factor=2.0)

    with pytest.raises(IntegrityError, match="the weights are unusable"):
        Engine(Broken(), execution(), scale=2).upscale_rgb(picture())


@pytest.mark.parametrize(("width", "height", "tile_px", "halo_px"), [(100, 80, 32, 5), (33, 64, 32, 10), (7, 5, 32, 3)])
def test_tiles_cover_every_pixel_once_and_their_halo_stays_inside(
    width: int, height: int, tile_px: int, halo_px: int
) -> None:
    seen = torch.zeros(height, width, dtype=torch.int32)

    for tile in tiles(width, height, tile_px=tile_px, halo_px=halo_px):
        seen[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert tile.bottom - tile.top <= tile_px
        assert tile.right - tile.left <= tile_px
        assert tile.padded_top == max(0, tile.top - halo_px)
        assert tile.padded_right == min(width, tile.right + halo_px)

    assert bool((seen == 1).all())
