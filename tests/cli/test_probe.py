"""`sr probe` describes the file, also one that `sr run` would refuse, and leaves nothing behind however it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sr_core.cli.main import main
from sr_core.contract import ENV_SCRATCH, ExitCode
from tests.clips import make_clip
from tests.storage.scripted_s3 import Answer, Question, ScriptedS3

COMMAND = "import sys; from sr_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
SIZE_BYTES = 1000


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_it_downloads_it_leaves_nothing(tmp_path: Path, stop: signal.Signals) -> None:
    # Given a source in S3 whose download has begun when the command is asked to stop
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found: list[list[Path]] = []

    def answer(question: Question, before: int) -> Answer:
        if question.method == "GET":
            found.append(list(scratch.iterdir()))
            probing.send_signal(stop)
        return Answer(body=bytes(SIZE_BYTES), headers={"Content-Length": str(SIZE_BYTES), "ETag": '"one"'})

    server = ScriptedS3(answer)

    # When it runs
    probing = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "probe", "s3://bucket/clip.mp4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            ENV_SCRATCH: str(scratch),
            "AWS_ENDPOINT_URL_S3": server.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    _, text = probing.communicate()
    server.stop()

    # Then it says so, and its folder is gone
    assert found[0], "it had made no folder"
    assert (probing.returncode, text.count("\n")) == (ExitCode.INTERRUPTED, 1), text
    assert list(scratch.iterdir()) == []


@pytest.fixture
def twelve_bits(tmp_path: Path) -> str:
    return str(make_clip(tmp_path / "deep.mkv", frames=6, codec="libx265", pixel_format="yuv420p12le"))


def test_a_file_that_would_be_refused_is_described_with_the_reason(
    twelve_bits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a source of 12 bits, which H.264 cannot hold
    # When it is probed, by a person and by a machine
    assert main(["probe", twelve_bits]) == ExitCode.OK
    text = capsys.readouterr().out
    assert main(["probe", twelve_bits, "--json"]) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)

    # Then both learn what is in it, that there would be no result, and why
    assert "yuv420p12le: 420, 12 bits" in text
    assert "result    none: " in text
    assert "--codec hevc" in text
    assert answer["video"]["bit_depth"] == 12
    assert answer["plan"] is None
    assert "--codec hevc" in answer["refusal"]


def test_the_advice_of_a_refusal_can_be_followed(twelve_bits: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", twelve_bits, "--codec", "hevc", "--scale", "4", "--json"]) == ExitCode.OK

    answer = json.loads(capsys.readouterr().out)
    assert answer["refusal"] is None
    assert answer["plan"]["pixel_format"] == "yuv420p12le"
    assert (answer["plan"]["scale"], answer["plan"]["width_px"]) == (4, 256)


@pytest.mark.parametrize("options", [("--crf", "99"), ("--model", "no-such-network")])
def test_a_wrong_option_is_an_error_of_probe_itself(
    options: tuple[str, str], twelve_bits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", twelve_bits, *options]) == ExitCode.INPUT
    assert capsys.readouterr().err.count("\n") == 1
