"""The machine is taken back: on AWS Batch the Spot notice stops a command in time, and nothing else listens to it."""

import socket

from sr_core.contract import ExitCode
from tests.metadata_service import MetadataServer, machine

from .commands import Commands, Running
from .job import SEGMENT_FRAMES, Job, Uninterrupted, finished_segments, unfinished_frames
from .script import Script

__all__ = ["machine"]

LISTENING = Script(poll_seconds=0.02, frame_seconds=0.05)
"""The first segment takes longer than a second, and the metadata service is asked all the time."""


def started(sr: Commands, job: Job, endpoint: str, *, on_batch: bool = True) -> Running:
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "no_proxy": "*"}
    if on_batch:
        environment["AWS_BATCH_JOB_ID"] = "job-1"
    return sr.start(*job.arguments(), script=LISTENING, environment=environment)


def test_the_notice_lets_the_segment_in_hand_be_finished(
    sr: Commands, job: Job, machine: MetadataServer, uninterrupted: Uninterrupted
) -> None:
    # Given a job that is in the middle of its first segment when the notice comes, two minutes ahead
    running = started(sr, job, machine.endpoint)
    running.wait_for_frames(5)
    machine.notice(seconds=120)

    # When it stops
    stopped = running.wait()

    # Then that segment is done, no other was begun, and one line says why
    assert stopped.code == ExitCode.INTERRUPTED
    assert stopped.stderr.startswith("sr: stopped by the Spot notice (terminate in 1")
    assert stopped.stderr.count("\n") == 1
    assert finished_segments(sr.folder) == {0}
    uninterrupted.assert_nothing_half_written(sr.folder)

    # And the same command, on a machine that stays, goes on from there
    again = job.run(sr)
    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == SEGMENT_FRAMES[1]


def test_a_notice_that_leaves_no_time_drops_the_segment_in_hand(
    sr: Commands, job: Job, machine: MetadataServer, uninterrupted: Uninterrupted
) -> None:
    running = started(sr, job, machine.endpoint)
    running.wait_for_frames(5)
    machine.notice(seconds=5)

    stopped = running.wait()

    assert stopped.code == ExitCode.INTERRUPTED
    assert finished_segments(sr.folder) == set()
    again = job.run(sr)
    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == sum(SEGMENT_FRAMES)


def test_a_machine_that_is_going_begins_nothing(sr: Commands, job: Job, machine: MetadataServer) -> None:
    machine.notice(seconds=120)

    stopped = started(sr, job, machine.endpoint).wait()

    assert stopped.code == ExitCode.INTERRUPTED
    assert stopped.journal.frames_upscaled == 0
    assert unfinished_frames(sr.folder) == sum(SEGMENT_FRAMES)


def test_a_laptop_never_asks(sr: Commands, job: Job, machine: MetadataServer, uninterrupted: Uninterrupted) -> None:
    machine.notice(seconds=120)

    ended = started(sr, job, machine.endpoint, on_batch=False).wait()

    uninterrupted.assert_done(ended, sr.folder)
    assert machine.questions == []


def test_a_machine_without_the_service_works_as_any_other(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]

    ended = started(sr, job, f"http://127.0.0.1:{closed}").wait()

    uninterrupted.assert_done(ended, sr.folder)
    assert ended.stderr == ""


def test_a_transfer_that_hangs_does_not_hold_up_the_end(sr: Commands) -> None:
    """AWS Batch would kill the process with the exit code 137, and the job would be moved to a larger machine."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "no_proxy": "*",
        }
        command = ("extract", "--job", "s3://bucket/jobs/ab12", "--json")
        running = sr.start(*command, script=Script(grace_seconds=0.2), environment=environment)
        connection, _ = silent.accept()
        with connection:
            running.terminate()

            stopped = running.wait()

    assert stopped.code == ExitCode.INTERRUPTED
    assert stopped.stderr.startswith("sr: stopped by SIGTERM; what is finished is kept")
    assert '"retry_helps": true' in stopped.stdout
