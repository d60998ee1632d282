"""Asked to stop, a command ends with exit code 75 within the segment in hand; the same command goes on from there."""

import json
import re
import signal

import pytest

from sr_core.contract import ExitCode, Stage

from .commands import Commands
from .job import SEGMENT_FRAMES, Job, Uninterrupted, finished_segments, unfinished_frames
from .script import Script

STOPPED = "what is finished is kept, the same command goes on from there"


@pytest.mark.parametrize(
    ("stop", "stage", "frames"),
    [
        (signal.SIGTERM, Stage.EXTRACT, 3),
        (signal.SIGTERM, Stage.UPSCALE, 5),
        (signal.SIGTERM, Stage.UPSCALE, 24),
        (signal.SIGTERM, Stage.UPSCALE, 30),
        (signal.SIGTERM, Stage.ASSEMBLE, 24),
        (signal.SIGINT, Stage.EXTRACT, 3),
        (signal.SIGINT, Stage.UPSCALE, 5),
        (signal.SIGINT, Stage.ASSEMBLE, 24),
    ],
)
def test_stopped_in_any_stage_the_same_command_does_what_was_missing_and_nothing_else(
    stop: signal.Signals, stage: Stage, frames: int, sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    # Given a run that was asked to stop when the stage had told of so many frames
    stopped = job.run(sr, script=Script(signal_at=(stage, frames), signals=(stop,)))
    assert stopped.code == ExitCode.INTERRUPTED
    assert stopped.stderr.startswith("sr: stopped by ")
    assert stopped.stderr.endswith(f"{STOPPED}\n")
    assert stopped.stderr.count("\n") == 1
    uninterrupted.assert_nothing_half_written(sr.folder)
    missing = unfinished_frames(sr.folder)

    # When the same command runs again
    again = job.run(sr)

    # Then it ends as if nothing had been
    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == missing


def test_sigterm_lets_the_segment_in_hand_be_finished_and_starts_no_other(sr: Commands, job: Job) -> None:
    stopped = job.run(sr, script=Script(signal_at=(Stage.UPSCALE, 5), signals=(signal.SIGTERM,)))

    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == {0}


def test_sigterm_while_a_segment_is_handed_in_loses_no_frame(sr: Commands, job: Job) -> None:
    """The next one, in the same chunk, has not begun by then."""
    script = Script(signal_at=(Stage.UPSCALE, SEGMENT_FRAMES[0]), signals=(signal.SIGTERM,))

    stopped = job.run(sr, "--chunk-segments", "2", script=script)

    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == {0}
    assert stopped.journal.frames_upscaled == SEGMENT_FRAMES[0]


def test_sigterm_drops_a_segment_that_would_take_longer_than_the_machine_stays(sr: Commands, job: Job) -> None:
    """After a first frame that took 1.5 s, the other 23 seem to need more time than AWS Batch leaves."""
    script = Script(signal_at=(Stage.UPSCALE, 1), signals=(signal.SIGTERM,), frame_seconds=1.5)

    stopped = job.run(sr, script=script)

    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == set()
    assert stopped.journal.frames_upscaled < SEGMENT_FRAMES[0]


def test_frames_of_an_earlier_run_are_not_counted_as_this_ones(sr: Commands, job: Job) -> None:
    # Given a run that was stopped when it had finished the first segment
    stopped = job.run(sr, script=Script(signal_at=(Stage.UPSCALE, 5), signals=(signal.SIGTERM,)))
    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == {0}

    # When the same command goes on
    again = job.run(sr)

    # Then its rate is that of the other segment's frames
    told = re.fullmatch(
        r".*out\.mp4: 36 frames, .*, in (.+) s \((.+) fps; (\d+) frames were done before\)\n", again.stdout
    )
    assert told is not None, again.stdout
    seconds, rate, earlier = map(float, told.groups())
    assert earlier == SEGMENT_FRAMES[0]
    assert (seconds - 0.06) * (rate - 0.06) < SEGMENT_FRAMES[1] < (seconds + 0.06) * (rate + 0.06)


def test_ctrl_c_drops_the_segment_in_hand(sr: Commands, job: Job) -> None:
    stopped = job.run(sr, script=Script(signal_at=(Stage.UPSCALE, 5), signals=(signal.SIGINT,)))

    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == set()


def test_a_second_ctrl_c_does_not_wait(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    twice = (signal.SIGINT, signal.SIGINT)

    stopped = job.run(sr, script=Script(signal_at=(Stage.UPSCALE, 5), signals=twice))

    assert stopped.code == ExitCode.INTERRUPTED
    assert stopped.stderr == "sr: stopped at once; the same command goes on from what is finished\n"
    uninterrupted.assert_done(job.run(sr), sr.folder)


def test_json_says_that_the_same_command_helps(sr: Commands, job: Job) -> None:
    stopped = job.run(sr, "--json", script=Script(signal_at=(Stage.UPSCALE, 5), signals=(signal.SIGTERM,)))

    error = json.loads(stopped.stdout)["error"]
    assert error["kind"] == "Interrupted"
    assert error["exit_code"] == stopped.code == ExitCode.INTERRUPTED
    assert error["retry_helps"] is True
    assert STOPPED in error["message"]


@pytest.mark.parametrize(("stage", "frames"), [(Stage.UPSCALE, 5), (Stage.ENCODE, 5), (Stage.ENCODE, 30)])
def test_stopped_with_a_mezzanine_the_same_command_goes_on_in_either_stage(
    stage: Stage, frames: int, sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    more = ("--segment-codec", "mezzanine")
    stopped = job.run(sr, *more, script=Script(signal_at=(stage, frames), signals=(signal.SIGTERM,)))
    assert stopped.code == ExitCode.INTERRUPTED
    missing = unfinished_frames(sr.folder)
    assert missing == (SEGMENT_FRAMES[1] if frames == 5 else 0)
    if stage == Stage.ENCODE:  # the segment in hand is finished there, too
        assert finished_segments(sr.folder, Stage.ENCODE) == ({0} if frames == 5 else {0, 1})

    again = job.run(sr, *more)

    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == missing
