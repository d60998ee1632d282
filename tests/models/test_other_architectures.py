"""Checkpoints of other architectures: recognised, measured, loaded; with BasicSR itself as the oracle."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sr_core.errors import InputError
from sr_core.models.compact import Compact
from sr_core.models.describe import describe
from sr_core.models.loading import load, pack_basicsr
from sr_core.models.measure import find_radius
from tests.models.networks import basicsr_class, need, options_file, rrdb, save_pth, span

PICTURE = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(5))


@torch.inference_mode()
def difference(first: nn.Module, second: nn.Module) -> float:
    return float((first(PICTURE) - second(PICTURE)).abs().max())


@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("scale", [2, 4])
def test_compact_is_basicsrs_own(tmp_path: Path, scale: int, activation: str) -> None:
    torch.manual_seed(scale)
    theirs = basicsr_class("srvgg_arch", "SRVGGNetCompact")(3, 3, 16, 3, scale, activation).eval()
    path = save_pth(theirs, tmp_path / "theirs.pth")

    ours = load(describe(str(path)), path)

    assert isinstance(ours, Compact)
    assert difference(ours, theirs) <= 1e-5


@pytest.mark.parametrize("scale", [2, 4])
def test_rrdb_is_basicsrs_own(tmp_path: Path, scale: int) -> None:
    theirs = rrdb(scale=scale)
    path = save_pth(theirs, tmp_path / "theirs.pth")

    spec = describe(str(path))

    assert spec.scale == scale
    assert spec.parameter_count == sum(parameter.numel() for parameter in theirs.parameters())
    assert difference(load(spec, path), theirs) <= 1e-5


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_another_architecture_is_recognised_and_measured(tmp_path: Path, suffix: str) -> None:
    # Given a network that is neither compact nor RRDB, with random weights, saved
    network, path = span(), tmp_path / f"span{suffix}"
    if suffix == ".pth":
        save_pth(network, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)

    # When it is described and loaded
    spec = describe(str(path))
    loaded = load(spec, path)

    # Then all that planning needs was found out, and it does what it did
    assert (spec.architecture, spec.scale, spec.multiple_px) == ("SPAN", 2, 1)
    assert spec.radius_is_exact
    assert spec.macs_per_pixel > 10_000
    assert "fp32" in spec.precisions
    assert difference(loaded, network) <= 1e-5


def test_a_halo_of_the_measured_radius_gives_what_the_whole_picture_gives() -> None:
    network = span().double()
    radius = find_radius(span(), scale=2, multiple_px=1, macs_per_pixel=1)
    assert radius.is_exact
    middle = 2 * radius.px
    with torch.inference_mode():
        picture = torch.rand(1, 3, 2 * middle, 8, dtype=torch.float64)
        whole = network(picture)[..., 2 * middle :, :]

        def error(halo_px: int) -> float:
            part = network(picture[..., middle - halo_px :, :])[..., 2 * halo_px :, :]
            return float((part - whole).abs().max())

        assert error(radius.px) < 1e-12 < error(radius.px // 2)


def test_a_network_that_sees_the_whole_picture_gets_a_stated_overlap(tmp_path: Path) -> None:
    need("spandrel")
    theirs = basicsr_class("rcan_arch", "RCAN")(3, 3, 8, 1, 1, 4, 2)
    path = options_file(
        tmp_path,
        theirs,
        type="RCAN",
        num_in_ch=3,
        num_out_ch=3,
        num_feat=8,
        num_group=1,
        num_block=1,
        squeeze_factor=4,
        upscale=2,
    )
    packed = pack_basicsr(path, tmp_path)

    spec = describe(str(packed), name="mine")

    assert (spec.architecture, spec.scale, spec.name) == ("RCAN", 2, "mine")
    assert (spec.radius_px, spec.radius_is_exact) == (32, False)
    assert difference(load(spec, packed), theirs) <= 1e-5


def test_sizes_that_a_network_needs_are_padded_to(tmp_path: Path) -> None:
    # Given a network that folds blocks of pixels, which takes no odd size
    theirs = rrdb(scale=2)
    path = save_pth(theirs, tmp_path / "theirs.pth")
    spec = describe(str(path))
    assert spec.multiple_px > 1

    # When a picture of odd size goes in, then one of twice the size comes out
    with torch.inference_mode():
        result = load(spec, path)(torch.rand(1, 3, 17, 5))
    assert result.shape == (1, 3, 34, 10)


def test_a_basicsr_option_file_is_a_network(tmp_path: Path) -> None:
    theirs = rrdb()
    path = options_file(
        tmp_path, theirs, type="RRDBNet", num_in_ch=3, num_out_ch=3, num_feat=8, num_block=1, num_grow_ch=32, scale=4
    )

    packed = pack_basicsr(path, tmp_path)
    spec = describe(str(packed))

    assert (spec.architecture, spec.scale) == ("RRDBNet", 4)
    assert difference(load(spec, packed), theirs) <= 1e-5
    assert pack_basicsr(path, tmp_path) == packed  # named by its content, which is the same every time


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("type: RRDBNet", "type: NoSuchNet"), "no network of the type NoSuchNet"),
        (("num_block: 1", "num_block: 2"), r"body\.1\.rdb1\.conv1\.bias.*missing"),
        (("num_block: 1", "num_blocks: 1"), "cannot be made of these options"),
        (("net_g_latest.pth", "gone.pth"), "names the weights gone.pth, which are not there"),
        (("params_ema", "params"), "holds nothing under params"),
        (("network_g:", "network_d:"), "no network_g"),
        (("network_g:", "network_g: ["), "not a readable option file"),
    ],
    ids=["unknown type", "missing weights", "wrong option", "no file", "wrong key", "no network", "no YAML"],
)
def test_a_wrong_option_file_is_refused_by_what_is_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = options_file(
        tmp_path, rrdb(), type="RRDBNet", num_in_ch=3, num_out_ch=3, num_feat=8, num_block=1, num_grow_ch=32, scale=4
    )
    path.write_text(path.read_text().replace(*change, 1))

    with pytest.raises(InputError, match=message) as refusal:
        pack_basicsr(path, tmp_path)

    assert "\n" not in str(refusal.value)


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    state = span().state_dict()
    del state["block_2.c2_r.eval_conv.bias"]
    path = tmp_path / "cut.pth"
    torch.save(state, path)

    with pytest.raises(InputError, match=r"block_2\.c2_r\.eval_conv\.bias missing"):
        describe(str(path))


def test_tensors_of_no_known_network_are_refused(tmp_path: Path) -> None:
    need("spandrel")
    path = tmp_path / "unknown.pth"
    torch.save({"lorem.weight": torch.zeros(3, 3), "ipsum": torch.zeros(1)}, path)

    with pytest.raises(InputError, match=r"lorem\.weight, ipsum.*no architecture that is known"):
        describe(str(path))


def test_what_ships_runs_without_the_extras() -> None:
    """From the command line's import to a picture, neither spandrel nor BasicSR nor torchvision is imported."""
    code = (
        "import sys, torch, sr_core.cli.main, sr_core.cli.run, sr_core.stages.upscale, sr_core.model_files as files\n"
        "from sr_core.models.loading import load\n"
        "from sr_core.types import Settings\n"
        "found = files.find(Settings())\n"
        "load(found.spec, found.path)(torch.rand(1, 3, 8, 8))\n"
        "print([name for name in ('spandrel', 'basicsr', 'torchvision', 'cv2') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert answer.stdout.strip() == "[]"
