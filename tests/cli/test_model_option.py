"""`sr run --model`: every kind of network that can be named, from the command to a finished file."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import save_file

from sr_core.cli.main import main
from sr_core.contract import ENV_MODELS, ExitCode
from sr_core.models.catalogue import shipped
from sr_core.models.compact import Compact
from tests.clips import make_clip
from tests.models.networks import options_file, rrdb, save_pth, span
from tests.reference import MEDIA, needs_media

WIDTH, HEIGHT = 32, 24


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(ENV_MODELS, str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return make_clip(tmp_path / "in.mp4", frames=4, size=(WIDTH, HEIGHT), audio=None)


def run(clip: Path, *options: str) -> tuple[int, int]:
    """(width, height) of the result, every frame of which decodes."""
    output = clip.with_name("out.mp4")
    assert main(["run", str(clip), "-o", str(output), "--json", *options]) == ExitCode.OK
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 4
    return frames[0].width, frames[0].height


def compact_safetensors(folder: Path) -> str:
    path = folder / "mine.safetensors"
    torch.manual_seed(1)
    save_file(Compact(scale=3, feature_count=4, conv_count=1).state_dict(), path)
    return str(path)


def basicsr_options(folder: Path) -> str:
    options = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 32, "scale": 4}
    return f"basicsr:{options_file(folder, rrdb(), type='RRDBNet', **options)}"


@pytest.mark.parametrize(
    ("make", "scale"),
    [
        pytest.param(compact_safetensors, 3, id="safetensors"),
        pytest.param(lambda folder: str(save_pth(span(), folder / "span.pth")), 2, id="SPAN"),
        pytest.param(basicsr_options, 4, id="BasicSR option file"),
    ],
)
def test_a_network_of_ones_own_upscales(clip: Path, make: Callable[[Path], str], scale: int) -> None:
    assert run(clip, "--model", make(clip.parent)) == (WIDTH * scale, HEIGHT * scale)


@pytest.mark.parametrize("name", list(shipped()))
def test_a_network_that_ships_upscales_by_its_name(clip: Path, name: str) -> None:
    scale = shipped()[name].scale
    assert run(clip, "--model", name) == (WIDTH * scale, HEIGHT * scale)


@pytest.mark.parametrize("scale", sorted({entry.scale for entry in shipped().values()}))
def test_a_scale_alone_chooses_the_network(clip: Path, scale: int) -> None:
    assert run(clip, "--scale", str(scale)) == (WIDTH * scale, HEIGHT * scale)


@needs_media
@pytest.mark.parametrize("file", ["realesr-animevideov3.pth", "general_x4_v3_from_ncnn.pth"])
def test_the_published_checkpoints_upscale(clip: Path, file: str) -> None:
    assert run(clip, "--model", str(MEDIA / "weights" / file)) == (WIDTH * 4, HEIGHT * 4)


def test_models_lists_what_ships_and_what_can_be_pulled(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == ExitCode.OK
    listed = {model["name"]: model for model in json.loads(capsys.readouterr().out)["models"]}

    assert {name: listed[name]["available"] for name in shipped()} == dict.fromkeys(shipped(), True)
    assert listed["realesrgan-x4plus"]["available"] is False
    wanted = {"architecture", "scale", "parameter_count", "radius_px", "flops_per_pixel", "precisions", "licence"}
    assert all(wanted | {"origin", "sha256"} <= model.keys() for model in listed.values())


def test_a_network_that_is_not_pulled_is_refused_with_the_command_that_does(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", str(clip), "-o", "out.mp4", "--model", "realesr-general-x4v3"])
    assert code == ExitCode.INPUT
    assert "sr models pull realesr-general-x4v3" in capsys.readouterr().err


def test_pull_explains_itself_in_one_line(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "nope"]) == ExitCode.INPUT
    assert "choose one of realesr-general-x4v3" in capsys.readouterr().err
