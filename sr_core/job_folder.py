"""The folder of a job that runs on this machine: one process at a time, and nothing left when all went well.

    WORK_DIR/ab12cd34ef567890            the job folder: plan, chunks, segments, receipts
    WORK_DIR/ab12cd34ef567890.scratch    temporary files of the process that holds the lock
    WORK_DIR/ab12cd34ef567890.lock       held (flock) by that process

It does not know what a job is made of, but for the plan, without which there is nothing to go on from.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sr_core.contract import PLAN_KEY, REPORT_KEY
from sr_core.errors import InputError, TransientError
from sr_core.storage.disk import disk_errors, make_folder

_TRIES, _TRY_SECONDS = 3, 0.05


@contextmanager
def job_folder(work_dir: Path, job_id: str) -> Iterator[tuple[Path, Path]]:
    """The job's folder and an empty scratch folder, for this process alone.

    Both are removed when all went well, and when there is no plan to go on from. Raises TransientError when another
    process is working on the job.
    """
    folder, scratch, lock = (work_dir / f"{job_id}{suffix}" for suffix in ("", ".scratch", ".lock"))
    with _locked(lock):
        is_finished = False
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            with disk_errors(scratch):
                scratch.mkdir()
            yield folder, scratch
            is_finished = True
        finally:
            if is_finished or not (folder / PLAN_KEY).exists():
                shutil.rmtree(scratch, ignore_errors=True)
                _remove_job(folder)
                lock.unlink(missing_ok=True)
                with suppress(OSError):
                    work_dir.rmdir()


def unfinished(work_dir: Path) -> tuple[int, int]:
    """How many jobs nobody works on have been begun there and not finished, and the bytes of their files."""
    count = size_bytes = 0
    for lock in work_dir.glob("*.lock"):
        with suppress(OSError):  # it has been finished meanwhile, or is being worked on
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            sizes = [path.stat().st_size for path in lock.with_suffix("").rglob("*") if path.is_file()]
            count += bool(sizes)
            size_bytes += sum(sizes)
    return count, size_bytes


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Holds a lock on the file, which is made with its folder. Raises TransientError when another process does."""
    while True:
        try:
            with disk_errors(lock.parent):
                make_folder(lock.parent)
                file = lock.open("a")
        except InputError as error:
            raise InputError(f"{error} with --work-dir") from error
        with file:
            if not _is_had(file):
                raise TransientError(f"another `sr run` is working on this job ({lock.parent}); wait until it ends")
            if _is_at(lock, file.fileno()):  # else whoever held it has finished, and removed it
                yield
                return


def _is_had(file: IO[str]) -> bool:
    """Whether the lock is ours now. Whoever only looks (`unfinished`) holds it for no time to speak of."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_TRY_SECONDS)
    return False


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_job(folder: Path) -> None:
    """Removes a finished job's folder, its report last: until then the next call can tell that it is finished."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != REPORT_KEY:
            entry.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
