"""Jobs that follow one another on one machine: what they share, and what a killed one leaves behind."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sr_core.contract import ExitCode
from sr_core.storage.s3_bucket import S3Bucket

from .commands import Commands
from .job import Job, Uninterrupted, names, submit
from .script import Script

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """What every job finds under /scratch."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_jobs_on_one_machine_fetch_source_and_weights_once(
    sr: Commands,
    job: Job,
    disk: Path,
    bucket: str,
    s3_environment: dict[str, str],
    s3_client: "S3Client",
    uninterrupted: Uninterrupted,
) -> None:
    # Given a job whose source and weights lie in S3
    uri, source, output = (f"s3://{bucket}/{key}" for key in ("jobs/ab12", "in/clip.mp4", "out/out.mp4"))
    S3Bucket(bucket, s3_client).upload("in/clip.mp4", job.clip)
    submit(job, uri, source=source, output=output)
    environment = s3_environment | {"SR_SCRATCH": str(disk), "SR_CACHE": str(disk / "cache")}

    # When its stages run one after another on a machine with a cache
    stages = (
        ("extract", "--chunk-segments", "1"),
        ("upscale", "--chunk", "0"),
        ("upscale", "--chunk", "1"),
        ("assemble",),
    )
    for stage, *more in stages:
        ended = sr.run(stage, "--job", uri, *more, environment=environment)
        assert ended.code == ExitCode.OK, ended.stderr

    # Then the result is the same as ever, the cache holds the two files, and nothing else is left on the disk
    assert s3_client.get_object(Bucket=bucket, Key="out/out.mp4")["Body"].read() == uninterrupted.data
    assert names(disk) == ["cache"]
    kept = [path.read_bytes() for path in (disk / "cache").glob("*-*")]
    assert sorted(kept) == sorted([job.clip.read_bytes(), job.network.read_bytes()])
    assert all(path.stat().st_nlink == 1 for path in (disk / "cache").iterdir())


def test_what_a_killed_job_left_is_cleared_away_by_the_next(sr: Commands, job: Job, disk: Path, tmp_path: Path) -> None:
    # Given a job that was killed in the middle, and one that runs
    uri = str(tmp_path / "job")
    submit(job, uri, output=str(tmp_path / "out.mp4"))
    environment = {"SR_SCRATCH": str(disk)}
    (disk / "cache").mkdir()
    killed = sr.run(
        "extract", "--job", uri, environment=environment, script=Script(kill_at=("before", "create plan.json"))
    )
    assert killed.code == -signal.SIGKILL
    (left,) = (path for path in disk.iterdir() if path.name.startswith("sr-"))
    assert sr.run("extract", "--job", uri, environment=environment).code == ExitCode.OK
    assert not left.exists()

    running = sr.start(
        "upscale", "--job", uri, "--chunk", "0", environment=environment, script=Script(frame_seconds=0.05)
    )
    running.wait_for_frames(1)
    (in_use,) = (path for path in disk.iterdir() if path.name.startswith("sr-"))

    # When another job starts beside it
    assert sr.run("extract", "--job", uri, environment=environment).code == ExitCode.OK

    # Then what the running one uses is left alone
    assert in_use.is_dir()
    assert running.wait().code == ExitCode.OK
    assert names(disk) == ["cache"]


def test_a_scratch_that_is_no_folder_is_told(sr: Commands, tmp_path: Path) -> None:
    ended = sr.run("extract", "--job", str(tmp_path), environment={"SR_SCRATCH": str(tmp_path / "none")})

    assert ended.code == ExitCode.INPUT
    assert ended.stderr == f"sr: SR_SCRATCH names {tmp_path / 'none'}, which is not a folder\n"
