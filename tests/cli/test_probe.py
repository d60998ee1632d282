"""`sr probe` leaves nothing behind, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sr_core.contract import ENV_SCRATCH, ExitCode
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
