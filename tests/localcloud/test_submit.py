"""`sr submit` and `sr status` against the deployed state machine: asked for, watched, failed, gone on with, done."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import REGION, LocalCloud
from localcloud.execution import Execution
from sr_core.cli import follow
from sr_core.cli.main import main
from sr_core.contract import ExitCode, Stage

from .runs import SETTINGS


def submitted(capsys: pytest.CaptureFixture[str], *arguments: object, code: ExitCode = ExitCode.OK) -> dict[str, Any]:
    options = [text for name, value in SETTINGS.items() for text in (f"--{name}", str(value))]
    assert main(["submit", *map(str, arguments), *options, "--json"]) == code
    (entry,) = json.loads(capsys.readouterr().out)["submissions"]
    found: dict[str, Any] = entry
    return found


def test_what_is_asked_for_is_done_once_whatever_comes_between(
    cloud: LocalCloud,
    clip: Path,
    expected: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.1)
    # Given a film that nobody has asked for, and a chunk that cannot be upscaled
    film = tmp_path / "film.mp4"
    film.write_bytes(clip.read_bytes())
    cloud.fail_with("exit=71:upscale/1:all")

    # When it is submitted and watched, then the command ends as the job has
    first = submitted(capsys, film, "--wait", code=ExitCode.HOST_CAPACITY)
    assert first["status"] == "FAILED"
    assert "ChunkFailed: chunk 1: " in first["error"]["message"]

    # and status says how far it is, and names the chunk
    assert main(["status", first["execution"]]) == ExitCode.OK
    text = capsys.readouterr().out
    assert f"{first['execution'].rpartition(':')[2]} of sr-trial-UpscaleVideo: failed after " in text
    assert "extract   2 of 2 chunks, 100% of the frames" in text
    assert "given up  chunk 1: UpscaleFailed: Essential container in task exited, exit code 71" in text

    # When it is submitted again, twice at once, then it goes on, once
    cloud.fail_with()
    before = len(cloud.attempts)
    second, third = submitted(capsys, film), submitted(capsys, film, "--wait")
    assert (second["outcome"], second["former"]["error"]) == ("started", "ChunkFailed")
    assert third["execution"] == second["execution"] == f"{first['execution']}-2"
    upscaled = [attempt.target.chunk for attempt in cloud.attempts[before:] if attempt.target.stage == Stage.UPSCALE]
    assert upscaled in ([0, 1], [1, 0])

    # Then the result is where it was said to be, and is what `sr run` makes
    assert third["status"] == "SUCCEEDED"
    assert third["report"]["output"] == first["output"]
    assert cloud.read(first["output"]) == expected

    # and whoever asks once more is told so
    fourth = submitted(capsys, film)
    assert (fourth["outcome"], fourth["output"]) == ("done", first["output"])
    asked = Execution(cloud.client("stepfunctions"), second["execution"]).describe()["input"]
    assert json.loads(asked).keys() == {"input", "settings"}
