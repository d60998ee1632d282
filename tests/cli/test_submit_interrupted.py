"""`sr submit` as a process that is stopped in the middle of an upload: called again, it sends the rest and no more."""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from sr_core.contract import ExitCode
from sr_core.storage.parts import PART_BYTES
from tests.clips import make_clip
from tests.storage.strict_s3 import StrictS3

from .account import Account
from .part_gate import WAIT_SECONDS, PartGate

PARTS = 4
SUBMIT = "import sys; from sr_core.cli.entry import main; sys.exit(main())"
SUBMIT_AND_TELL_WHAT_WAS_READ = f"""
import atexit
atexit.register(lambda: print(open("/proc/self/io").read()))
{SUBMIT}
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with so much that no player looks at that it has `PARTS` parts."""
    path = make_clip(tmp_path_factory.mktemp("films") / "film.mp4", frames=6)
    size_bytes = (PARTS - 1) * PART_BYTES
    with path.open("ab") as file:
        file.write(size_bytes.to_bytes(4) + b"free" + random.Random(861).randbytes(size_bytes - 8))
    return path


@pytest.fixture
def gate(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[PartGate]:
    """The way to the account for other processes."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    assert server._server is not None
    gate = server._server.app = PartGate(StrictS3(server._server.app))
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    yield gate
    gate.open()
    server.stop()


def started(film: Path, program: str = SUBMIT) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, "submit", str(film)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "AWS_SESSION_TOKEN"},
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code and what it said."""
    out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


def stored(account: Account) -> bytes:
    (key,) = account.keys("input")
    content: bytes = account.s3.get_object(Bucket=account.bucket("input"), Key=key)["Body"].read()
    return content


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, ExitCode.INTERRUPTED)])
def test_what_was_sent_before_the_process_was_stopped_is_not_sent_again(
    account: Account, gate: PartGate, film: Path, stop: signal.Signals, code: int
) -> None:
    # Given a process that was stopped when two parts were there and two on their way, for which it did not wait
    gate.close(after=2)
    process = started(film)
    gate.wait_until_closed(stored=2, waiting=2)
    there = set(gate.stored)
    process.send_signal(stop)
    assert ended(process)[0] == code
    gate.open()

    again, out, err = ended(started(film))

    # Then the other two are sent, what is there is whole, and it was said how much was there
    assert again == ExitCode.OK
    assert sorted(gate.stored) == sorted(set(range(1, PARTS + 1)) - there)
    assert stored(account) == film.read_bytes()
    assert re.search(r"film\.mp4: resuming: \d+\.\d of 50\.3 MB are there\n", err)
    assert f"{film}: started" in out
    assert len(account.executions()) == 1


def test_two_that_submit_the_same_file_at_once_make_one_object_and_one_execution(
    account: Account, gate: PartGate, film: Path
) -> None:
    # Given one that is in the middle of its upload, and another that goes on with it
    gate.close(after=2)
    first = started(film)
    gate.wait_until_closed(stored=2, waiting=2)
    gate.open()
    second = started(film)

    results = [ended(first), ended(second)]

    # Then both end well, whichever of them was faster
    assert [code for code, _, _ in results] == [ExitCode.OK, ExitCode.OK], results
    assert stored(account) == film.read_bytes()
    assert len(account.executions()) == 1
    assert "Uploads" not in account.s3.list_multipart_uploads(Bucket=account.bucket("input"))


@pytest.mark.usefixtures("gate", "account")
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not tell what a process reads")
def test_a_file_is_read_once_for_its_name_and_once_to_be_sent(film: Path) -> None:
    code, out, _ = ended(started(film, SUBMIT_AND_TELL_WHAT_WAS_READ))

    assert code == ExitCode.OK
    (read_bytes,) = re.findall(r"rchar: (\d+)", out)
    assert 2 * film.stat().st_size <= int(read_bytes) < 3 * film.stat().st_size
