"""How a reader ends: with whoever waits for it, and with everything that it started."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sr_core.errors import InputError, TransientError
from sr_core.video import nursery
from sr_core.video.isolation import isolated
from sr_core.video.reader import Outcome

from . import misbehaviour as does
from .readers import CLIP, ROOMY, is_gone, run, wait_until


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
