"""Winograd's kernels: what torch's layers give but for rounding, and the same bits for a part as for the whole."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import InputError
from sr_core.inference import own_kernels
from sr_core.inference.rectangles import Rectangle
from sr_core.inference.winograd import WinogradCompact, accelerate, error_of
from sr_core.inference.winograd_library import Layer, Library, Pixels, library
from sr_core.models.compact import Compact

from .compiled import VECTORS, compiled_for
from .lively import lively, needs_kernels, picture

pytestmark = pytest.mark.usefixtures("one_thread")

MOST_ERROR = 1e-4
"""Of a pixel near 1: 0.03 of an 8-bit code."""


def exactly(network: Compact, rgb: Tensor) -> Tensor:
    """What torch's layers give in float64."""
    with torch.inference_mode():
        return torch.as_tensor(copy.deepcopy(network).double()(rgb.double()))


def accelerated(network: Compact) -> WinogradCompact:
    found = library()
    assert found is not None
    return WinogradCompact(network, found)


def difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@needs_kernels
@pytest.mark.parametrize("activation", ["prelu", "relu", "leakyrelu"])
@pytest.mark.parametrize(("scale", "features"), [(2, 24), (2, 80), (3, 48), (4, 64)])
def test_a_network_gives_what_torchs_layers_give_but_for_rounding(scale: int, features: int, activation: str) -> None:
    network = lively(scale, features, activation=activation)
    rgb = picture(21, 34, count=2)

    result = accelerated(network)(rgb)

    assert result.dtype == torch.float32
    assert 0.5 < float(result.abs().mean()) < 2
    assert difference(result, exactly(network, rgb)) < MOST_ERROR


@needs_kernels
@pytest.mark.parametrize("inner_count", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (4, 4), (5, 2), (1, 30), (9, 16), (23, 1)])
def test_pictures_may_be_of_any_size_and_layers_of_any_number(height: int, width: int, inner_count: int) -> None:
    network = lively(inner_count=inner_count)
    rgb = picture(height, width)

    assert difference(accelerated(network)(rgb), exactly(network, rgb)) < MOST_ERROR


def parts_of(height: int, width: int) -> list[Rectangle]:
    """Corners, single pixels, whole rows and columns, and what chance gives."""
    random = np.random.default_rng(5)
    spans = [
        [(0, 1), (length - 1, length), (0, length), *(sorted(random.integers(0, length + 1, 2)) for _ in range(12))]
        for length in (height, width)
    ]
    pairs = [tuple(random.integers(0, len(spans[0]), 2)) for _ in range(40)]
    chosen = [(*spans[0][row], *spans[1][column]) for row, column in [(0, 0), (1, 1), (0, 2), (2, 1), (2, 2), *pairs]]
    return [Rectangle(*map(int, each)) for each in chosen if each[0] < each[1] and each[2] < each[3]]


@needs_kernels
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("inner_count", [2, 3])
def test_a_part_has_the_very_bits_of_the_whole(inner_count: int, threads: int) -> None:
    # Given a picture that one thread has computed, and one that as many do as are allowed
    made, rgb = accelerated(lively(inner_count=inner_count)), picture(131, 77, count=2)
    whole = made(rgb)
    torch.set_num_threads(threads)

    assert torch.equal(made(rgb), whole)
    for part in parts_of(131, 77):
        assert torch.equal(made.part(rgb, part), whole[part.scaled(2).inside()]), part


@needs_kernels
@pytest.mark.parametrize("tile_px", [1, 7, 32, 70, 200])
def test_tiles_of_any_size_give_the_very_bits_of_the_whole(tile_px: int) -> None:
    made, rgb = accelerated(lively()), picture(41, 77, count=2) if tile_px > 1 else picture(9, 11)
    whole, part = made(rgb), Rectangle(3, 8, 2, rgb.shape[-1])

    assert torch.equal(made.part(rgb, Rectangle(0, rgb.shape[-2], 0, rgb.shape[-1]), tile_px=tile_px), whole)
    assert torch.equal(made.part(rgb, part, tile_px=tile_px), whole[part.scaled(2).inside()])


@pytest.mark.parametrize("vectors", VECTORS)
def test_kernels_for_other_vectors_give_what_is_exact_but_for_rounding(vectors: str, tmp_path: Path) -> None:
    network, rgb = lively(features=80), picture(23, 41)

    # Given the very source, compiled for such vectors
    made = WinogradCompact(network, compiled_for(vectors, tmp_path))

    # Then so they do, and of a part the same bits
    whole, part = made(rgb), Rectangle(5, 18, 3, 40)
    assert difference(whole, exactly(network, rgb)) < MOST_ERROR
    assert torch.equal(made.part(rgb, part), whole[part.scaled(2).inside()])


@needs_kernels
def test_a_network_of_half_precision_is_computed_in_fp32() -> None:
    network = copy.deepcopy(lively()).bfloat16()

    result = accelerated(network)(picture(8, 8))

    assert difference(result, exactly(network, picture(8, 8))) < MOST_ERROR


@needs_kernels
@pytest.mark.parametrize("wrong", [0.02, torch.nan, torch.inf])
def test_kernels_that_are_wrong_on_this_cpu_are_noticed_at_the_start(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    convolve = Library.convolve

    def convolve_wrongly(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        convolve(self, layer, seen, result, grid=grid)
        result.values[-1, -1] += wrong

    assert isinstance(accelerate(lively()), WinogradCompact)
    monkeypatch.setattr(Library, "convolve", convolve_wrongly)
    error_of.cache_clear()  # as in a new process

    with pytest.raises(InputError, match=r"are wrong on this CPU: .* take --kernels torch, and report it"):
        accelerate(lively())
    error_of.cache_clear()


@needs_kernels
@pytest.mark.parametrize("channels", [16, 32, 48, 64])
def test_so_are_those_for_any_number_of_channels_and_a_thousandth(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given kernels that are off by a thousandth for as many channels as they multiply at once, and right for all others
    found, convolve = library(), Library.convolve
    assert found is not None

    def convolve_wrongly(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        convolve(self, layer, seen, result, grid=grid)
        if layer.outputs == channels:
            result.values.mul_(1.001)

    error_of.cache_clear()
    right = error_of(found)
    monkeypatch.setattr(Library, "convolve", convolve_wrongly)
    error_of.cache_clear()  # as in a new process

    # Then networks of them are refused, while right ones are far from it
    with pytest.raises(InputError, match="are wrong on this CPU"):
        accelerate(lively())
    assert right < 1e-4
    error_of.cache_clear()


@needs_kernels
def test_weights_that_are_unusable_are_no_fault_of_the_kernels() -> None:
    network = copy.deepcopy(lively())
    nn.init.constant_(network.convolutions()[0][0].weight, torch.nan)

    assert isinstance(accelerate(network), WinogradCompact)


@needs_kernels
@pytest.mark.parametrize("spoilt", ["another source", "no library"])
def test_a_library_that_is_not_of_this_source_is_none(
    spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = own_kernels.paths()[0]
    if spoilt == "no library":
        (tmp_path / "winograd.so").write_bytes(b"")
        monkeypatch.setattr(own_kernels, "paths", lambda: [tmp_path / "winograd.so"])
    else:
        monkeypatch.setattr(own_kernels, "_source_id", lambda: 1)
        monkeypatch.setattr(own_kernels, "paths", lambda: [found])

    assert library.__wrapped__() is None
    assert own_kernels.why_none().startswith("unusable (")


def test_where_none_were_compiled_whoever_asks_for_them_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.winograd.library", lambda: None)

    with pytest.raises(InputError, match=r"no Winograd's kernels for this CPU .* take --kernels torch"):
        accelerate(lively())


def test_no_other_architecture_is_accelerated() -> None:
    with pytest.raises(InputError, match=r"for compact networks; take --kernels torch"):
        accelerate(nn.Conv2d(3, 3, 3))
