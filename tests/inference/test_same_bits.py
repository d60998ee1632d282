"""What Winograd's kernels give has the same bits by whatever vectors, so that a fingerprint names none.

That arm64's are these, too, is shown by test_winograd_neon.py and test_own_planes_neon.py.
"""

import numpy as np
import pytest
import torch

from sr_core.inference import FrameUpscaler
from sr_core.inference.device import fingerprint
from sr_core.inference.own_kernels import source_digest
from sr_core.inference.own_planes import OwnConversion
from sr_core.inference.steps import Format
from sr_core.inference.winograd import WinogradCompact
from sr_core.inference.winograd_library import Layer, Library, Pixels, library
from sr_core.models.describe import describe
from sr_core.planning import make_plan
from sr_core.types import Settings
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from tests import builders

from .compiled import FOUR_LANES, VECTORS, compiled_for
from .lively import execution, lively, needs_kernels, picture
from .test_own_planes import FORMATS, SIZES, formats, noise, samples

pytestmark = pytest.mark.usefixtures("one_thread")

INSTALLED = "as installed"
G = [
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
]
"""Of Lavin and Gray, 2015, section 4.3."""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return compiled_for(FOUR_LANES, tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module", params=[*(vectors for vectors in VECTORS if vectors != FOUR_LANES), INSTALLED])
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    if request.param != INSTALLED:
        return compiled_for(request.param, tmp_path_factory.mktemp("kernels"))
    found = library()
    if found is None:
        pytest.skip("needs a C compiler when the package is installed")
    return found


@pytest.mark.parametrize(("height", "width"), [(1, 1), (23, 41), (131, 77)])
@pytest.mark.parametrize(("scale", "features"), [(2, 24), (2, 80), (4, 64)])
def test_networks_have_them(scale: int, features: int, height: int, width: int, wide: Library, narrow: Library) -> None:
    network, rgb = lively(scale, features, inner_count=4), picture(height, width)

    assert torch.equal(WinogradCompact(network, wide)(rgb), WinogradCompact(network, narrow)(rgb))


@formats
def test_colours_have_them_both_ways(form: Format, wide: Library, narrow: Library) -> None:
    own, other = (OwnConversion(*form, found) for found in (wide, narrow))

    for size in SIZES:
        rgb, planes = noise(*size), samples(form, *size)
        assert all(map(torch.equal, own.planes(rgb), other.planes(rgb)))
        assert torch.equal(own.rgb(planes), other.rgb(planes))


def test_weights_are_made_by_single_sums_and_products_in_double_precision(narrow: Library) -> None:
    # Given a layer's weights, of which rounding makes all there is
    channels = 16
    weights = np.random.default_rng(1).standard_normal((channels, channels, 3, 3), np.float32)

    # Then what the kernels are given is G w G^T as IEEE 754 has it, which a library's matrix products need not be
    layer = narrow.layer(torch.from_numpy(weights), None, torch.ones(channels))
    found = layer.weights.view(36, channels, channels).permute(2, 1, 0)
    assert torch.equal(found, torch.tensor([[by_hand(w.tolist()) for w in inputs] for inputs in weights]))


def by_hand(taps: list[list[float]]) -> list[float]:
    """G w G^T, row by row. No `sum`: Python's makes up for rounding."""
    tall = [[a * taps[0][x] + b * taps[1][x] + c * taps[2][x] for x in range(3)] for a, b, c in G]
    return [a * row[0] + b * row[1] + c * row[2] for row in tall for a, b, c in G]


def test_a_fingerprint_names_the_sources_and_no_machine() -> None:
    assert fingerprint(execution(tile_px=64), tile_px=32) == (("kernels", f"winograd {source_digest()[:12]}"),)


@needs_kernels
def test_where_torch_has_computed_a_frame_again_a_fingerprint_names_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a job by these kernels, and frames of which the second overflows
    settings = Settings.model_validate({"device": "cpu", "precision": "fp32", "kernels": "winograd"})
    video = builders.video(width_px=40, height_px=30)
    upscaler = FrameUpscaler(
        make_plan(builders.request(settings), describe("compact-x2"), video, tier="local"), None, reuse=False
    )
    frame = Planes(HANDLED["yuv420p"], tuple(plane[0].numpy() for plane in samples(FORMATS[0], 30, 40)))
    convolve = Library.convolve

    def overflow(self: Library, layer: Layer, seen: Pixels, result: Pixels, *, grid: int) -> None:
        convolve(self, layer, seen, result, grid=grid)
        result.values[0, 0, 0] = torch.inf

    upscaler.arrived(upscaler.upscale(upscaler.step(frame)))
    before = dict(upscaler.fingerprint)
    monkeypatch.setattr(Library, "convolve", overflow)
    upscaler.arrived(upscaler.upscale(upscaler.step(frame)))

    # Then torch's version, and what it takes of the CPU, count from that one on
    assert before.keys() == {"kernels"}
    assert dict(upscaler.fingerprint) == {
        **before,
        "torch": torch.__version__,
        "device": f"cpu {torch.backends.cpu.get_cpu_capability()}",
        "precision": "fp32",
        "tile_px": "None",
        "batch_frames": "1",
    }
