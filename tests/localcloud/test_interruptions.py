"""A machine that is taken away, S3 that fails: what a job loses, and that nothing half-written is ever seen."""

import pytest

from localcloud.cloud import LocalCloud
from localcloud.metadata import NOTICE_PATH
from sr_core.contract import ExitCode, Stage

from .runs import FRAMES, SEGMENT_FRAMES, Run, Runs, frames_computed


def computed(run: Run) -> list[int]:
    """Frames through the network in each attempt on chunk 0."""
    return [frames_computed(attempt) for attempt in run.attempts(Stage.UPSCALE, 0)]


def test_with_notice_the_job_ends_by_itself_and_goes_on_elsewhere(cloud: LocalCloud, runs: Runs) -> None:
    # Given a machine that is noticed, and told, when the first of two segments is done
    run = runs.finish("reclaim:upscale/0@after-1")

    # Then the job leaves by itself, and no frame is upscaled twice: of the second segment none was begun
    run.assert_done()
    first = run.attempts(Stage.UPSCALE, 0)[0]
    assert first.outcome is not None
    assert first.outcome.exit_code == ExitCode.INTERRUPTED
    assert computed(run) == list(SEGMENT_FRAMES[:2])


def test_the_notice_alone_is_seen_by_the_job_itself(cloud: LocalCloud, runs: Runs) -> None:
    # Given that nobody sends a signal, as ECS does not to a standalone task
    run = runs.finish("notice:extract@0.0s", "notice:upscale/0@0.0s")

    run.assert_done()
    assert all(f"GET {NOTICE_PATH}" in attempt.machine.metadata.questions for attempt in run.attempts())


@pytest.mark.parametrize(
    ("moment", "frames"), [("before-1", [24, 24 + 24]), ("before-3", [24 + 24, 24])], ids=["first", "second"]
)
def test_without_notice_the_segment_in_hand_is_lost_and_not_a_frame_more(
    runs: Runs, moment: str, frames: list[int]
) -> None:
    # Given a machine that is gone at the worst moment: right before a segment's receipt is written
    run = runs.finish(f"vanish:upscale/0@{moment}")

    # Then this segment is upscaled again, and nothing else
    run.assert_done()
    assert computed(run) == frames
    assert sum(receipt.frame_count for receipt in run.receipts(Stage.UPSCALE)) == FRAMES


def test_a_machine_takes_all_its_jobs_with_it(cloud: LocalCloud, runs: Runs) -> None:
    # Given two videos that are extracted at once, on one machine if they meet, which goes while both are at it
    first = runs.start("vanish:extract@after-3")
    second = Runs(cloud, runs.clip, runs.expected).start("vanish:extract@after-3")

    for run in (first, second):
        run.execution.wait()
        run.assert_done()


@pytest.mark.parametrize(("fault", "times"), [("s3-503", 4), ("s3-cut", 2)])
def test_s3_that_fails_for_a_while_costs_nothing_but_time(runs: Runs, fault: str, times: int) -> None:
    # Given that a store reads again twice what broke off, and the SDK asks seven times more
    run = runs.finish(*(f"{fault}:{stage}:{times}" for stage in Stage), settings={"segment_codec": "mezzanine"})

    run.assert_done()
    assert [attempt.outcome and attempt.outcome.exit_code for attempt in run.attempts()] == [ExitCode.OK] * 6
    assert len(runs.cloud.plan.befallen) == times * len(Stage)
