"""Files that all jobs of a machine share, so that each is downloaded once: weights and sources.

    SR_CACHE/<identity>-<sha256>      one whole file; the identity is a digest of what was asked for
    SR_CACHE/<identity>.lock          held (flock) by the process that downloads it
    SR_CACHE/.lock                    held while entries come and go

An entry is a second name (hard link) of a file that some job has downloaded whole into its own folder, and whoever uses
it gets a name of its own, too. So there is never a part of a file, a killed job leaves none, and evicting an entry
takes nothing from under a reader. Where the cache lies on another filesystem than the folders, files are copied.

The cache may only save time: whatever goes wrong in it, the job downloads for itself. It does not know of S3.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_core.contract import ENV_CACHE
from sr_core.errors import InputError, SrError
from sr_core.storage.base import Store
from sr_core.storage.disk import NO_HARD_LINKS, copied, disk_errors, make_folder, partial_file, sha256_of
from sr_core.storage.open import is_s3

SHARE_OF_DISK = 4
"""By default the cache keeps at most this part (one in so many) of its filesystem."""

_WAIT_SECONDS = 600.0
"""For another process's download of the same; then it is downloaded twice rather than waited for longer."""
_POLL_SECONDS = 0.1
_READ_ONLY = 0o444


def fetch_shared(store: Store, key: str, folder: Path, *, sha256: str) -> Path:
    """As `Store.fetch`, for what other jobs of this machine need as well: from the cache, if there is one.

    Raises whatever `Store.fetch` does, and InputError when SR_CACHE names no usable folder.
    """
    cache = HostCache.from_environment() if is_s3(store.uri) else None
    if cache is None:
        return store.fetch(key, folder, sha256=sha256)
    target = folder / key
    cache.provide(f"sha256:{sha256}", target, lambda: store.fetch(key, folder, sha256=sha256))
    return target


class HostCache:
    """The cache in `folder`, which is made if need be. Its files have at most `max_bytes` in all.

    Raises InputError when the folder cannot be used.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None) -> None:
        try:
            with disk_errors(folder):
                make_folder(folder)
                self.max_bytes = shutil.disk_usage(folder).total // SHARE_OF_DISK if max_bytes is None else max_bytes
        except SrError as error:
            raise InputError(f"{ENV_CACHE}: {error}") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{ENV_CACHE}: {folder} cannot be written to; change its permissions or unset {ENV_CACHE}")
        self._folder = folder

    @classmethod
    def from_environment(cls) -> "HostCache | None":
        """The cache that SR_CACHE names, or None. Raises InputError when that is no usable folder."""
        folder = os.environ.get(ENV_CACHE)
        return cls(Path(folder)) if folder else None

    def provide(self, what: str, target: Path, download: Callable[[], object]) -> None:
        """Puts the file that `what` names at `target`, to be read only.

        Args:
            what: names the content; other content has another name.
            target: in a folder of this process.
            download: puts the whole file at `target`, if it is not in the cache. What it raises is raised.
        """
        identity = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()
        if self._take(identity, target):
            return
        with self._turn(identity):
            if not self._take(identity, target):  # another process may have brought it meanwhile
                download()
                self._offer(identity, target)

    def _take(self, identity: str, target: Path) -> bool:
        """Whether `target` is now the cached file, its content checked. One that is damaged is removed."""
        for entry in self._folder.glob(f"{identity}-*"):
            with suppress(OSError):
                make_folder(target.parent)
                target.unlink(missing_ok=True)
                _place(entry, target)
                with target.open("rb") as file:
                    if sha256_of(file) == entry.name.removeprefix(f"{identity}-"):
                        os.utime(entry)
                        return True
                target.unlink()
                entry.unlink(missing_ok=True)
        return False

    def _offer(self, identity: str, path: Path) -> None:
        """Keeps a downloaded file, if there is room for it besides what is in use."""
        with suppress(OSError, SrError), path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            entry = self._folder / f"{identity}-{sha256_of(file)}"
            path.chmod(_READ_ONLY)
            with self._changing():
                if self._make_room(size_bytes):
                    _place(path, entry)

    def _make_room(self, size_bytes: int) -> bool:
        """Removes the entries that were used least recently, as many as it takes, but none that is in use."""
        entries = [(entry, entry.stat()) for entry in self._folder.glob("[0-9a-f]*-*")]
        excess_bytes = sum(found.st_size for _, found in entries) + size_bytes - self.max_bytes
        for entry, found in sorted(entries, key=lambda item: item[1].st_mtime_ns):
            if excess_bytes <= 0:
                break
            if found.st_nlink == 1:
                entry.unlink(missing_ok=True)
                excess_bytes -= found.st_size
        return excess_bytes <= 0

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with (self._folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _turn(self, identity: str) -> Iterator[None]:
        """Waits until no other process downloads the same."""
        path = self._folder / f"{identity}.lock"
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                lock = path.open("a")
            except OSError:
                break
            with lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    if error.errno not in (errno.EAGAIN, errno.EACCES):
                        break  # a filesystem without locks
                    time.sleep(_POLL_SECONDS)
                    continue
                if not _is_at(path, lock.fileno()):
                    continue  # whoever held it has removed it
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
        yield


def _place(source: Path, target: Path) -> None:
    """Gives the file at `source` a second name, or a copy where that cannot be: entirely or not at all.

    Nothing happens to a file that has the name already.
    """
    with source.open("rb") as file, suppress(FileExistsError):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS | {errno.EXDEV}:
                raise
            with partial_file(target.parent) as copy:
                copied(file, copy)
                os.fchmod(copy.fileno(), _READ_ONLY)
                Path(copy.name).replace(target)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
