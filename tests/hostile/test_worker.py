"""What happens to a reader happens to its file, not to the command: a real `sr extract`, as AWS Batch runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sr_core.contract import ENV_LIMITS, ExitCode
from tests.clips import make_clip
from tests.pipeline.conftest import network
from tests.pipeline.job import Job, names, submit

__all__ = ["network"]

SR = "from sr_core.cli.main import main; raise SystemExit(main())"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough that its reader is met while it works."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=1500, b_frames=0, audio=None)


@pytest.fixture
def folder(tmp_path: Path, clip: Path, network: Path) -> Path:
    """A job folder with nothing but its request and its network."""
    submit(Job(clip, network), str(tmp_path / "job"), output=str(tmp_path / "out.mp4"))
    return tmp_path / "job"


@contextmanager
def extracting(folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SR, "extract", "--job", str(folder)]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": root, "AWS_SECRET_ACCESS_KEY": SECRET, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped_reader(process: "subprocess.Popen[str]") -> int:
    """The process id of a reader of the command, which stands still from now on.

    Unlike what the nursery itself asks ffmpeg, a reader leads a group of processes.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for nursery in children(process.pid):
            for reader in children(nursery):
                with suppress(ProcessLookupError):
                    if os.getpgid(reader) == reader:
                        os.kill(reader, signal.SIGSTOP)
                        return reader
        time.sleep(0.001)
    raise AssertionError("no reader was met")


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGSEGV, ExitCode.INPUT, "crashes the decoder (SIGSEGV)"),
        (signal.SIGABRT, ExitCode.INPUT, "crashes the decoder (SIGABRT)"),
        (signal.SIGKILL, ExitCode.HOST_CAPACITY, "was killed, most likely for want of memory"),
        (None, ExitCode.INPUT, "nothing has come of reading it for 1 s"),
    ],
    ids=["crash", "abort", "killed by the kernel", "hang"],
)
def test_a_broken_reader_is_one_line_about_its_file(
    number: signal.Signals | None, code: ExitCode, said: str, folder: Path
) -> None:
    # Given a job whose reader breaks, or stands still, in the middle of its work
    before = names(folder)
    with extracting(folder, **{ENV_LIMITS: "silence_seconds=1"}) as process:
        reader = stopped_reader(process)
        if number is not None:
            os.kill(reader, number)
            os.kill(reader, signal.SIGCONT)
        stdout, stderr = process.communicate(timeout=60)

    # Then the command says so in one line, leaves nothing half-written but those words, and the reader is gone
    assert process.returncode == code, stderr
    assert stderr.startswith("sr: ")
    assert said in stderr
    assert "clip.mp4" in stderr
    assert stderr.count("\n") == 1
    assert stdout == ""
    assert set(names(folder)) == {*before, "errors"}
    assert not Path(f"/proc/{reader}").exists()


def test_the_reader_of_a_command_knows_no_credentials(folder: Path) -> None:
    with extracting(folder) as process:
        reader = stopped_reader(process)
        told = Path(f"/proc/{reader}/environ").read_bytes()
        own = Path(f"/proc/{process.pid}/environ").read_bytes()

    assert SECRET.encode() in own
    assert SECRET.encode() not in told
    assert b"AWS" not in told


def test_ctrl_c_drains_the_command_and_not_its_reader(folder: Path) -> None:
    """A terminal sends it to the whole group."""
    with extracting(folder) as process:
        reader = stopped_reader(process)
        assert os.getpgid(reader) != os.getpgid(process.pid)
        os.kill(process.pid, signal.SIGINT)
        os.kill(reader, signal.SIGINT)
        os.kill(reader, signal.SIGCONT)
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert stderr.startswith("sr: stopped by Ctrl-C; ")
    assert not Path(f"/proc/{reader}").exists()
