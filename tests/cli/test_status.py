"""`sr status` tells a person and a machine how far a job is."""

import json
from pathlib import Path

import pytest

from sr_core.aws.causes import exit_code, in_short
from sr_core.cli.main import main
from sr_core.contract import REQUEST_KEY, ExitCode
from sr_core.request import make_request
from sr_core.types import Settings
from tests.clips import make_clip


def test_a_job_is_followed_from_stage_to_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a job of three segments, of which one is upscaled
    source, output = make_clip(tmp_path / "in.mp4", frames=72), tmp_path / "out.mp4"
    request, _weights = make_request(str(source), str(output), Settings(preset="ultrafast"))
    job = tmp_path / "job"
    job.mkdir()
    (job / REQUEST_KEY).write_bytes(request.to_json())
    assert main(["extract", "--job", str(job), "--chunk-segments", "1"]) == ExitCode.OK
    assert main(["upscale", "--job", str(job), "--chunk", "0"]) == ExitCode.OK
    capsys.readouterr()

    # Then its status says that
    assert main(["status", str(job)]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "64×48 to 128×96 by compact-x2-video, 72 frames" in text
    assert "extract   3 of 3 chunks, 100% of the frames" in text
    assert "upscale   1 of 3 segments, 33% of the frames, the last " in text
    assert "now       upscaling" in text

    # When the rest is done
    for chunk in ("1", "2"):
        assert main(["upscale", "--job", str(job), "--chunk", chunk]) == ExitCode.OK
    assert main(["assemble", "--job", str(job)]) == ExitCode.OK
    capsys.readouterr()

    # Then a machine reads that, too
    assert main(["status", str(job), "--json"]) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["output"], answer["report"]["frame_count"]) == ("done", str(output), 72)
    assert [(each["stage"], each["done_units"]) for each in answer["stages"]] == [("extract", 3), ("upscale", 3)]


def test_a_folder_of_something_else_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == ExitCode.INPUT
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is it a job folder?" in error


def test_a_failure_is_told_in_a_line_whatever_its_cause_is() -> None:
    assert in_short("Service\nunavailable") == "Service unavailable"
    assert in_short("{cut off") == "{cut off"
    assert in_short("[1]") == "[1]"
    assert in_short('{"Attempts": 1}') == '{"Attempts": 1}'
    assert len(in_short("x" * 5000)) < 550
    # and Batch's description of a job is told by what ended it
    job = {
        "StatusReason": "Essential container in task exited",
        "Attempts": [{"Container": {"ExitCode": 75}}, {"Container": {"ExitCode": 71, "LogStreamName": "upscale/1/a"}}],
    }
    assert in_short(json.dumps(job)) == "Essential container in task exited, exit code 71, log stream upscale/1/a"
    # whatever the workflow has put before it
    assert in_short(f"chunk 3: States.TaskFailed: {json.dumps(job)}").startswith(
        "chunk 3: States.TaskFailed: Essential"
    )
    assert exit_code(f"chunk 3: States.TaskFailed: {json.dumps(job)}") == ExitCode.HOST_CAPACITY
    assert (
        exit_code("chunk 3: UpscaleFailed: no space left (exit 71, log stream upscale/1/a)") == ExitCode.HOST_CAPACITY
    )
    assert exit_code("in.mp4 is not a video (exit 64)") == ExitCode.INPUT
    assert exit_code("Service unavailable") is None
