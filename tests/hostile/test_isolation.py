"""Whatever a reader of untrusted media does, whoever waits for it gets a result or one clear error, and lives."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sr_core import errors
from sr_core.errors import HostCapacity, InputError, IntegrityError, SrError, TransientError
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk
from sr_core.video import messages, nursery
from sr_core.video.confinement import Bounds, has_landlock
from sr_core.video.cut import CutChunk
from sr_core.video.formats import HANDLED
from sr_core.video.isolation import isolated
from sr_core.video.messages import UntrustworthyMessageError
from sr_core.video.reader import Outcome
from sr_core.video.scan import PacketIndex, Scan
from tests import builders

from . import misbehaviour as does

CLIP = Path("clip.mp4")
MB = 1 << 20
ROOMY = Bounds(memory_bytes=1024 * MB, cpu_seconds=60, silence_seconds=30)

needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")


def run(function: Callable[..., Any], *arguments: Any, bounds: Bounds = ROOMY, **more: Any) -> tuple[list[Any], Any]:
    """Everything that was told, and what was returned."""
    job = isolated(function, *arguments, subject=CLIP, bounds=bounds, **more)
    told = []
    while True:
        try:
            told.append(next(job))
        except StopIteration as end:
            return told, end.value


def bounds(**changes: Any) -> Bounds:
    values: dict[str, Any] = {"memory_bytes": 1024 * MB, "cpu_seconds": 60, "silence_seconds": 30}
    return Bounds(**{**values, **changes})


def is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody reaps in a container has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What comes back.


def test_what_is_told_arrives_in_order_and_what_is_returned_comes_last() -> None:
    assert run(does.keep_telling, 0, 100) == (list(range(100)), 100)


@pytest.mark.parametrize("name", HANDLED)
def test_planes_arrive_as_they_were(name: str) -> None:
    """Of every format and of odd sizes, from views into padded memory."""
    told, _ = run(does.tell_planes, name, 33, 17, 2)

    for number, frame in enumerate(told):
        expected = does.planes(HANDLED[name], 33, 17, seed=number)
        assert frame.format == expected.format
        assert all(np.array_equal(one, other) for one, other in zip(frame.planes, expected.planes, strict=True))
        assert frame.checksum() == expected.checksum()


def records() -> list[object]:
    frames = FrameTable(time_base=Fraction(1, 90000), last_duration=3)
    frames.append(-7, 1 << 31)
    frames.append(5, 0)
    packets = PacketIndex()
    packets.pts.extend([-(1 << 63), 4])
    packets.is_key.extend(b"\x01\x00")
    chunk = Chunk(index=1, start_frame=0, end_frame=2, start_segment=0, end_segment=1)
    return [
        None, True, -(1 << 70), 0.5, "surrogate \udce9 and \u65e5", [1, (2, [3])], Fraction(-1, 3), b"\x00\xff",
        Path("a \udce9 b"), builders.video(), builders.request(), chunk, frames,
        Scan(frames, packets, times_are_exact=False, warnings=("one", "two")), CutChunk(chunk, Path("x.nut"), "copy"),
    ]  # fmt: skip


@pytest.mark.parametrize("value", records(), ids=lambda value: type(value).__name__)
def test_values_cross_unchanged(value: object) -> None:
    head, parts = messages.encode(value)
    text_bytes, body_bytes = messages.sizes(head[: messages.HEADER.size])
    body = b"".join(parts)

    assert len(body) == body_bytes
    assert len(head) == messages.HEADER.size + text_bytes
    assert messages.decode(head[messages.HEADER.size :], memoryview(body)) == value


def test_a_reader_waits_while_nobody_takes_what_it_tells(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    job = isolated(
        does.count_into, str(counter), 1000, subject=CLIP, bounds=bounds(writable=(tmp_path,), readable=(tmp_path,))
    )
    with closing(job):
        next(job)
        time.sleep(0.5)

        assert int(counter.read_text()) < 30  # megabytes that the sockets hold, of a thousand


# What is raised.


@pytest.mark.parametrize("kind", [InputError, IntegrityError, HostCapacity, TransientError])
def test_errors_are_raised_again_as_they_were(kind: type[SrError]) -> None:
    with pytest.raises(SrError, match="said by the reader; as it is") as raised:
        run(does.tell_own, kind)

    assert type(raised.value) is kind


def test_an_error_with_more_than_a_message_comes_as_the_class_above() -> None:
    head, parts = messages.encode(errors.DamagedData("gone; redo it", key="x"))

    error = messages.decode(head[messages.HEADER.size :], memoryview(b"".join(parts)))

    assert type(error) is IntegrityError
    assert str(error) == "gone; redo it"


@pytest.mark.parametrize(
    "error", [ValueError("odd"), OverflowError("big"), IndexError("far"), EOFError("end")], ids=repr
)
def test_what_damaged_content_makes_python_raise_is_an_error_of_the_file(error: Exception) -> None:
    with pytest.raises(InputError, match=f"clip.mp4 cannot be read .{type(error).__name__}: {error}"):
        run(does.raise_error, error)


@pytest.mark.parametrize("error", [TypeError("we"), AttributeError("did it"), AssertionError("wrong")], ids=repr)
def test_a_defect_of_this_program_is_not_blamed_on_the_file(error: Exception) -> None:
    with pytest.raises(RuntimeError, match="in raise_error"):
        run(does.raise_error, error)


@pytest.mark.parametrize(
    ("function", "named"),
    [(does.crash, "crashes the decoder .SIGSEGV"), (does.abort, "SIGABRT"), (does.leave, "no signal")],
)
def test_a_crash_is_an_error_of_the_file(function: Callable[..., Any], named: str) -> None:
    with pytest.raises(InputError, match=f"clip.mp4 .*{named}"):
        run(function)

    assert run(does.keep_telling, 0, 1) == ([0], 1)  # the next one is read as if nothing had been


def test_memory_beyond_the_bounds_is_an_error_of_the_file_and_is_never_taken() -> None:
    ended: list[Outcome] = []

    with pytest.raises(
        InputError, match=r"clip.mp4 takes more than 268 MB of memory to read; .*SR_LIMITS=memory_bytes"
    ):
        run(does.take_memory, bounds=bounds(memory_bytes=256 * MB), on_end=ended.append)

    assert 128 * MB < ended[0].peak_memory_bytes < 256 * MB + 64 * MB  # the libraries, which are shared


def test_being_killed_for_want_of_memory_is_an_error_of_the_machine() -> None:
    with pytest.raises(HostCapacity, match=r"clip.mp4 was killed"):
        run(does.be_killed)


def test_processor_time_beyond_the_bounds_is_an_error_of_the_file() -> None:
    with pytest.raises(InputError, match=r"clip.mp4 takes more than 1 s of processor time"):
        run(does.spin, bounds=bounds(cpu_seconds=1))


@pytest.mark.parametrize("function", [does.sleep, does.spin, does.spin_in_c])
def test_a_hang_is_an_error_of_the_file_and_ends(function: Callable[..., Any]) -> None:
    job = isolated(function, subject=CLIP, bounds=bounds(silence_seconds=1))
    pid = next(job)

    with pytest.raises(InputError, match=r"nothing has come of reading it for 1 s"):
        next(job)

    assert is_gone(pid)


def test_slow_is_not_hung() -> None:
    """Longer in all than the silence that is allowed, but never silent for so long."""
    told, _ = run(does.keep_telling, 0.4, 5, bounds=bounds(silence_seconds=1))

    assert told == list(range(5))


# Who is taken over.


def forged(text: bytes, body: bytes = b"", *, body_bytes: int | None = None) -> bytes:
    return messages.HEADER.pack(len(text), len(body) if body_bytes is None else body_bytes) + text + body


class RunsCode:
    """A pickle of it would make a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (str(self.path),)


FORGED = {
    "noise": b"\xff" * 100,
    "no JSON": forged(b"[" * 50),
    "nesting without end": forged(b"[" * 100_000),
    "no pair": forged(b"1"),
    "no known kind": forged(b'{"list":["launch",1]}'),
    "an unknown type": forged(b'{"list":["item",{"popen":"ls"}]}'),
    "a model that is none": forged(b'{"list":["item",{"model":["Popen",{}]}]}'),
    "a model that is not valid": forged(b'{"list":["item",{"model":["VideoInfo",{"width_px":-1}]}]}'),
    "a record that is none": forged(b'{"list":["item",{"record":["SegmentWriter",{"path":"/tmp/x"}]}]}'),
    "an error that is none": forged(b'{"list":["failed",{"error":["SystemExit","0"]}]}'),
    "a failure without an error": forged(b'{"list":["failed",1]}'),
    "planes larger than sent": forged(b'{"list":["item",{"planes":["gray",100000,100000]}]}', b"xx"),
    "planes of negative size": forged(b'{"list":["item",{"planes":["gray",-1,-2]}]}', b"xx"),
    "a body of absurd size": forged(b"[]", body_bytes=1 << 60),
    "an array of objects": forged(b'{"list":["item",{"array":["u",4]}]}', b"xxxx"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_messages_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"clip.mp4: .* do not trust the file"):
        run(does.send_bytes_and_stay, FORGED[kind])


def test_nothing_that_is_sent_is_unpickled(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    data = pickle.dumps(RunsCode(target))

    with pytest.raises(InputError, match="do not trust the file"):
        run(does.send_bytes_and_stay, forged(data, data))

    assert not target.exists()
    pickle.loads(data)
    assert target.exists()  # else this would prove nothing


def test_only_known_types_can_be_sent() -> None:
    with pytest.raises(TypeError, match="may not leave"):
        messages.encode({1, 2})
    with pytest.raises(UntrustworthyMessageError):
        messages.decode(b'{"list":[],"tuple":[]}', memoryview(b""))


# What a reader can reach.


@pytest.fixture
def own_nursery() -> Iterator[Callable[[], None]]:
    """Starts one in this test's environment; the usual one is back afterwards."""
    before = nursery._Nursery.current
    yield lambda: nursery.start(own=True)
    nursery._Nursery.current = before


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "t0k3n", "AWS_PROFILE": "pr0f",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/creds", "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "DATABASE_PASSWORD": "hunter2", "GITHUB_TOKEN": "ghp_x", "SSH_AUTH_SOCK": "/tmp/agent", "HOME": "/home/me",
}  # fmt: skip


def test_the_environment_holds_no_credentials(monkeypatch: pytest.MonkeyPatch, own_nursery: Callable[[], None]) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    own_nursery()

    _, environment = run(does.tell_environment)

    seen = "\n".join(environment)
    assert "PATH=" in seen
    assert not [name for name, value in SECRETS.items() if name in seen or value in seen]


@needs_landlock
def test_only_what_is_given_can_be_read(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text("video")
    other.write_text("secret")

    assert run(does.read_file, str(given), bounds=bounds(readable=(given,))) == ([], b"video")
    for path in (other, Path("/etc/passwd"), Path(f"/proc/{os.getpid()}/environ"), Path("/proc/self/environ")):
        with pytest.raises(InputError, match="PermissionError"):
            run(does.read_file, str(path), bounds=bounds(readable=(given,)))
    with pytest.raises(InputError, match="PermissionError"):
        run(does.list_folder, str(Path.home()), bounds=bounds(readable=(given,)))


@needs_landlock
def test_files_are_made_only_where_they_may_be(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    run(does.write_file, str(folder / "made"), bounds=bounds(writable=(folder,)))

    assert (folder / "made").read_text() == "written"
    with pytest.raises(InputError, match="PermissionError"):
        run(does.write_file, str(tmp_path / "beside"), bounds=bounds(writable=(folder,)))


@needs_landlock
def test_no_connection_can_be_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(InputError, match="PermissionError"):
            run(does.connect, server.getsockname()[1])
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@needs_landlock
def test_no_signal_can_be_sent() -> None:
    with pytest.raises(InputError, match="PermissionError"):
        run(does.send_signal, os.getpid())


# How it ends.


def test_closing_ends_the_reader_and_what_it_started() -> None:
    job = isolated(does.start_others, subject=CLIP, bounds=ROOMY)
    pids = next(job)
    assert not any(map(is_gone, pids))

    job.close()

    wait_until(lambda: all(map(is_gone, pids)))
    assert is_gone(pids[0])


def test_an_exception_while_waiting_ends_the_reader() -> None:
    def give_up() -> None:
        raise InterruptedError

    job = isolated(does.sleep, subject=CLIP, bounds=ROOMY, while_waiting=give_up)
    pid = next(job)

    with pytest.raises(InterruptedError):
        next(job)

    assert is_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_does_not_end_it(number: signal.Signals) -> None:
    """Ctrl-C reaches every process of a terminal's group; whoever waits decides what becomes of the reader."""
    job = isolated(does.keep_telling, 0.05, 5, subject=CLIP, bounds=ROOMY)
    with closing(job):
        assert next(job) == 0
        for pid in readers():
            assert os.getpgid(pid) != os.getpgid(0)
            os.kill(pid, number)
            os.kill(parent_of(pid), number)

        assert list(job) == [1, 2, 3, 4]


def test_a_nursery_that_was_killed_is_replaced() -> None:
    job = isolated(does.sleep, subject=CLIP, bounds=ROOMY)
    pid = next(job)
    os.kill(parent_of(pid), signal.SIGKILL)

    with pytest.raises(TransientError, match="start the same command again"):
        next(job)

    wait_until(lambda: is_gone(pid))
    assert run(does.keep_telling, 0, 1) == ([0], 1)


KILLED = """
import sys
from pathlib import Path
from sr_core.video.confinement import Bounds
from sr_core.video.isolation import isolated
from tests.hostile import misbehaviour as does
bounds = Bounds(memory_bytes=1 << 30, cpu_seconds=9, silence_seconds=99)
job = isolated(does.start_others, subject=Path("x"), bounds=bounds)
print(*next(job), flush=True)
next(job)
"""


def test_a_process_that_is_killed_leaves_nobody_behind() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, cwd=root, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        pids.append(parent_of(pids[0]))
        assert not any(map(is_gone, pids))

        process.kill()

    wait_until(lambda: all(map(is_gone, pids)))


def test_nothing_is_left_in_shared_memory_nor_any_descriptor() -> None:
    def left() -> tuple[list[str], int]:
        shared = names("/dev/shm")
        return shared, len(names("/dev/fd"))

    run(does.tell_planes, "yuv420p", 64, 48, 3)
    before = left()

    run(does.tell_planes, "yuv420p", 64, 48, 3)
    with suppress(InputError):
        run(does.crash)
    isolated(does.tell_planes, "yuv420p", 64, 48, 3, subject=CLIP, bounds=ROOMY).close()

    assert left() == before


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []


def readers() -> list[int]:
    """The process ids of this process's readers."""
    current = nursery._Nursery.current
    assert current is not None
    pid = current._process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_outcome_is_plain_json() -> None:
    """It is the only thing that the nursery itself says."""
    ended: list[Outcome] = []

    run(does.keep_telling, 0, 1, on_end=ended.append)

    assert ended[0].signal in (0, signal.SIGKILL), "it ends by itself, or is ended once it is done"
    assert json.dumps(ended[0].peak_memory_bytes).isdigit()
