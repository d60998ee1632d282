"""The measuring protocol: its formulas by hand, and published figures where the stills are at hand."""

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sr_core.models.compact import Compact
from training.data import reference_media
from training.evaluate import (
    by_bicubic,
    by_lanczos,
    by_network,
    luma,
    main,
    mean,
    psnr,
    score_folder,
    score_image,
    ssim,
)

SET5 = reference_media() / "stills" / "set5"


def test_psnr_by_hand() -> None:
    # One of four values is off by 10: the mean squared error is 25, and 10 · log10(255² / 25) = 34.1514 dB.
    first = torch.tensor([[10.0, 20.0], [30.0, 40.0]])
    assert psnr(first, first + torch.tensor([[0.0, 0.0], [10.0, 0.0]])) == pytest.approx(34.1514, abs=1e-4)


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr(torch.ones(4, 4), torch.ones(4, 4)) == math.inf


def test_images_of_different_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        psnr(torch.zeros(4, 4), torch.zeros(4, 5))


@pytest.mark.parametrize(
    ("red", "green", "blue", "expected"),
    [(0, 0, 0, 16.0), (255, 255, 255, 235.0), (255, 0, 0, 81.481), (0, 255, 0, 144.553), (0, 0, 255, 40.966)],
)
def test_luma_is_bt601_in_studio_range(red: int, green: int, blue: int, expected: float) -> None:
    pixel = torch.tensor([red, green, blue], dtype=torch.uint8)[:, None, None]
    assert luma(pixel).dtype == torch.float64
    assert luma(pixel).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_of_two_flat_planes_by_hand() -> None:
    # Without variance only the luminance term is left: (2·100·120 + 6.5025) / (100² + 120² + 6.5025).
    expected = (2 * 100 * 120 + 6.5025) / (100**2 + 120**2 + 6.5025)
    assert ssim(torch.full((11, 11), 100.0), torch.full((11, 11), 120.0)) == pytest.approx(expected, abs=1e-10)


def test_ssim_of_a_plane_and_its_negative_is_negative_and_of_equal_planes_one() -> None:
    plane = torch.rand(20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 255
    assert ssim(plane, plane) == pytest.approx(1, abs=1e-12)
    assert ssim(plane, 255 - plane) < -0.8


def test_the_border_is_left_out() -> None:
    still = torch.full((3, 20, 20), 90, dtype=torch.uint8)

    def spoil_border(small: torch.Tensor) -> torch.Tensor:
        large = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
        large[:, :2], large[:, -2:], large[:, :, :2], large[:, :, -2:] = 0, 0, 0, 0
        return large

    assert score_image(still, spoil_border, scale=2).psnr_db == math.inf


def test_a_still_of_odd_size_is_cropped_to_a_multiple_of_the_scale() -> None:
    still = torch.full((3, 21, 25), 90, dtype=torch.uint8)
    assert score_image(still, by_bicubic(2), scale=2).psnr_db == math.inf
    assert score_image(still, by_lanczos(2), scale=2).ssim == pytest.approx(1)


def test_a_network_gets_values_in_zero_to_one_and_its_output_is_rounded() -> None:
    network = Compact(scale=2, feature_count=4, conv_count=0)
    torch.nn.init.zeros_(network.body[-1].weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(network.body[-1].bias)  # type: ignore[arg-type]
    image = torch.arange(3 * 4 * 4, dtype=torch.uint8).reshape(3, 4, 4) * 5
    expected = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(by_network(network)(image), expected)


def test_the_command_reports_every_still_and_the_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, stills = tmp_path / "net.safetensors", tmp_path / "stills"
    save_file(Compact(scale=2, feature_count=4, conv_count=0).state_dict(), weights)
    stills.mkdir()
    Image.radial_gradient("L").resize((32, 24)).save(stills / "grey.png")
    main([str(weights), "--stills", str(stills), "--json"])
    report = json.loads(capsys.readouterr().out)["stills"]
    assert report.keys() == {"bicubic", "Lanczos", "net"}
    assert all(method["grey"] == method["mean"] for method in report.values())
    main([str(weights), "--stills", str(stills)])
    assert "| still | bicubic | Lanczos | net |" in capsys.readouterr().out


def test_a_folder_without_stills_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(Compact(scale=2, feature_count=4, conv_count=0).state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "net.safetensors"), "--stills", str(tmp_path / "nowhere")])
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not SET5.is_dir(), reason=f"no Set5 at {SET5}: set SR_REFERENCE_MEDIA")
def test_bicubic_has_the_published_figure_on_set5() -> None:
    # Published for x2: 33.66 dB / 0.9299 (Lim et al., "Enhanced Deep Residual Networks", 2017, table 2).
    score = mean(score_folder(SET5, by_bicubic(2), scale=2))
    assert score.psnr_db == pytest.approx(33.66, abs=0.03)
    assert score.ssim == pytest.approx(0.9299, abs=0.001)
