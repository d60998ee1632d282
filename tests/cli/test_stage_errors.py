"""What a stage that ends in an error leaves in its job's folder, for whoever asks why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sr_core.cli.main import main
from sr_core.contract import ENV_BATCH_JOB_ID, REQUEST_KEY, ExitCode
from sr_core.request import make_request
from sr_core.types import Settings
from tests.clips import make_clip

Job = Callable[[], Path]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Makes the folder of a job over whatever lies at in.mp4."""

    def make() -> Path:
        source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
        request, _weights = make_request(str(source), str(output), Settings(preset="ultrafast"))
        folder = tmp_path / "job"
        folder.mkdir()
        (folder / REQUEST_KEY).write_bytes(request.to_json())
        return folder

    return make


def test_a_stage_leaves_the_line_that_it_printed_and_status_shows_it(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a text file where a video should be
    (tmp_path / "in.mp4").write_text("call Anna")
    folder = job()
    monkeypatch.setenv(ENV_BATCH_JOB_ID, "0a1b")

    # When extract refuses it
    assert main(["extract", "--job", str(folder), "--json"]) == ExitCode.INPUT
    printed = capsys.readouterr()

    # Then what it printed lies in the folder
    left = json.loads((folder / "errors" / "extract" / "0.json").read_text())
    assert left == {"stage": "extract", "chunk": None, "job_id": "0a1b", **json.loads(printed.out)}
    assert printed.err == f"sr: {left['error']['message']}\n"
    assert f"{tmp_path}/in.mp4 is not a video" in left["error"]["message"]

    # and whoever asks for the status is told
    assert main(["status", str(folder)]) == ExitCode.OK
    assert f"  error     extract: {left['error']['message']}\n" in capsys.readouterr().out
    assert main(["status", str(folder), "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["errors"] == [left]


def test_what_a_stage_said_is_gone_when_it_starts_again(job: Job, tmp_path: Path) -> None:
    # Given a job whose output's place was taken, and a chunk that there was not
    make_clip(tmp_path / "in.mp4", frames=12)
    folder = job()
    (tmp_path / "out.mp4").write_bytes(b"precious")
    assert main(["extract", "--job", str(folder)]) == ExitCode.INPUT
    assert main(["upscale", "--job", str(folder), "--chunk", "0"]) == ExitCode.INPUT
    left = folder / "errors"
    assert [path.relative_to(left).as_posix() for path in sorted(left.rglob("*.json"))] == [
        "extract/0.json",
        "upscale/0.json",
    ]

    # When it is free, and extract runs again
    (tmp_path / "out.mp4").unlink()
    assert main(["extract", "--job", str(folder)]) == ExitCode.OK

    # Then only the other stage's words are left
    assert [path.name for path in left.rglob("*.json")] == ["0.json"]
    assert (left / "upscale" / "0.json").exists()


def test_words_that_cannot_be_left_hide_no_error(job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a folder in which there is no place for them
    (tmp_path / "in.mp4").write_text("call Anna")
    folder = job()
    (folder / "errors").write_text("a file")

    assert main(["extract", "--job", str(folder)]) == ExitCode.INPUT

    error = capsys.readouterr().err
    assert "is not a video" in error
    assert error.count("\n") == 1


def test_where_there_is_no_job_nothing_is_left(tmp_path: Path) -> None:
    assert main(["extract", "--job", str(tmp_path / "typo")]) == ExitCode.INPUT
    assert list(tmp_path.iterdir()) == []
