"""A job's session ends with its job, as a container does; nobody else is signalled."""

import signal
from pathlib import Path

import pytest

from localcloud.processes import WarmFork, exit_with, kill_rest, signal_session, survivors, wait


@pytest.mark.parametrize("code", [0, 64, 137])
def test_an_exit_code_is_a_containers(tmp_path: Path, code: int) -> None:
    process = exit_with(code, folder=tmp_path, log=tmp_path / "log")
    assert wait(process, seconds=30) == code


def test_what_a_job_leaves_running_is_found_and_killed(tmp_path: Path) -> None:
    # Given a job that ends while a process of its own goes on
    process = exit_with(3, before="sleep 600 &", folder=tmp_path, log=tmp_path / "log")
    assert wait(process, seconds=30) == 3
    assert len(survivors([process.pid])) == 1

    # When what is left is killed, then nothing is
    kill_rest(process)
    while survivors([process.pid]):
        pass


def test_a_job_that_has_ended_is_signalled_no_more(tmp_path: Path) -> None:
    # Given that its number may be another's by now: the kill would come to whoever bears it
    process = exit_with(0, before="sleep 600 &", folder=tmp_path, log=tmp_path / "log")
    assert wait(process, seconds=30) == 0

    signal_session(process, signal.SIGKILL)

    assert len(survivors([process.pid])) == 1
    kill_rest(process)


def test_a_warm_job_is_a_command_with_an_environment_of_its_own(warm: WarmFork, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = warm.start(["doctor"], environment={"AWS_ACCESS_KEY_ID": "x"}, folder=tmp_path, log=log)
    assert wait(process, seconds=60) == 0
    assert "in the environment" in log.read_text()

    killed = warm.start(["doctor"], environment={}, folder=tmp_path, log=log)
    signal_session(killed, signal.SIGKILL)
    assert wait(killed, seconds=60) == 137
