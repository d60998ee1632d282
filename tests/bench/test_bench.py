"""The benches' arithmetic by hand-computed values, and that what they must notice is noticed."""

import json
import math
import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench import speed
from bench.clips import write_clip
from bench.command import CommandFailed, sr
from bench.compare import Comparison, area_average, compare, expected_tags, psnr_db
from bench.fidelity import Outcome, check
from bench.job import Job
from bench.machine import machine
from bench.memory import DiskUse, Measured, folder_bytes, growth, tiny_network
from bench.parts import parts_of
from bench.plain_loop import plain_loop
from bench.rounds import Figure, Round, Run, combined_fps
from bench.speed import frame_count
from bench.speeds import Speed, SpeedRound
from sr_core.models.compact import Compact
from sr_core.models.describe import describe

FRAMES = 12
SIZE_PX = (64, 48)


def _run(fps: float, others_busy: float = 0.0) -> Run:
    return Run(fps=fps, cores_busy=2.0, others_busy=others_busy)


def _figure(*stages: Run) -> Figure:
    """Rounds in which model and codec alone allow 20 frames per second."""
    rounds = tuple(Round(model=_run(30), codec=_run(60), stage=stage) for stage in stages)
    return Figure(clip="c", width_px=2, height_px=2, frames=1, preset="medium", precision="fp32", rounds=rounds)


class TestOverlap:
    def test_a_frame_that_needs_both_takes_the_sum_of_their_times(self) -> None:
        # 1/30 s + 1/60 s = 1/20 s
        assert combined_fps(30, 60) == pytest.approx(20)

    def test_the_figure_is_the_median_over_the_rounds(self) -> None:
        assert _figure(_run(10), _run(19), _run(30)).ratio == pytest.approx(19 / 20)

    def test_rounds_that_others_disturbed_do_not_count_if_enough_are_left(self) -> None:
        quiet, disturbed = [_run(19), _run(18), _run(20)], [_run(2, others_busy=1.0)] * 5

        assert _figure(*disturbed, *quiet).ratio == pytest.approx(19 / 20)
        assert _figure(*disturbed, *quiet[:2]).ratio == pytest.approx(2 / 20)

    def test_medians_are_taken_of_each_number_on_its_own(self) -> None:
        assert _figure(_run(10), _run(30), _run(19)).median("stage") == _run(19)

    def test_a_round_measures_model_codec_and_stage_on_the_same_frames(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "clip.mp4", None, frames=FRAMES, size_px=SIZE_PX)
        job = Job(clip, tmp_path, preset="ultrafast", model=str(tiny_network(tmp_path / "tiny.safetensors")))

        # When it is measured twice, the stage's segments being there already the second time
        first, second = job.round(), job.round()

        # Then each time all the work is done
        assert job.plan.video.frame_count == FRAMES
        assert all(0 < part.fps < 10_000 for each in (first, second) for part in (each.model, each.codec, each.stage))


class TestMemory:
    def test_growth_is_long_over_short_for_each_part(self) -> None:
        disk = DiskUse(source_bytes=1, chunk_bytes=2, segment_bytes=3, result_bytes=4, peak_bytes=9)
        short = {"run": 100, "extract": 50, "upscale": 80, "assemble": 40}
        long = {"run": 105, "extract": 50, "upscale": 88, "assemble": 44}

        ratios = growth(
            Measured(frames=1, peak_memory_bytes=short, disk=disk),
            Measured(frames=10, peak_memory_bytes=long, disk=disk),
        )

        assert ratios == pytest.approx({"run": 1.05, "extract": 1.0, "upscale": 1.1, "assemble": 1.1})
        assert disk.allowed_bytes == 10

    def test_a_file_with_two_names_counts_once(self, tmp_path: Path) -> None:
        (tmp_path / "below").mkdir()
        (tmp_path / "a").write_bytes(b"12345")
        os.link(tmp_path / "a", tmp_path / "below" / "b")
        (tmp_path / "below" / "c").write_bytes(b"123")

        assert folder_bytes(tmp_path) == 8

    def test_a_command_says_what_it_cost(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "clip.mp4", None, frames=FRAMES, size_px=SIZE_PX, sound=True)

        cost = sr("probe", clip, "--model", tiny_network(tmp_path / "tiny.safetensors"))

        # A Python process with PyAV takes more than 20 MB, and probing loads no network
        assert 20e6 < cost.peak_memory_bytes < 200e6
        assert cost.cpu_seconds > 0

    def test_a_command_that_fails_says_why(self) -> None:
        with pytest.raises(CommandFailed, match=r"sr probe: .*missing\.mp4"):
            sr("probe", "missing.mp4")


class TestArithmetic:
    @pytest.mark.parametrize(
        ("squared_error", "sample_count", "peak", "expected"),
        [
            (255**2, 1, 255, 0.0),
            (100, 100, 255, 48.1308),  # every sample is off by one: 20 log10 255
            (100, 100, 1023, 60.1975),  # 20 log10 1023
            (6502.5, 100, 255, 30.0),
            (0, 100, 255, math.inf),
        ],
    )
    def test_psnr(self, squared_error: float, sample_count: int, peak: int, expected: float) -> None:
        assert psnr_db(squared_error, sample_count, peak) == pytest.approx(expected, abs=1e-3)

    def test_blocks_are_summed_and_an_odd_edge_is_left_out(self) -> None:
        plane = np.array([[1, 2, 3, 4, 9], [5, 6, 7, 8, 9], [9, 9, 9, 9, 9]])

        assert area_average(plane, 2).tolist() == [[1 + 2 + 5 + 6, 3 + 4 + 7 + 8]]

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            pytest.param((240, 2, 0, 2, 2), (6, 1, 2, 2), id="small and silent: 601, limited"),
            pytest.param((720, 2, 0, 2, 2), (1, 1, 2, 2), id="large and silent: 709, limited"),
            pytest.param((720, 6, 2, 6, 6), (6, 2, 6, 6), id="what is said is kept"),
            pytest.param((240, 5, 1, 5, 6), (6, 1, 5, 6), id="both codes of 601 mean the same"),
        ],
    )
    def test_tags_that_a_result_must_bear(self, source: tuple[int, ...], expected: tuple[int, ...]) -> None:
        height, matrix, color_range, primaries, transfer = source
        frame = SimpleNamespace(
            width=height * 4 // 3,
            height=height,
            colorspace=matrix,
            color_range=color_range,
            color_primaries=primaries,
            color_trc=transfer,
            format=SimpleNamespace(name="yuv420p"),
        )

        assert expected_tags(frame) == expected


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    return write_clip(path, None, frames=FRAMES, size_px=SIZE_PX, sound=True)


def _upscaled(
    source: Path,
    path: Path,
    *,
    frames: range = range(FRAMES),
    late: int | None = None,
    brighter: int = 0,
    noise: int = 0,
    sar: Fraction = Fraction(1),
    matrix: int = 6,
    pixel_format: str = "yuv420p",
    sound: Path | None = None,
) -> Path:
    """Doubles every pixel of `source`, as an upscaler would do that is right but for what the arguments name.

    `late` is the index of a frame that is shown a tenth of a frame late; `sound` is a file to take the sound from.
    """
    options = {"avoid_negative_ts": "disabled"}
    with (
        av.open(str(source)) as before,
        av.open(str(sound or source)) as heard,
        av.open(str(path), "w", container_options=options) as after,
    ):
        old = before.streams.video[0]
        assert old.average_rate is not None
        assert old.time_base is not None
        new = after.add_stream("libx264", rate=old.average_rate)
        audio = after.add_stream_from_template(heard.streams.audio[0])
        context = new.codec_context
        context.width, context.height = (2 * side for side in SIZE_PX)
        context.pix_fmt, context.time_base = pixel_format, old.time_base
        context.sample_aspect_ratio = sar
        context.colorspace, context.color_range = matrix, 1
        context.options = {"preset": "ultrafast", "qp": "1"}
        spread = np.random.default_rng(1)
        for index, frame in enumerate(before.decode(old)):
            if index in frames:
                small = frame.to_ndarray(format=pixel_format).astype(np.int16)
                small += spread.integers(-noise, noise + 1, small.shape, dtype=np.int16) + brighter
                made = av.VideoFrame.from_ndarray(_doubled(small.clip(0, 255).astype(np.uint8)), format=pixel_format)
                step = 1 / (old.average_rate * old.time_base)
                assert frame.pts is not None
                made.pts = frame.pts + round(step / 10 if index == late else 0)
                made.time_base = old.time_base
                after.mux(new.encode(made))
        after.mux(new.encode(None))
        for packet in heard.demux(heard.streams.audio[0]):
            if packet.size:
                packet.stream = audio
                after.mux(packet)
    return path


def _doubled(picture: Any) -> Any:
    """PyAV's array of a picture with every sample doubled both ways, plane by plane."""
    width, height = SIZE_PX
    if picture.ndim == 3:
        return picture.repeat(2, axis=1).repeat(2, axis=2)
    luma, chroma = picture[:height], picture[height:].reshape(2, height // 2, width // 2)
    wide = [plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (luma, *chroma)]
    return np.concatenate([plane.reshape(-1, 2 * width) for plane in wide])


class TestFidelity:
    def test_a_right_result_has_no_problems(self, source: Path, tmp_path: Path) -> None:
        found = compare(source, _upscaled(source, tmp_path / "right.mp4"))

        assert found.problems == ()
        assert (found.frames_in, found.frames_out) == (FRAMES, FRAMES)
        assert found.worst_time_error_seconds == 0
        assert found.audio_packets > 10
        assert found.worst_psnr_db > 45
        assert found.worst_mean_shift < 0.1

    def test_matroska_may_round_times_to_half_a_millisecond(self, source: Path, tmp_path: Path) -> None:
        found = compare(source, _upscaled(source, tmp_path / "right.mkv"))

        assert found.problems == ()
        assert 0 < found.worst_time_error_seconds <= 0.0005

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            pytest.param({"frames": range(1, FRAMES)}, f"{FRAMES} frames in, {FRAMES - 1} out", id="first frame lost"),
            pytest.param({"frames": range(FRAMES - 1)}, f"{FRAMES} frames in, {FRAMES - 1} out", id="last frame lost"),
            pytest.param({"late": 5}, "frame 5 is shown 3.3", id="one frame late"),
            pytest.param({"brighter": 2}, "mean shifts by 2", id="brighter"),
            pytest.param({"noise": 25}, "PSNR of luma", id="noisy"),
            pytest.param({"sar": Fraction(4, 3)}, "the sample aspect ratio is 4/3, not 1", id="aspect ratio"),
            pytest.param({"matrix": 1}, "colour tags are (1, 1, 2, 2), not (6, 1, 2, 2)", id="colour tags"),
            pytest.param({"pixel_format": "yuv444p"}, "yuv444p, not", id="chroma"),
        ],
    )
    def test_what_is_wrong_is_named(self, source: Path, tmp_path: Path, wrong: dict[str, Any], problem: str) -> None:
        found = compare(source, _upscaled(source, tmp_path / "wrong.mp4", **wrong))

        assert any(problem in each for each in found.problems), found.problems

    def test_other_sound_is_noticed(self, source: Path, tmp_path: Path) -> None:
        # Given sound of the same length and codec that is not the source's: its own, half as loud
        other = tmp_path / "other.mp4"
        with av.open(str(source)) as before, av.open(str(other), "w") as after:
            stream = after.add_stream("aac", rate=48_000, layout="mono")
            for frame in before.decode(audio=0):
                louder = av.AudioFrame.from_ndarray(frame.to_ndarray() / 2, format="fltp", layout="mono")
                louder.sample_rate, louder.pts, louder.time_base = 48_000, frame.pts, frame.time_base
                after.mux(stream.encode(louder))
            after.mux(stream.encode(None))

        found = compare(source, _upscaled(source, tmp_path / "wrong.mp4", sound=other))

        assert any("audio stream 0" in each for each in found.problems), found.problems

    def test_a_smaller_picture_is_noticed(self, source: Path) -> None:
        found = compare(source, source)

        assert "the picture is 64×48, not 128×96" in found.problems

    def test_a_clip_that_is_not_there_is_skipped_with_the_reason(self, tmp_path: Path) -> None:
        outcome = check("nowhere.mp4", "mp4", tmp_path, model="compact-x2", seconds=None)

        assert not outcome.is_bad
        assert "SR_REFERENCE_MEDIA" in outcome.verdict

    def test_a_run_that_fails_is_bad(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise CommandFailed("sr run: the disk is full")

        monkeypatch.setattr("bench.fidelity.sr", fail)

        outcome = check(str(source), "mp4", tmp_path, model="compact-x2", seconds=None)

        assert outcome.is_bad
        assert outcome.line().endswith("FAILED: sr run: the disk is full")

    def test_a_problem_makes_an_outcome_bad(self) -> None:
        found = Comparison(
            frames_in=2,
            frames_out=1,
            worst_time_error_seconds=0,
            audio_packets=0,
            psnr_db=40,
            worst_psnr_db=40,
            mean_shifts=(0.0,),
            worst_mean_shift=0,
            problems=("2 frames in, 1 out",),
        )

        outcome = Outcome(clip="c", container="mp4", seconds=1, found=found)

        assert outcome.is_bad
        assert outcome.line().endswith("2 frames in, 1 out")


def test_a_made_clip_has_exactly_the_frames_asked_for(source: Path) -> None:
    with av.open(str(source)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_a_longer_clip_plays_the_source_forward_and_backward(source: Path, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "long.mp4", source, frames=2 * FRAMES, size_px=(0, 0))

    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray().astype(int) for frame in container.decode(video=0)]
    turned = abs(pictures[FRAMES - 2] - pictures[FRAMES]).mean()
    assert len(pictures) == 2 * FRAMES
    assert turned < abs(pictures[FRAMES - 2] - pictures[FRAMES - 1]).mean()


def test_a_figure_says_what_it_was_measured_on() -> None:
    assert {"cpu", "cores", "torch", "av", "date", "load_average"} <= set(machine())


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
            "n, 2×2, fp32: stage over plain is 8.00, not 10",
            "n, 2×2, fp32: stage of allowed is 0.80, not 0.9",
        ]
        assert _speed(_speed_round(plain=0.9, model=10.0, stage=9.0), device="cuda").problems() == []
        assert _speed(each, device="cpu").problems() == []

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
    def test_asking_for_a_gpu_that_is_not_there_is_told_in_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert speed.main(["--device", "cuda"]) == 64
        assert capsys.readouterr().err.startswith("no CUDA device is available here")

    def test_a_gpu_gets_the_usual_size_of_network_unless_told_otherwise(self, tmp_path: Path) -> None:
        options = speed._parser().parse_args([])

        assert speed._cases(options, "cuda") == [
            ("random-x4", "960x540", "fp16"),
            ("random-x4", "960x540", "bf16"),
            ("random-x2", "1920x1080", "fp16"),
            ("random-x2", "1920x1080", "bf16"),
        ]
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
        assert frame_count(1e9, 100e9, 0.5) == 50
        assert frame_count(1e12, 100e9, 1) == 4
        assert frame_count(1e6, 100e9, 10) == 96
        assert frame_count(1e6, 100e9, 10, "cuda") == 480

    def test_parts_of_a_frame_are_all_there(self) -> None:
        planes = [torch.zeros(1, *size, dtype=torch.uint8) for size in ((32, 48), (16, 24), (16, 24))]

        seconds = parts_of(Compact(scale=2, feature_count=4, conv_count=1), planes, torch.float32)

        assert {"inner convolutions", "activations", "RGB to planes", "network, whole"} < seconds.keys()
        assert all(each >= 0 for each in seconds.values())


def _speed_round(*, plain: float, model: float, stage: float) -> SpeedRound:
    return SpeedRound(peak_flops=20e9, plain_fps=plain, model=_run(model), codec=_run(40.0), stage=_run(stage))


def _speed(*rounds: SpeedRound, device: str = "cpu") -> Speed:
    return Speed(
        network="n",
        width_px=2,
        height_px=2,
        scale=2,
        frames=1,
        preset="medium",
        device=device,
        precision="fp32",
        flops_per_frame=1e9,
        plain_network="sr_core",
        rounds=rounds,
    )


def _lumas(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(np.float64) for frame in container.decode(video=0)]
