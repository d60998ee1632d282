"""Of a layer only some tiles are computed: exactly those, to the bits of the whole, and it is told which are others."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd_library import Chosen, Enlarged, Library, Pixels, tile_count

from .compiled import VECTORS, compiled_for
from .lively import picture

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT_PX, WIDTH_PX, CHANNELS = 11, 30, 32
WHOLE = Rectangle(0, HEIGHT_PX, 0, WIDTH_PX)
CHOICES: dict[str, Callable[[int], list[int]]] = {
    "none": lambda _count: [],
    "first": lambda _count: [0],
    "last": lambda count: [count - 1],
    "ends": lambda count: [0, count - 1],
    "every other": lambda count: list(range(0, count, 2)),
    "some": lambda count: sorted(np.random.default_rng(3).permutation(count)[: count // 2].tolist()),
    "all": lambda count: list(range(count)),
}


class Computed(NamedTuple):
    """A layer, and what it gives."""

    pixels: Tensor
    """(height, width, values), a view into what is computed."""
    compute: Callable[[Chosen | None], None]


@pytest.fixture(scope="module", params=VECTORS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return compiled_for(request.param, tmp_path_factory.mktemp("kernels"))


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def first_layer(found: Library, grid: int) -> Computed:
    layer = found.first_layer(noise(CHANNELS, 3, 3, 3, seed=1), noise(CHANNELS, seed=2), noise(CHANNELS, seed=3))
    planes, result = picture(HEIGHT_PX, WIDTH_PX)[0], Pixels(torch.empty((HEIGHT_PX, WIDTH_PX, CHANNELS)), WHOLE)
    return Computed(
        result.values, lambda chosen: found.convolve_planes(layer, planes, result, grid=grid, chosen=chosen)
    )


def inner_layer(found: Library, grid: int) -> Computed:
    layer = found.layer(noise(CHANNELS, CHANNELS, 3, 3, seed=1), noise(CHANNELS, seed=2), noise(CHANNELS, seed=3))
    before = Pixels(noise(HEIGHT_PX, WIDTH_PX, CHANNELS, seed=4), WHOLE)
    result = Pixels(torch.empty_like(before.values), WHOLE)
    return Computed(result.values, lambda chosen: found.convolve(layer, before, result, grid=grid, chosen=chosen))


def last_layer(found: Library, _grid: int, *, scale: int) -> Computed:
    layer = found.layer(noise(3 * scale**2, CHANNELS, 3, 3, seed=1), None, torch.ones(3 * scale**2))
    before, planes = Pixels(noise(HEIGHT_PX, WIDTH_PX, CHANNELS, seed=4), WHOLE), picture(HEIGHT_PX, WIDTH_PX)[0]
    result = Enlarged(torch.empty((3, HEIGHT_PX * scale, WIDTH_PX * scale)), WHOLE, scale)
    pixels = result.samples.view(3, HEIGHT_PX, scale, WIDTH_PX, scale).permute(1, 3, 0, 2, 4)
    return Computed(pixels, lambda chosen: found.enlarge(layer, before, planes, result, WHOLE, chosen=chosen))


LAYERS: dict[str, tuple[Callable[[Library, int], Computed], int]] = {
    "first": (first_layer, 0),
    "first, half a tile beside": (first_layer, 2),
    "inner": (inner_layer, 0),
    "inner, half a tile beside": (inner_layer, 2),
    "last, ×2": (lambda found, grid: last_layer(found, grid, scale=2), 0),
    "last, ×3": (lambda found, grid: last_layer(found, grid, scale=3), 0),
}


def inside(number: int, grid: int) -> tuple[slice, slice]:
    """The index of a tile's pixels."""
    row, column = (4 * each - grid for each in divmod(number, -(-(WIDTH_PX + grid) // 4)))
    return slice(max(0, row), row + 4), slice(max(0, column), column + 4)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("layer", LAYERS)
def test_of_chosen_tiles_alone_bits_become_those_of_the_whole(layer: str, choice: str, found: Library) -> None:
    make, grid = LAYERS[layer]
    count = tile_count(HEIGHT_PX, WIDTH_PX, grid=grid)
    random = np.random.default_rng(7)

    # Given what a layer gives for a whole picture, but that in two of three tiles a single value is another by a bit
    pixels, compute = make(found, grid)
    compute(None)
    whole, spoilt = pixels.clone(), set(random.permutation(count)[: 2 * count // 3].tolist())
    for number in spoilt:
        values = pixels[inside(number, grid)]
        at = tuple(int(random.integers(side)) for side in values.shape)
        values[at] = torch.nextafter(values[at], torch.tensor(random.choice([-torch.inf, torch.inf]).item()))
    expected = pixels.clone()

    # When some of the tiles are computed, chance having left marks where it is told of them
    numbers = CHOICES[choice](count)
    chosen = Chosen(
        torch.tensor(numbers, dtype=torch.int32), torch.tensor([index % 2 == 0 for index in range(len(numbers))])
    )
    compute(chosen)

    # Then those are the whole one's, no other is touched, and it is told of which a bit has changed; the last layer's
    # are taken for changed unseen
    for number in numbers:
        expected[inside(number, grid)] = whole[inside(number, grid)]
    assert torch.equal(pixels, expected)
    assert chosen.changed.tolist() == [layer.startswith("last") or number in spoilt for number in numbers]
