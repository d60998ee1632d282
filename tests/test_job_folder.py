"""What unfinished jobs hold on to, where nobody works on them."""

from contextlib import suppress
from pathlib import Path

from sr_core.contract import PLAN_KEY
from sr_core.job_folder import job_folder, unfinished


def _interrupted(work_dir: Path, job_id: str, *, size_bytes: int) -> None:
    with suppress(KeyboardInterrupt), job_folder(work_dir, job_id) as (folder, _scratch):
        folder.mkdir()
        (folder / PLAN_KEY).write_bytes(bytes(10))
        (folder / "chunk").write_bytes(bytes(size_bytes - 10))
        raise KeyboardInterrupt


def test_interrupted_jobs_are_counted_with_their_size_and_those_that_run_are_not(tmp_path: Path) -> None:
    # Given two interrupted jobs
    assert unfinished(tmp_path / "nothing yet") == (0, 0)
    _interrupted(tmp_path, "one", size_bytes=100)
    _interrupted(tmp_path, "two", size_bytes=1000)
    assert unfinished(tmp_path) == (2, 1100)

    # When one of them goes on, then only the other is left over meanwhile, and in the end
    with job_folder(tmp_path, "two"):
        assert unfinished(tmp_path) == (1, 100)
    assert unfinished(tmp_path) == (1, 100)


def test_looking_at_a_job_keeps_nobody_from_working_on_it(tmp_path: Path) -> None:
    _interrupted(tmp_path, "one", size_bytes=100)
    unfinished(tmp_path)
    with job_folder(tmp_path, "one"):
        pass
    assert not tmp_path.exists()
