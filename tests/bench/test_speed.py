"""The arithmetic of speed, and that what is compared computes the same."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench import speed
from bench.clips import write_clip
from bench.command import sr
from bench.machine import machine
from bench.memory import tiny_network
from bench.parts import parts_by_winograd, parts_of
from bench.plain_loop import plain_loop
from bench.speed import frame_count
from bench.speeds import Speed, SpeedRound, fastest
from sr_core.inference.winograd_library import library
from sr_core.models.compact import Compact
from sr_core.models.describe import describe
from tests.inference.lively import needs_kernels

from .builders import FRAMES, SIZE_PX, run


def test_a_figure_says_what_it_was_measured_on() -> None:
    assert {"cpu", "cores", "torch", "av", "date", "load_average"} <= set(machine())


def _speed_round(*, plain: float, model: float, stage: float) -> SpeedRound:
    return SpeedRound(peak_flops=20e9, plain_fps=plain, model=run(model), codec=run(40.0), stage=run(stage))


def _speed(*rounds: SpeedRound, device: str = "cpu", kernels: str = "torch") -> Speed:
    return Speed(
        network="n",
        width_px=2,
        height_px=2,
        scale=2,
        frames=1,
        preset="medium",
        device=device,
        precision="fp32",
        kernels=kernels,
        flops_per_frame=1e9,
        plain_network="sr_core",
        rounds=rounds,
    )


def _lumas(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(np.float64) for frame in container.decode(video=0)]


class TestSpeed:
    def test_ratios_are_taken_within_a_round_and_their_median_counts(self) -> None:
        figures = _speed(
            _speed_round(plain=1.0, model=10.0, stage=5.0),
            _speed_round(plain=2.0, model=20.0, stage=5.0),
            _speed_round(plain=1.0, model=10.0, stage=6.0),
        ).figures()

        assert figures["stage_over_plain"] == pytest.approx(5.0)
        # 10 fps of 1 GFLOP a frame on a machine of 20 GFLOPS/s
        assert figures["model_of_peak"] == pytest.approx(0.5)

    @pytest.mark.parametrize(("device", "allowed_fps"), [("cpu", 8.0), ("cuda", 10.0)])
    def test_model_and_codec_share_a_cpu_but_not_a_gpu(self, device: str, allowed_fps: float) -> None:
        each = _speed_round(plain=1.0, model=10.0, stage=4.0)

        assert _speed(each, device=device).figures()["stage_of_allowed"] == pytest.approx(4.0 / allowed_fps)

    def test_the_plain_loop_gives_the_same_picture_as_the_pipeline(self, tmp_path: Path) -> None:
        # Given a clip, and a network
        clip = write_clip(tmp_path / "clip.mp4", None, frames=FRAMES, size_px=SIZE_PX)
        torch.manual_seed(0)
        network = Compact(scale=2, feature_count=4, conv_count=1)
        save_file(network.state_dict(), tmp_path / "tiny.safetensors")

        # When it goes through the loop and through the pipeline
        plain_loop(clip, tmp_path / "plain.mp4", network, frames=FRAMES, crf=1, preset="ultrafast")
        sr("run", clip, "-o", tmp_path / "ours.mp4", "--model", tmp_path / "tiny.safetensors", "--crf", "1")

        # Then the pictures are alike: but for swscale's colours and two encoders
        plain, ours = (_lumas(tmp_path / name) for name in ("plain.mp4", "ours.mp4"))
        assert len(plain) == len(ours) == FRAMES
        squares = [np.square(one - other).mean() for one, other in zip(plain, ours, strict=True)]
        assert max(squares) < 9, "in squared codes of luma: 38 dB"

    def test_what_is_claimed_of_a_gpu_is_held_against_its_figures(self) -> None:
        # Given a network at half of the peak, and a stage that neither overlaps nor beats the plain loop enough
        each = _speed_round(plain=1.0, model=10.0, stage=8.0)

        assert _speed(each, device="cuda").problems() == [
            "n, 2×2, fp32, torch: stage over plain is 8.00, not 10",
            "n, 2×2, fp32, torch: stage of allowed is 0.80, not 0.9",
        ]
        assert _speed(_speed_round(plain=0.9, model=10.0, stage=9.0), device="cuda").problems() == []
        assert _speed(each, device="cpu").problems() == []

    def test_of_two_kinds_of_layers_the_faster_is_held_against_the_claim(self) -> None:
        slow, fast = (
            _speed(_speed_round(plain=1.0, model=model, stage=9.0), device="cuda", kernels=kernels)
            for model, kernels in ((5.0, "torch"), (10.0, "fused"))
        )
        other = dataclasses.replace(slow, precision="bf16")

        assert fastest([slow, fast, other]) == fastest([fast, slow, other]) == [fast, other]

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
    def test_asking_for_a_gpu_that_is_not_there_is_told_in_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert speed.main(["--device", "cuda"]) == 64
        assert capsys.readouterr().err.startswith("no CUDA device is available here")

    def test_a_gpu_gets_the_usual_size_of_network_unless_told_otherwise(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(speed, "computes_bf16", lambda _device: True)
        options = speed._parser().parse_args([])

        assert speed._cases(options, "cuda") == [
            ("random-x4", "960x540", "fp16", "torch"),
            ("random-x4", "960x540", "fp16", "fused"),
            ("random-x4", "960x540", "bf16", "torch"),
            ("random-x4", "960x540", "bf16", "fused"),
            ("random-x2", "1920x1080", "fp16", "torch"),
            ("random-x2", "1920x1080", "fp16", "fused"),
            ("random-x2", "1920x1080", "bf16", "torch"),
            ("random-x2", "1920x1080", "bf16", "fused"),
        ]
        assert {kernels for *_, kernels in speed._cases(options, "cpu")} == {"auto"}
        monkeypatch.setattr(speed, "computes_bf16", lambda _device: False)
        assert {precision for *_, precision, _ in speed._cases(options, "cuda")} == {"fp16"}
        spec = describe(str(speed.random_network(tmp_path, "random-x4")))
        assert (spec.scale, spec.radius_px) == (4, 18)
        assert spec.macs_per_pixel == 9 * (3 * 64 + 16 * 64 * 64 + 64 * 48)

    @pytest.mark.slow
    def test_one_command_measures_everything(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given the plain loop's time, which another test looks at: it needs a process of its own
        monkeypatch.setattr(speed, "plain_seconds", lambda *_, **__: 1.0)
        tiny = tiny_network(tmp_path / "tiny.safetensors")
        what = ["--device", "cpu", "--model", str(tiny), "--size", "64x48", "--precision", "fp32"]
        how = ["--preset", "ultrafast", "--work", "0.02", "--rounds", "1", "--json", str(tmp_path / "speed.json")]

        assert speed.main([*what, *how]) == 0

        (found,) = json.loads((tmp_path / "speed.json").read_text())["speeds"]
        assert (found["network"], found["device"], found["precision"]) == ("tiny.safetensors", "cpu", "fp32")
        figures = ("plain_fps", "model_fps", "codec_fps", "stage_fps", "peak_flops", "model_of_peak")
        assert all(found[name] > 0 for name in figures)

    def test_frames_follow_from_their_cost(self) -> None:
        assert frame_count(1e9, 100e9, 0.5, output_px=1280 * 720) == 50
        assert frame_count(1e12, 100e9, 1, output_px=1280 * 720) == 4
        assert frame_count(1e6, 100e9, 10, output_px=1280 * 720) == 96
        assert frame_count(1e6, 100e9, 10, output_px=1280 * 720, device="cuda") == 480
        assert frame_count(1e6, 100e9, 10, output_px=3840 * 2160, device="cuda") == 241

    @needs_kernels
    def test_parts_by_winograds_kernels_make_up_the_whole(self) -> None:
        planes = [torch.zeros(1, *size, dtype=torch.uint8) for size in ((32, 48), (16, 24), (16, 24))]
        found = library()
        assert found is not None

        seconds = parts_by_winograd(Compact(scale=2, feature_count=24, conv_count=1), planes, found)

        layers = [seconds[f"{which} layer{'s' * (which == 'inner')}"] for which in ("first", "inner", "last")]
        assert all(each > 0 for each in layers)
        assert sum(layers) <= seconds["network, whole"]
        assert {"RGB to planes", "planes to RGB"} < seconds.keys()

    def test_parts_of_a_frame_are_all_there(self) -> None:
        planes = [torch.zeros(1, *size, dtype=torch.uint8) for size in ((32, 48), (16, 24), (16, 24))]

        seconds = parts_of(Compact(scale=2, feature_count=4, conv_count=1), planes, torch.float32)

        assert {"inner convolutions", "activations", "RGB to planes", "network, whole"} < seconds.keys()
        assert all(each >= 0 for each in seconds.values())
