"""Networks from files: described before they are loaded, and never by running code from them."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sr_core.errors import InputError, IntegrityError
from sr_core.models.catalogue import describe_shipped, shipped
from sr_core.models.compact import Compact
from sr_core.models.describe import describe
from sr_core.models.loading import load
from tests.reference import MEDIA, needs_media

SHAPES = [(2, 4, 1), (4, 8, 3), (3, 6, 0), (2, 24, 8)]


def compact(scale: int = 2, feature_count: int = 4, conv_count: int = 1) -> Compact:
    torch.manual_seed(scale)
    return Compact(scale=scale, feature_count=feature_count, conv_count=conv_count)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(("scale", "feature_count", "conv_count"), SHAPES)
def test_a_saved_network_is_described_and_loaded_by_its_shapes(
    tmp_path: Path, suffix: str, scale: int, feature_count: int, conv_count: int
) -> None:
    # Given a network of some size, saved
    network = compact(scale, feature_count, conv_count)
    path = tmp_path / f"network{suffix}"
    if suffix == ".pth":
        torch.save({"params_ema": network.state_dict()}, path)
    else:
        save_file(network.state_dict(), path)

    # When its file is described and loaded
    spec = describe(str(path))
    loaded = load(spec, path)

    # Then both say what the network is
    assert (spec.scale, spec.radius_px) == (scale, conv_count + 2)
    assert spec.parameter_count == sum(parameter.numel() for parameter in network.parameters())
    assert spec.macs_per_pixel == 9 * (
        3 * feature_count + conv_count * feature_count**2 + feature_count * 3 * scale * scale
    )
    picture = torch.rand(1, 3, 12, 12)
    assert torch.equal(loaded(picture), network(picture))


@pytest.mark.parametrize("conv_count", [1, 3])
def test_the_receptive_radius_is_exact(conv_count: int) -> None:
    """A pixel `radius_px` away changes the result; one further away does not."""
    network = compact(2, 4, conv_count).double()
    picture = torch.rand(1, 3, 41, 41, dtype=torch.float64, requires_grad=True)

    network(picture)[0, :, 40:42, 40:42].sum().backward()

    assert picture.grad is not None
    touched = picture.grad[0].abs().sum(0).nonzero()
    distance = int((touched - 20).abs().max())
    assert distance == conv_count + 2


def test_every_shipped_network_is_what_the_catalogue_pins() -> None:
    for name in shipped():
        spec = describe_shipped(name)
        result = load(spec)(torch.rand(1, 3, 8, 8))
        assert result.shape == (1, 3, 8 * spec.scale, 8 * spec.scale)


def test_other_weights_than_planned_are_refused() -> None:
    name = next(iter(shipped()))
    spec = describe_shipped(name).model_copy(update={"sha256": "0" * 64})

    with pytest.raises(IntegrityError, match="not those that the job was planned with"):
        load(spec)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown model 'nope'; choose one of compact-x2"):
        describe("nope")


def damaged(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.weights"
    save_file(compact().state_dict(), path)
    content = path.read_bytes()
    match kind:
        case "truncated":
            path.write_bytes(content[:-100])
        case "header only":
            path.write_bytes(content[:200])
        case "noise":
            path.write_bytes(bytes(range(256)) * 20)
        case "text":
            path.write_text("not weights at all\n")
        case "empty":
            path.write_bytes(b"")
        case "missing bias":
            state = compact().state_dict()
            del state["body.2.bias"]
            save_file(state, path)
        case "another architecture":
            save_file({"conv_first.weight": torch.zeros(64, 3, 3, 3), "conv_first.bias": torch.zeros(64)}, path)
        case "a list":
            torch.save([1, 2, 3], path)
    return path


@pytest.mark.parametrize(
    "kind",
    ["truncated", "header only", "noise", "text", "empty", "missing bias", "another architecture", "a list"],
)
def test_an_unusable_file_is_refused_in_one_line_that_names_it(tmp_path: Path, kind: str) -> None:
    path = damaged(kind, tmp_path)

    with pytest.raises(InputError) as refusal:
        describe(str(path))

    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_pickle_that_would_run_code_does_not_run_it(tmp_path: Path) -> None:
    # Given a checkpoint whose unpickling would create a file
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {canary}",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"params": Payload()}, protocol=2))

    # When it is described, then it is refused, and nothing has run
    with pytest.raises(InputError, match="refused"):
        describe(str(path))
    assert not canary.exists()


def test_describing_a_shipped_network_needs_no_torch() -> None:
    code = (
        "import sys, sr_core.models.describe as d; d.describe('compact-x2'); "
        "import json; print(json.dumps([name for name in ('torch', 'safetensors', 'basicsr') if name in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert json.loads(answer.stdout) == []


@needs_media
@pytest.mark.parametrize("size", [32, 64])
def test_the_published_general_network_gives_the_published_results(size: int) -> None:
    path = MEDIA / "weights" / "general_x4_v3_from_ncnn.pth"
    network = load(describe(str(path)), path)
    source = np.array(Image.open(MEDIA / "goldens" / f"input_{size}.png").convert("RGB"))
    expected = np.array(Image.open(MEDIA / "goldens" / f"realesr-general-x4v3_{size}.png").convert("RGB"))

    with torch.inference_mode():
        result = network(torch.from_numpy(source).permute(2, 0, 1).unsqueeze(0) / 255)

    codes = (result[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(codes - expected.astype(float)).max() <= 1
