"""The weights that ship: what they are, and that they are worth shipping."""

from fractions import Fraction

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sr_core.models.catalogue import shipped, shipped_file
from sr_core.models.compact import Compact, from_state
from training.data import read_image, reference_media
from training.degrade import quantise, resize
from training.evaluate import by_lanczos, by_network, psnr, score_image

SET5 = reference_media() / "stills" / "set5"


@pytest.fixture(params=list(shipped()))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(name: str) -> Compact:
    return from_state(load_file(shipped_file(name)))


Colour = tuple[float, float, float]


def rings(first: Colour, second: Colour) -> torch.Tensor:
    """A (3, 128, 128) uint8 scene of hard-edged rings in two colours, drawn at four times the size."""
    y, x = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    ring = (torch.hypot(y - 200, x - 280).div(37).floor() % 2).to(torch.float64)
    a, b = (torch.tensor(colour, dtype=torch.float64)[:, None, None] for colour in (first, second))
    return quantise(resize(a + (b - a) * ring, scale=Fraction(1, 4)))


def test_the_file_says_what_it_is(name: str, network: Compact) -> None:
    with safe_open(shipped_file(name), framework="pt") as file:
        metadata = file.metadata()
    assert metadata["architecture"] == "compact"
    assert metadata["licence"] == "Apache-2.0"
    sizes = {name: getattr(network, name) for name in ("scale", "feature_count", "conv_count")}
    assert {name: int(metadata[name]) for name in sizes} == sizes
    assert network.scale == shipped()[name].scale
    assert metadata.get("kind", "clean") == shipped()[name].kind
    assert shipped_file(name).stat().st_size <= 3_000_000


def test_it_costs_no_more_than_its_size_promises(name: str, network: Compact) -> None:
    """Small ones are for laptops; full ones stay below the popular compact network of 64 × 16."""
    macs_per_input_px = sum(layer.weight.numel() for layer in network.body if isinstance(layer, torch.nn.Conv2d))
    assert macs_per_input_px <= (250_000 if "full" in name else 70_000)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 40, 90), (0, 0, 255)])
def test_a_flat_colour_stays_that_colour(network: Compact, colour: tuple[int, int, int]) -> None:
    image = torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, 40, 40)
    inside = by_network(network)(image)[:, 20:-20, 20:-20]
    assert int((inside.int() - torch.tensor(colour)[:, None, None]).abs().max()) <= 2


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, 0, 0), (1, 1, 1)), ((0.1, 0.1, 0.4), (0.9, 0.9, 0.6)), ((1, 0, 0), (0, 0, 1)), ((0.5, 0.5, 0.5), (1, 0, 0))],
    ids=["black-white", "blue-yellow", "red-blue", "grey-red"],
)
def test_hard_edges_come_out_nearer_to_the_original_than_with_lanczos(
    network: Compact, first: Colour, second: Colour
) -> None:
    scene = rings(first, second)
    small = quantise(resize(scene.double() / 255, scale=Fraction(1, network.scale)))
    # at x4 the weakest is red on grey, for a network that only saw colours of half the resolution
    least_gain_db = 1 if network.scale == 2 else 0.5
    assert psnr(by_network(network)(small), scene) > psnr(by_lanczos(network.scale)(small), scene) + least_gain_db


def test_bfloat16_is_close_to_fp32(network: Compact) -> None:
    image = rings((0.1, 0.1, 0.4), (0.9, 0.9, 0.6))
    exact, rounded = by_network(network)(image), by_network(network, dtype=torch.bfloat16)(image)
    assert psnr(rounded, exact) > 50


@pytest.mark.slow
@pytest.mark.skipif(not SET5.is_dir(), reason=f"no Set5 at {SET5}: set SR_REFERENCE_MEDIA")
def test_it_beats_lanczos_by_a_decibel(network: Compact) -> None:
    """On the two smallest stills of Set5; `make evaluate` takes all of both sets."""
    scale = network.scale
    for name in ("butterfly", "bird"):
        still = read_image(SET5 / f"{name}.png")
        ours, lanczos = (score_image(still, method, scale=scale) for method in (by_network(network), by_lanczos(scale)))
        assert ours.psnr_db >= lanczos.psnr_db + 1
        assert ours.ssim > lanczos.ssim
