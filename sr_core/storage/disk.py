"""Files that appear whole or not at all, and what an operating system's errors mean to the person at the keyboard.

Owns temporary files, durable writes and the translation of OSError. It does not know of stores, keys or S3.

A file is written under a temporary name, forced to the disk and only then given its own name. While its writer lives,
the temporary file is locked (flock); one that nobody holds was left by a writer that died, and the next writer in that
folder removes it. Where a filesystem has no locks, leftovers (``.sr-*.partial``) stay until somebody deletes them.
"""

import errno
import fcntl
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sr_core.errors import HostCapacity, InputError, SrError, TransientError

PARTIAL_PREFIX = ".sr-"
PARTIAL_SUFFIX = ".partial"

NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""How link(2) says that a file cannot have a second name, though it lies on the same filesystem."""

_COPY_BYTES = 1 << 20

_CAPACITY = {
    errno.ENOSPC: "the disk is full; free some space or use a folder on another disk",
    errno.EDQUOT: "the disk quota is used up; free some space or use a folder on another disk",
    errno.EFBIG: "the file is larger than its filesystem or a limit (ulimit -f) allows; use a folder on another disk",
    errno.ENOMEM: "the machine is out of memory; use a larger one",
    errno.EMFILE: "this process has too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "the machine has too many open files; use a larger one",
}
_TRANSIENT = frozenset(
    {errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}
)
_INPUT = {
    errno.EACCES: "permission denied; change the permissions or choose another folder",
    errno.EPERM: "the operation is not permitted; change the permissions or choose another folder",
    errno.EROFS: "the filesystem is read-only; choose another folder",
    errno.ENOENT: "there is no such file or folder; check the path",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away or choose another folder",
    errno.EISDIR: "a folder stands where a file is needed; move it away or choose another name",
    errno.EEXIST: "a folder stands where a file is needed; move it away or choose another name",
    errno.ENOTEMPTY: "a folder stands where a file is needed; move it away or choose another name",
    errno.ENAMETOOLONG: "the name is too long for its filesystem; choose a shorter one",
    errno.ELOOP: "its symbolic links lead in a circle; check the path",
    errno.EXDEV: "it lies on another filesystem than its store; keep a store on one filesystem",
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an OSError into the package's own error, in one line about `path`.

    Raises HostCapacity (disk full, quota, limits), TransientError (I/O and network filesystem errors) or InputError.
    """
    try:
        yield
    except OSError as error:
        raise _translated(error, path) from error


def _translated(error: OSError, path: Path) -> SrError:
    number = error.errno or 0
    if number in _CAPACITY:
        return HostCapacity(f"{path}: {_CAPACITY[number]}")
    if number in _TRANSIENT:
        return TransientError(f"{path}: {error.strerror}; try again, and check the disk if it happens again")
    return InputError(f"{path}: {_INPUT.get(number) or error.strerror or error}")


def sha256_of(file: io.BufferedReader | io.BufferedRandom) -> str:
    """The sha256 (hex) of an open file, from its start to its end."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def copied(source: BinaryIO, target: BinaryIO) -> str:
    """Copies the whole of `source` to `target`, down to the disk; returns the sha256 (hex) of what was copied."""
    digest = hashlib.sha256()
    source.seek(0)
    while block := source.read(_COPY_BYTES):
        digest.update(block)
        target.write(block)
    settle(target)
    return digest.hexdigest()


def settle(file: BinaryIO) -> None:
    """Returns when what was written to `file` survives a loss of power."""
    file.flush()
    os.fsync(file.fileno())


def settle_folder(folder: Path) -> None:
    """Returns when the names in `folder` survive a loss of power, as far as its filesystem can promise it."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes `folder` and its parents, durably. Nothing happens if it is there.

    Raises NotADirectoryError where a file is in the way, FileNotFoundError where somebody removes folders meanwhile.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.lstat().st_mode) and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    settle_folder(folder.parent)


@contextmanager
def partial_file(folder: Path) -> Iterator[io.BufferedRandom]:
    """A new, empty, locked file in `folder`, for writing and reading; its path is its ``name``.

    Whoever writes it settles it and renames or links it before the block ends: whatever then still has the temporary
    name is removed. Temporary files of dead writers are removed first.
    """
    remove_abandoned(folder)
    file = _locked_file(folder)
    try:
        yield file
    finally:
        Path(file.name).unlink(missing_ok=True)
        file.close()


@contextmanager
def durable_twin(source: io.BufferedReader, folder: Path) -> Iterator[tuple[Path, str]]:
    """A temporary file in `folder` with the content of `source`, on the disk, and its sha256 (hex).

    It is a second name of the same file where the filesystem allows that, so that nothing is copied, else a copy.
    """
    remove_abandoned(folder)
    _lock(source, fcntl.LOCK_SH)
    link = _free_name(folder)
    try:
        linked = _linked(source, link)
        if linked:
            os.fsync(source.fileno())
            yield link, sha256_of(source)
    finally:
        # Also after a rename: renaming a file to another name of itself does nothing and leaves both names.
        link.unlink(missing_ok=True)
    if not linked:
        with partial_file(folder) as copy:
            digest = copied(source, copy)
            yield Path(copy.name), digest


def remove_abandoned(folder: Path) -> None:
    """Removes the temporary files in `folder` whose writers have died. What is in doubt is left alone."""
    with os.scandir(folder) as entries:
        leftovers = [Path(entry.path) for entry in entries if is_partial(entry.name)]
    for path in leftovers:
        with suppress(OSError):  # gone meanwhile, somebody else's, or a filesystem without locks
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def is_partial(name: str) -> bool:
    """Whether a file of this name is a temporary one."""
    return name.startswith(PARTIAL_PREFIX) and name.endswith(PARTIAL_SUFFIX)


def _free_name(folder: Path) -> Path:
    return folder / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def _linked(source: BinaryIO, name: Path) -> bool:
    try:
        os.link(os.path.realpath(source.name), name)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS | {errno.EXDEV}:
            raise
        return False
    return os.path.samestat(name.stat(), os.fstat(source.fileno()))  # its path may have got another file meanwhile


def _locked_file(folder: Path) -> io.BufferedRandom:
    while True:
        file = _free_name(folder).open("x+b")
        try:
            _lock(file, fcntl.LOCK_SH)
            if os.fstat(file.fileno()).st_nlink:
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # somebody's clean-up met it between its creation and its lock


def _lock(file: BinaryIO, kind: int) -> None:
    try:
        fcntl.flock(file.fileno(), kind)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF):
            raise
