"""The job that the tests of interruptions run again and again: two chunks of one segment each, soon done."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_core.contract import REQUEST_KEY, ExitCode, Stage
from sr_core.layout import model_key
from sr_core.storage import open_store
from sr_core.types import Settings

from .commands import Commands, Ended, Running
from .script import Script

SEGMENT_FRAMES = (24, 12)
OUTPUT = "out.mp4"
WORK_FOLDER = ".sr-work"
FAST = ("--chunk-segments", "1", "--preset", "ultrafast")


@dataclass(frozen=True)
class Job:
    """One command, to be run in whatever folder."""

    clip: Path
    network: Path

    def arguments(self, *more: str) -> tuple[str | Path, ...]:
        return ("run", self.clip, "-o", OUTPUT, "--model", self.network, *FAST, *more)

    def start(self, sr: Commands, *more: str, script: Script | None = None) -> Running:
        return sr.start(*self.arguments(*more), script=script)

    def run(self, sr: Commands, *more: str, script: Script | None = None) -> Ended:
        return sr.run(*self.arguments(*more), script=script)


@dataclass(frozen=True)
class Uninterrupted:
    """What the job leaves and does when nobody disturbs it."""

    data: bytes
    edges: tuple[str, ...]
    seconds: float

    def assert_nothing_half_written(self, folder: Path) -> None:
        """At the output's place there is nothing or the whole file."""
        output = folder / OUTPUT
        assert not output.exists() or output.read_bytes() == self.data

    def assert_done(self, ended: Ended, folder: Path) -> None:
        """The command says so, the file is the same to the last byte, and there is nothing else."""
        assert ended.code == ExitCode.OK, ended.stderr
        assert (folder / OUTPUT).read_bytes() == self.data
        assert names(folder) == [OUTPUT]


def names(folder: Path) -> list[str]:
    """What lies in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def submit(job: Job, uri: str, *, output: str, source: str | None = None, **settings: Any) -> None:
    """Makes a job folder at `uri`, as whoever wants the stages to run one by one does."""
    from sr_core.request import make_request

    wanted = Settings(model=str(job.network), preset="ultrafast", **settings)
    request, weights = make_request(source or str(job.clip), output, wanted)
    store = open_store(uri)
    assert weights is not None
    assert request.model is not None
    store.put(model_key(request.model.sha256), weights, sha256=request.model.sha256)
    store.put_bytes(REQUEST_KEY, request.to_json())


def finished_segments(folder: Path, stage: Stage = Stage.UPSCALE) -> set[int]:
    """Segments that the job in `folder` has receipts of."""
    return {int(path.stem) for path in folder.glob(f"{WORK_FOLDER}/*/receipts/{stage}/*.json")}


def unfinished_frames(folder: Path) -> int:
    """Frames of the segments that have no receipt."""
    done = finished_segments(folder)
    return sum(count for index, count in enumerate(SEGMENT_FRAMES) if index not in done)
