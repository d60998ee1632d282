"""The folder for a stage's temporary files, and an end to those that killed processes left behind.

On AWS Batch it lies on the machine's disk, which outlives the job: without clearing away, a machine on which jobs were
killed would run full. Each folder is locked (flock) by its process; one that nobody holds is a dead process's.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_core.contract import ENV_SCRATCH
from sr_core.errors import InputError
from sr_core.storage.disk import disk_errors

_PREFIX = "sr-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for this process alone, removed afterwards: in the one place that a container may write to.

    Raises InputError when SR_SCRATCH names no usable folder, HostCapacity when the disk is full.
    """
    parent = os.environ.get(ENV_SCRATCH)
    if parent is None:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
            yield Path(folder)
        return
    if not Path(parent).is_dir():
        raise InputError(f"{ENV_SCRATCH} names {parent}, which is not a folder")
    with disk_errors(Path(parent)):
        _remove_abandoned(Path(parent))
        path, descriptor = _locked_folder(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _locked_folder(parent: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # somebody's clearing away met it before it was locked
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                is_ours = _locked(descriptor)
            except OSError:  # a filesystem without locks, where nobody clears away
                is_ours = True
            if is_ours and path.exists():
                return path, descriptor
            os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if _locked(descriptor):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
