"""The program's first moments: a request to stop counts already, and closed streams are no trap."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sr_core.contract import ExitCode

WHILE_IMPORTING = """
import os, signal, sys

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == "sr_core.cli.main":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Signalling())
from sr_core.cli.entry import main
sys.argv = ["sr", "--version"]
main()
"""


def _signalled(number: signal.Signals, *, ignored: bool = False) -> "subprocess.CompletedProcess[str]":
    # Said in either case: what a shell starts in the background ignores SIGINT, these tests, too.
    before = "SIG_IGN" if ignored else "SIG_DFL"
    code = f"import signal; signal.signal({int(number)}, signal.{before})\n{WHILE_IMPORTING.format(number=int(number))}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_program_is_imported_ends_as_a_later_one_does(number: signal.Signals) -> None:
    ended = _signalled(number)

    assert (ended.returncode, ended.stderr) == (ExitCode.INTERRUPTED, "sr: stopped\n")
    assert ended.stdout == ""


def test_a_signal_that_was_ignored_before_is_ignored_there() -> None:
    ended = _signalled(signal.SIGINT, ignored=True)

    assert (ended.returncode, ended.stderr) == (ExitCode.OK, "")
    assert ended.stdout


CLOSED = """
import sys
from sr_core.cli.entry import main
sys.argv = ["sr", "probe", {missing!r}, "--json"]
sys.exit(main())
"""


def test_with_standard_error_closed_a_command_ends_as_ever_and_output_is_still_json(tmp_path: Path) -> None:
    # When a command that has a remark to make is called with standard error closed, as by 2>&-
    ended = subprocess.run(
        [sys.executable, "-c", CLOSED.format(missing=str(tmp_path / "missing.mp4"))],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=lambda: os.close(2),
    )

    # Then its exit code is the one it has otherwise, and the remark is not among its output
    assert ended.returncode == ExitCode.INPUT
    assert ended.stdout.startswith('{"error": ')
    assert ended.stdout.count("\n") == 1


STARTED = """
import contextlib, os, sys
from sr_core.cli.entry import main
sys.argv = ["sr", "--version"]
with contextlib.suppress(SystemExit):
    main()
os.write(os.open({file!r}, os.O_CREAT | os.O_WRONLY), b"data")
os.write(2, b"what a library says")
"""


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = STARTED.format(file=str(tmp_path / "file"))

    subprocess.run([sys.executable, "-c", code], preexec_fn=lambda: os.close(2), stdout=subprocess.PIPE, check=True)

    assert (tmp_path / "file").read_bytes() == b"data"
