"""The check of results against sources: by hand-computed values, and that it notices what it must."""

import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from bench.command import CommandFailed
from bench.compare import Comparison, area_average, compare, expected_tags, psnr_db
from bench.fidelity import Outcome, check

from .builders import FRAMES, SIZE_PX


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


def upscaled(
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
        found = compare(source, upscaled(source, tmp_path / "right.mp4"))

        assert found.problems == ()
        assert (found.frames_in, found.frames_out) == (FRAMES, FRAMES)
        assert found.worst_time_error_seconds == 0
        assert found.audio_packets > 10
        assert found.worst_psnr_db > 45
        assert found.worst_mean_shift < 0.1

    def test_matroska_may_round_times_to_half_a_millisecond(self, source: Path, tmp_path: Path) -> None:
        found = compare(source, upscaled(source, tmp_path / "right.mkv"))

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
        found = compare(source, upscaled(source, tmp_path / "wrong.mp4", **wrong))

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

        found = compare(source, upscaled(source, tmp_path / "wrong.mp4", sound=other))

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
