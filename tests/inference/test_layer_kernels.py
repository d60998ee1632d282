"""Kernels of whole layers: the very source gives what torch's convolution, bias and activation give, run on a CPU."""

import pytest
import torch
from torch import Tensor

from sr_core.inference.layer_kernels import HalfPrecision, Layer, padded, rows_for
from tests.inference.emulated import built, needs_compiler
from tests.inference.layers import Given, GivenLast

CHANNELS = ((16, 64), (64, 64), (64, 48), (48, 48), (48, 16), (32, 32), (16, 16))
SMALL = Layer("fp16", 16, 16, 2)
pytestmark = needs_compiler


def computed(given: Given, *, seed: int = 0, change: tuple[str, str] | None = None) -> Tensor:
    alike = [Layer(given.layer.precision, *each, given.layer.rows) for each in CHANNELS]
    return given.computed_by(built([given.layer] if change else alike, seed=seed, change=change)[given.layer.name])


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("precision", "rows"), [("fp16", 2), ("bf16", 4)])
def test_a_layer_is_torchs_convolution_bias_and_activation_rounded_once(
    precision: HalfPrecision, channels: tuple[int, int], rows: int
) -> None:
    given = Given(Layer(precision, *channels, rows), 1, 9, 17)

    assert given.is_right(computed(given))


@pytest.mark.parametrize(
    ("precision", "inputs", "scale", "rows"),
    [("fp16", 64, 4, 2), ("fp16", 64, 4, 4), ("bf16", 48, 2, 2), ("bf16", 32, 3, 4), ("fp16", 16, 1, 2)],
)
def test_the_last_layer_gives_the_enlarged_picture_unrounded(
    precision: HalfPrecision, inputs: int, scale: int, rows: int
) -> None:
    given = GivenLast(Layer(precision, inputs, padded(3 * scale * scale), rows, scale), 2, 9, 19)

    kernel = built([given.layer])[given.layer.name]

    assert given.is_right(given.computed_by(kernel))


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(1, 1, 1), (1, 1, 40), (1, 40, 1), (1, 8, 16), (1, 9, 17), (3, 7, 15), (2, 33, 31)],
    ids=["a pixel", "a row", "a column", "a tile", "a little more", "pictures", "tiles of pictures"],
)
def test_any_size_is_right_to_its_borders_and_nothing_is_written_beside_it(count: int, height: int, width: int) -> None:
    given = Given(SMALL, count, height, width)

    assert given.is_right(computed(given))


def test_the_bits_depend_neither_on_the_tiles_nor_on_what_is_around_or_on_the_order_of_threads() -> None:
    given = Given(Layer("bf16", 32, 32, 2), 1, 20, 40)
    whole = computed(given)

    assert torch.equal(computed(given, seed=1), whole)

    given.layer = given.layer._replace(rows=4)
    assert torch.equal(computed(given), whole)

    given.features = given.features[:, 3:, 5:].contiguous()  # other tiles, other borders
    assert torch.equal(computed(given)[:, 1:, 1:], whole[:, 4:, 6:])


@pytest.mark.parametrize(
    "piece",
    [
        "    wait_for_copies();\n",
        "    __syncthreads();\n\n    // Of the sixteen",
        "    __syncthreads();  // until every warp has seen",
        "    __syncwarp();\n",
    ],
    ids=["for what is copied", "for the tile", "for the last look at it", "for the warp's results"],
)
def test_a_wait_that_is_missing_would_show_here(piece: str) -> None:
    waits = ("wait_for_copies();", "__syncthreads();", "__syncwarp();")
    without = piece
    for wait in waits:
        without = without.replace(wait, "")

    # Given tiles that take all threads, and several orders of them
    given = Given(Layer("fp16", 16, 64, 4), 1, 16, 16)
    results = [computed(given, seed=seed, change=(piece, without)) for seed in range(3)]

    assert not all(map(given.is_right, results))


def test_what_is_not_finite_stays_so() -> None:
    # Given a number that the next layer cannot hold, as fp16 has them
    given = Given(SMALL, 1, 9, 20)
    given.features[0, 4, 10, 3] = torch.inf

    near = computed(given)[0, 3:6, 9:12]

    assert not near.isfinite().any()


def test_two_tiles_fit_into_the_shared_memory_of_a_t4_and_no_tile_needs_more_than_a_launch_may_ask_for() -> None:
    assert 2 * Layer("fp16", 64, 64, rows_for((7, 5))).shared_bytes <= 64 * 1024
    for rows in (2, 4):
        assert max(Layer("fp16", *each, rows).shared_bytes for each in [(64, 64), (16, 64)]) <= 48 * 1024
