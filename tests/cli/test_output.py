"""What becomes of a command whose output nobody takes: it tells the truth all the same, in its exit code above all."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sr_core.cli import output
from sr_core.contract import ExitCode, Stage

FULL = Path("/dev/full")
"""A device on which there is never space."""
COMMAND = "import sys; from sr_core.cli.main import main; sys.exit(main(sys.argv[1:]))"


def sr(
    arguments: Sequence[str], *, stdout: int, unbuffered: str = "", stderr: int = subprocess.PIPE
) -> tuple[int, str]:
    """Exit code and standard error."""
    answer = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=stdout,
        stderr=stderr,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    return answer.returncode, answer.stderr


@pytest.fixture
def closed_pipe() -> int:
    """The end of a pipe into which a command writes while nobody reads, as `| head` leaves it."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [["models"], ["--help"]], ids=" ".join)
def test_whoever_has_seen_enough_hears_no_complaint(closed_pipe: int, arguments: list[str], unbuffered: str) -> None:
    assert sr(arguments, stdout=closed_pipe, unbuffered=unbuffered) == (ExitCode.OK, "")


@pytest.mark.parametrize("arguments", [["frobnicate", "--json"], ["probe", "missing.mp4", "--json"]], ids=" ".join)
def test_an_error_keeps_its_exit_code_when_nobody_reads_it(closed_pipe: int, arguments: list[str]) -> None:
    code, text = sr(arguments, stdout=closed_pipe)

    assert (code, text.count("\n")) == (ExitCode.INPUT, 1), text


@pytest.mark.skipif(not FULL.exists(), reason=f"this system has no {FULL}")
@pytest.mark.parametrize(
    ("arguments", "unbuffered"), [(["models", "--json"], ""), (["models", "--json"], "1"), (["--help"], "")]
)
def test_output_on_a_full_disk_is_no_defect_of_the_program(arguments: list[str], unbuffered: str) -> None:
    with FULL.open("w") as full:
        code, text = sr(arguments, stdout=full.fileno(), unbuffered=unbuffered)

    assert code == ExitCode.HOST_CAPACITY
    assert text == "sr: standard output: the disk is full; free some space or use a folder on another disk\n"


def test_an_error_keeps_its_exit_code_when_standard_error_leads_nowhere(closed_pipe: int) -> None:
    code, _ = sr(["probe", "missing.mp4"], stdout=subprocess.DEVNULL, stderr=closed_pipe)

    assert code == ExitCode.INPUT


def test_remarks_that_nobody_reads_do_not_end_the_work(closed_pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sr run … 2>&1 | head` upscales on, through every line of progress."""
    monkeypatch.setattr(output, "_LINE_SECONDS", 0.0)
    with open(closed_pipe, "w", buffering=1) as log:
        monkeypatch.setattr(sys, "stderr", log)
        with output.progress_display() as progress:
            progress(Stage.UPSCALE, 1, 10)
        output.note("a remark")
        monkeypatch.undo()


def test_a_terminal_that_is_gone_does_not_end_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a terminal that is closed (a connection to a far machine that has ended) when a part of an upload was shown
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", buffering=1) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with output.bytes_display("film.mov") as moved:
            moved(1, 3)
            os.close(ours)

            # When more is to be shown, nothing is raised
            moved(2, 3)
            moved(3, 3)
        monkeypatch.undo()


def test_a_connection_that_breaks_within_the_work_is_not_taken_for_a_reader_that_has_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sr_core.cli import models
    from sr_core.cli.main import main

    def work(_options: object) -> None:
        raise BrokenPipeError("somebody else's pipe")

    monkeypatch.setattr(models, "run", work)

    assert main(["models"]) == ExitCode.INTERNAL
    assert "somebody else's pipe" in capsys.readouterr().err


def test_json_is_json_whatever_the_encoding_of_standard_output() -> None:
    # Given an output that takes no more than Latin letters, as in a terminal of long ago
    answer = subprocess.run(
        [sys.executable, "-c", COMMAND, "probe", "größe 映画.mp4", "--json"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )

    # When a name that has others is told, then it arrives
    assert answer.returncode == ExitCode.INPUT
    assert "größe 映画.mp4" in json.loads(answer.stdout.decode("ascii"))["error"]["message"]


TITLE = "\x1b]0;title\x07\x1b[2J\n  result    none: forged"


def test_what_a_file_calls_itself_commands_no_terminal_and_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(f"a title: {output.printable(TITLE)}\nthe next line")
    output.note(f"2×2 \x9b2J {TITLE}")

    shown, noted = capsys.readouterr()
    assert shown.splitlines() == [r"a title: \x1b]0;title\x07\x1b[2J\n  result    none: forged", "the next line"]
    assert noted.startswith(r"2×2 \x9b2J \x1b]0;title\x07\x1b[2J")
