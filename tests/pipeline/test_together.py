"""Several processes on one job at the same time: one result, whole, and everybody knows where they stand."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sr_core.contract import ExitCode
from sr_core.storage import Store, open_store

from .commands import Commands, Ended
from .job import OUTPUT, Job, Uninterrupted, submit
from .script import Script


@dataclass(frozen=True)
class Folder:
    """A job folder in some store, and commands on it."""

    uri: str
    environment: dict[str, str]
    sr: Commands
    meeting_place: Path

    @property
    def store(self) -> Store:
        return open_store(self.uri)

    def run(self, stage: str, *more: str) -> Ended:
        ended = self.sr.run(stage, "--job", self.uri, *more, environment=self.environment)
        assert ended.code == ExitCode.OK, ended.stderr
        return ended

    def run_two(self, *commands: tuple[str, ...], meet_at: str) -> list[Ended]:
        """Two processes that wait for each other before they go on from the edge of that name."""
        script = Script(meet_at=(meet_at, self.meeting_place, len(commands)))
        running = [
            self.sr.start(*command, "--job", self.uri, script=script, environment=self.environment)
            for command in commands
        ]
        return [command.wait() for command in running]

    def keys(self, prefix: str) -> list[str]:
        return [info.key for info in self.store.list(prefix)]


BOTH_STORES = pytest.mark.parametrize("kind", ["local", "s3"])


@pytest.fixture
def kind() -> str:
    """The kind of store, where a test does not ask for both."""
    return "local"


@pytest.fixture
def folder(kind: str, request: pytest.FixtureRequest, sr: Commands, job: Job, tmp_path: Path) -> Folder:
    """A job that nobody has begun."""
    environment = {}
    uri = str(tmp_path / "job")
    if kind == "s3":
        environment = request.getfixturevalue("s3_environment")
        uri = f"s3://{request.getfixturevalue('bucket')}/jobs/ab12"
    meeting_place = tmp_path / "meeting"
    meeting_place.mkdir()
    submit(job, uri, output=str(sr.folder / OUTPUT))
    return Folder(uri, environment, sr, meeting_place)


@pytest.mark.parametrize(
    ("kind", "edge"),
    [
        ("local", "put segments/00000"),
        ("local", "create receipts/upscale/00000.json"),
        ("local", "create receipts/upscale/00001.json"),
        ("s3", "create receipts/upscale/00000.json"),
    ],
)
def test_two_workers_on_one_chunk(edge: str, folder: Folder, uninterrupted: Uninterrupted) -> None:
    # Given a job of one chunk
    folder.run("extract")
    assert len(folder.keys("chunks/")) == 1

    # When two workers upscale it and arrive at the same edge at the same time
    command = ("upscale", "--chunk", "0", "--json")
    ended = folder.run_two(command, command, meet_at=edge)

    # Then both succeed, with the same receipts, of data that is there once
    assert [worker.code for worker in ended] == [ExitCode.OK, ExitCode.OK], [worker.stderr for worker in ended]
    first, second = (json.loads(worker.stdout)["receipts"] for worker in ended)
    assert first == second
    assert folder.keys("segments/") == [receipt["key"] for receipt in first]
    assert folder.keys("set-aside/") == []
    folder.run("assemble")
    assert (folder.sr.folder / OUTPUT).read_bytes() == uninterrupted.data


@pytest.mark.parametrize(
    ("kind", "edge"),
    [
        ("local", "create plan.json"),
        ("local", "create receipts/extract/00000.json"),
        ("s3", "create plan.json"),
    ],
)
def test_two_extractions_agree_on_one_plan(edge: str, folder: Folder, uninterrupted: Uninterrupted) -> None:
    """Even where the two would have made different ones."""
    command = ("extract", "--json", "--chunk-segments")
    ended = folder.run_two((*command, "1"), (*command, "2"), meet_at=edge)

    assert [worker.code for worker in ended] == [ExitCode.OK, ExitCode.OK], [worker.stderr for worker in ended]
    assert ended[0].stdout == ended[1].stdout
    for chunk in range(json.loads(ended[0].stdout)["chunk_count"]):
        folder.run("upscale", "--chunk", str(chunk))
    folder.run("assemble")
    assert (folder.sr.folder / OUTPUT).read_bytes() == uninterrupted.data


@BOTH_STORES
def test_two_assemblies_give_one_output(folder: Folder, uninterrupted: Uninterrupted) -> None:
    folder.run("extract")
    folder.run("upscale", "--chunk", "0")

    ended = folder.run_two(("assemble",), ("assemble",), meet_at="publish")

    assert [worker.code for worker in ended] == [ExitCode.OK, ExitCode.OK], [worker.stderr for worker in ended]
    assert (folder.sr.folder / OUTPUT).read_bytes() == uninterrupted.data


def test_a_run_of_a_job_that_runs_already_is_refused(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    # Given a run in the middle of its work
    first = job.start(sr, script=Script(frame_seconds=0.05))
    first.wait_for_frames(2)

    # When somebody starts the same
    second = job.run(sr)

    # Then that one is told to wait, in one line, and the first is none the worse for it
    assert second.code == ExitCode.TRANSIENT
    assert second.stderr.startswith("sr: another `sr run` is working on this job (")
    assert second.stderr.count("\n") == 1
    uninterrupted.assert_done(first.wait(), sr.folder)


def test_runs_that_start_together(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    """One does the work; the others find it running, or finished."""
    running = [job.start(sr) for _ in range(4)]

    codes = [command.wait().code for command in running]

    assert codes.count(ExitCode.OK) == 1
    assert set(codes) <= {ExitCode.OK, ExitCode.TRANSIENT, ExitCode.INPUT}
    uninterrupted.assert_done(running[codes.index(ExitCode.OK)].wait(), sr.folder)
