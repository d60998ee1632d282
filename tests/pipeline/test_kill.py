"""Killed anywhere, the same command again ends with the same file, and nothing that was finished is done twice.

The moments of an undisturbed run at which anything changes that another process sees are known and named; the command
is killed before and after each of them. Random moments find what no list has.
"""

import os
import random
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sr_core.contract import ExitCode

from .commands import Commands, Ended
from .job import FAST, OUTPUT, SEGMENT_FRAMES, WORK_FOLDER, Job, Uninterrupted, names, submit, unfinished_frames
from .script import Script, Side

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EDGES = [
    "put models/",
    "put_bytes request.json",
    "create timestamps.json",
    "create plan.json",
    "put chunks/00000",
    "create receipts/extract/00000.json",
    "put chunks/00001",
    "create receipts/extract/00001.json",
    "put_bytes route.json",
    "put_bytes chunks.json",
    "put segments/00000",
    "create receipts/upscale/00000.json",
    "put segments/00001",
    "create receipts/upscale/00001.json",
    "put_bytes report.json",
    "publish",
]
"""What the job changes in its folder and beyond, in order."""

MOMENTS = 30
"""Parts into which the time of a run is divided; it is killed at a random moment of each."""
MOMENTS_IN_SHORT = range(2, MOMENTS, 5)
needs_chaos = pytest.mark.skipif(not os.environ.get("SR_CHAOS"), reason="takes minutes: set SR_CHAOS=1 (`make chaos`)")


def test_the_list_of_edges_is_complete(uninterrupted: Uninterrupted) -> None:
    assert list(uninterrupted.edges[: len(EDGES)]) == EDGES
    # What follows is publishing and cleaning up: files get and lose names.
    assert {edge.split()[0] for edge in uninterrupted.edges[len(EDGES) :]} == {"link", "unlink", "rmdir"}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_at_any_edge_the_same_command_does_what_was_missing_and_nothing_else(
    side: Side, edge: str, sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    # Given a run that was killed there
    assert job.run(sr, script=Script(kill_at=(side, edge))).was_killed
    uninterrupted.assert_nothing_half_written(sr.folder)
    missing = unfinished_frames(sr.folder)

    # When the same command runs again
    again = job.run(sr)

    # Then it does what was missing and nothing else
    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == missing


@pytest.mark.parametrize(
    ("edge", "kept", "in_hand"),
    [
        ("create receipts/upscale/00000.json", 0, SEGMENT_FRAMES[0]),
        ("create receipts/upscale/00001.json", SEGMENT_FRAMES[0], SEGMENT_FRAMES[1]),
    ],
)
def test_a_kill_costs_at_most_the_segment_in_hand(
    edge: str, kept: int, in_hand: int, sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    # Given two segments in one chunk, and a run that is killed right before a segment's receipt is written, when the
    # network has got as far ahead as it does
    together = ("--chunk-segments", "2")
    killed = job.run(sr, *together, script=Script(kill_at=("before", edge), kill_when_idle=True))
    assert killed.was_killed

    # Then what has been upscaled in vain is this segment, and no frame of the next
    assert killed.journal.frames_upscaled == kept + in_hand
    assert unfinished_frames(sr.folder) == sum(SEGMENT_FRAMES) - kept

    # and the next call does what is missing, nothing else
    again = job.run(sr, *together)
    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == sum(SEGMENT_FRAMES) - kept


@pytest.mark.parametrize("call", ["link", "unlink"])
def test_killed_within_publishing(call: str, sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    """The file gets its name, then loses its temporary one."""
    number = next(n for n, edge in enumerate(uninterrupted.edges) if edge.startswith(call) and ".sr" in edge)
    assert job.run(sr, script=Script(kill_at=("before", number))).was_killed
    uninterrupted.assert_nothing_half_written(sr.folder)
    assert any(path.name.endswith(".partial") for path in sr.folder.iterdir())

    uninterrupted.assert_done(job.run(sr), sr.folder)


def test_killed_after_publishing_to_s3(
    sr: Commands,
    job: Job,
    uninterrupted: Uninterrupted,
    s3_environment: dict[str, str],
    s3_client: "S3Client",
    bucket: str,
) -> None:
    """There, too, the job knows its own result, and does not take it for a file that is in its way."""

    def run(script: Script) -> Ended:
        arguments = ("run", job.clip, "-o", f"s3://{bucket}/{OUTPUT}", "--model", job.network, *FAST)
        return sr.run(*arguments, script=script, environment=s3_environment)

    assert run(Script(kill_at=("after", "publish"))).was_killed

    again = run(Script())

    assert again.code == ExitCode.OK, again.stderr
    assert again.journal.frames_upscaled == 0
    assert s3_client.get_object(Bucket=bucket, Key=OUTPUT)["Body"].read() == uninterrupted.data
    assert names(sr.folder) == []
    assert run(Script()).code == ExitCode.INPUT


@pytest.mark.parametrize(
    ("side", "edge"), [("after", "put segments/00000"), ("after", "create receipts/upscale/00000.json")]
)
def test_a_stage_killed_over_s3(
    side: Side,
    edge: str,
    sr: Commands,
    job: Job,
    uninterrupted: Uninterrupted,
    s3_environment: dict[str, str],
    bucket: str,
) -> None:
    # Given a job in S3, upscaling of which was killed
    uri = f"s3://{bucket}/jobs/ab12"
    submit(job, uri, output=str(sr.folder / OUTPUT))
    assert sr.run("extract", "--job", uri, environment=s3_environment).code == ExitCode.OK
    upscale = ("upscale", "--job", uri, "--chunk", "0")
    assert sr.run(*upscale, script=Script(kill_at=(side, edge)), environment=s3_environment).was_killed

    # When another machine, with nothing of what lay on the first one, gets the same command
    again = sr.run(*upscale, environment=s3_environment)

    # Then it does what has no receipt
    assert again.code == ExitCode.OK, again.stderr
    assert again.journal.frames_upscaled == sum(SEGMENT_FRAMES) - (SEGMENT_FRAMES[0] if "receipts" in edge else 0)
    assert sr.run("assemble", "--job", uri, environment=s3_environment).code == ExitCode.OK
    assert (sr.folder / OUTPUT).read_bytes() == uninterrupted.data


def test_killed_anywhere_in_cleaning_up(tmp_path: Path, sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    # Given a job whose result is published, and that was killed then
    assert job.run(sr, script=Script(kill_at=("after", "publish"))).was_killed
    shutil.copytree(sr.folder, tmp_path / "published")
    edges = job.run(sr, script=Script(every_edge=True)).journal.edges
    assert len(edges) > 20
    seen = set()

    for number, edge in enumerate(edges):
        # When it is killed again at any step of cleaning up
        shutil.rmtree(sr.folder)
        shutil.copytree(tmp_path / "published", sr.folder)
        assert job.run(sr, script=Script(every_edge=True, kill_at=("before", number))).was_killed
        rest = {path.name for path in sr.folder.glob(f"{WORK_FOLDER}/*/**/*") if path.is_file()}
        has_report = "report.json" in rest
        assert has_report or not rest, "the report goes last"

        # Then the next call finishes; once the report is gone, all that it can say is that the output exists
        again = job.run(sr)
        assert again.code == (ExitCode.OK if has_report else ExitCode.INPUT), (edge, again.stderr)
        assert (sr.folder / OUTPUT).read_bytes() == uninterrupted.data
        assert names(sr.folder) == [OUTPUT], edge
        assert again.journal.frames_upscaled == 0
        seen.add(again.code)

    assert seen == {ExitCode.OK, ExitCode.INPUT}


@pytest.mark.parametrize(
    "moment", [pytest.param(n, marks=[] if n in MOMENTS_IN_SHORT else needs_chaos) for n in range(MOMENTS)]
)
def test_killed_at_a_random_moment(moment: int, sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    kill_after_seconds = uninterrupted.seconds * random.Random(moment).uniform(moment, moment + 1) / MOMENTS
    running = job.start(sr)
    time.sleep(kill_after_seconds)
    running.kill()
    running.wait()

    assert_finished_by_the_next_call(sr, job, uninterrupted)


@needs_chaos
@pytest.mark.timeout(600)
def test_killed_at_every_call_of_the_operating_system(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    """Every link, replace, unlink, rmdir and mkdir, those inside the store included."""
    edges = job.run(sr, script=Script(every_edge=True)).journal.edges
    assert set(EDGES) < set(edges)

    for number, edge in enumerate(edges):
        (sr.folder / OUTPUT).unlink()
        assert job.run(sr, script=Script(every_edge=True, kill_at=("before", number))).was_killed, edge

        assert_finished_by_the_next_call(sr, job, uninterrupted)


def assert_finished_by_the_next_call(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    """After a kill at whatever moment, perhaps too late."""
    uninterrupted.assert_nothing_half_written(sr.folder)
    is_published = (sr.folder / OUTPUT).exists()
    is_over = is_published and not any(sr.folder.glob(f"{WORK_FOLDER}/*/report.json"))
    missing = 0 if is_published else unfinished_frames(sr.folder)

    again = job.run(sr)

    assert again.code == (ExitCode.INPUT if is_over else ExitCode.OK), again.stderr
    assert again.journal.frames_upscaled == missing
    assert (sr.folder / OUTPUT).read_bytes() == uninterrupted.data
    assert names(sr.folder) == [OUTPUT]
