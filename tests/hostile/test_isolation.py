"""Whatever a reader of untrusted media does, whoever waits for it gets a result or one clear error, and lives."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sr_core import errors
from sr_core.errors import HostCapacity, InputError, IntegrityError, SrError, TransientError
from sr_core.video import messages
from sr_core.video.isolation import isolated
from sr_core.video.reader import Outcome

from . import misbehaviour as does
from .readers import CLIP, MB, bounds, is_gone, run


def test_what_is_told_arrives_in_order_and_what_is_returned_comes_last() -> None:
    assert run(does.keep_telling, 0, 100) == (list(range(100)), 100)


def test_a_reader_waits_while_nobody_takes_what_it_tells(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    job = isolated(
        does.count_into, str(counter), 1000, subject=CLIP, bounds=bounds(writable=(tmp_path,), readable=(tmp_path,))
    )
    with closing(job):
        next(job)
        time.sleep(0.5)

        assert int(counter.read_text()) < 30  # megabytes that the sockets hold, of a thousand


def test_a_reader_starts_no_program_before_its_work() -> None:
    """To find the ffmpeg command takes running it: its nursery has done that for all."""
    assert run(does.ended_children_cpu_seconds) == ([], 0)


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
