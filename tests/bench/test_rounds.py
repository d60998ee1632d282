"""The arithmetic of rounds of measurement, by hand-computed values."""

from pathlib import Path

import pytest

from bench.clips import write_clip
from bench.job import Job
from bench.memory import tiny_network
from bench.rounds import Figure, Round, Run, combined_fps

from .builders import FRAMES, SIZE_PX, run


def _figure(*stages: Run) -> Figure:
    """Rounds in which model and codec alone allow 20 frames per second."""
    rounds = tuple(Round(model=run(30), codec=run(60), stage=stage) for stage in stages)
    return Figure(clip="c", width_px=2, height_px=2, frames=1, preset="medium", precision="fp32", rounds=rounds)


class TestOverlap:
    def test_a_frame_that_needs_both_takes_the_sum_of_their_times(self) -> None:
        # 1/30 s + 1/60 s = 1/20 s
        assert combined_fps(30, 60) == pytest.approx(20)

    def test_the_figure_is_the_median_over_the_rounds(self) -> None:
        assert _figure(run(10), run(19), run(30)).ratio == pytest.approx(19 / 20)

    def test_rounds_that_others_disturbed_do_not_count_if_enough_are_left(self) -> None:
        quiet, disturbed = [run(19), run(18), run(20)], [run(2, others_busy=1.0)] * 5

        assert _figure(*disturbed, *quiet).ratio == pytest.approx(19 / 20)
        assert _figure(*disturbed, *quiet[:2]).ratio == pytest.approx(2 / 20)

    def test_medians_are_taken_of_each_number_on_its_own(self) -> None:
        assert _figure(run(10), run(30), run(19)).median("stage") == run(19)

    def test_a_round_measures_model_codec_and_stage_on_the_same_frames(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "clip.mp4", None, frames=FRAMES, size_px=SIZE_PX)
        job = Job(clip, tmp_path, preset="ultrafast", model=str(tiny_network(tmp_path / "tiny.safetensors")))

        # When it is measured twice, the stage's segments being there already the second time
        first, second = job.round(), job.round()

        # Then each time all the work is done
        assert job.plan.video.frame_count == FRAMES
        assert all(0 < part.fps < 10_000 for each in (first, second) for part in (each.model, each.codec, each.stage))
