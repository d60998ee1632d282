"""A clip, a network and the command, for tests of the whole pipeline."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clips import make_clip
from tests.storage.conftest import aws_environment, bucket, connect_to, s3_client, s3_endpoint, s3_server

from .commands import Commands, serving
from .job import OUTPUT, Job, Uninterrupted
from .network import make_network

__all__ = ["aws_environment", "bucket", "connect_to", "s3_client", "s3_endpoint", "s3_server"]


@pytest.fixture(scope="session")
def fork_server() -> Iterator[None]:
    """Started with the first command, which waits for its imports."""
    with serving():
        yield


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that is as small as they come."""
    return make_network(tmp_path_factory.mktemp("network") / "tiny.safetensors")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 frames and a tone: two segments, of 24 frames and of 12."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def sr(tmp_path: Path, fork_server: None) -> Iterator[Commands]:
    """Runs `sr` commands in an empty folder."""
    folder, notes = tmp_path / "here", tmp_path / "notes"
    folder.mkdir()
    commands = Commands(folder, notes)
    yield commands
    commands.end()


@pytest.fixture(scope="session")
def job(clip: Path, network: Path) -> Job:
    return Job(clip, network)


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, fork_server: None, job: Job) -> Uninterrupted:
    sr = Commands(tmp_path_factory.mktemp("uninterrupted"), tmp_path_factory.mktemp("notes"))
    started = time.monotonic()
    ended = job.run(sr)
    seconds = time.monotonic() - started
    assert ended.code == 0, ended.stderr
    return Uninterrupted((sr.folder / OUTPUT).read_bytes(), ended.journal.edges, seconds)


@pytest.fixture
def s3_environment(aws_environment: None) -> dict[str, str]:
    """For commands that shall find the local S3; this process finds it, too."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
