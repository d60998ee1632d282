"""A store in a folder: every key is a file below it.

Owns the rules that make plain files keep the promises of `Store`: who wins, what a listing shows, when folders come and
go. It does not know how a file becomes durable (`disk` does) nor what is in it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

from sr_core.errors import DamagedData, InputError, IntegrityError, TransientError
from sr_core.storage.base import ObjectInfo, ObjectNotFound
from sr_core.storage.disk import (
    NO_HARD_LINKS,
    disk_errors,
    durable_twin,
    make_folder,
    partial_file,
    settle,
    settle_folder,
    sha256_of,
)
from sr_core.storage.keys import check_key, check_prefix, is_key

PARTIAL_FOLDER = ".partial"
"""Where files are written before they get their key. No key begins with a dot, so no key can meet it."""

_PLACING_ATTEMPTS = 1000


class LocalStore:
    """A store in `folder`, for any number of processes at once on one machine.

    The folder is made by the first write; one that is not there is an empty store. `put` gives the file a second name
    (a hard link) where the filesystem allows that, else it copies. Temporary files that dead writers left in
    ``.partial`` are never listed; the next write removes them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.uri = str(self._folder)

    def __repr__(self) -> str:
        return f"LocalStore({self.uri!r})"

    def put(self, key: str, path: Path, *, sha256: str) -> None:
        target = self._path(key)
        with disk_errors(path):
            source = path.open("rb")
        with source, disk_errors(target), durable_twin(source, self._partials()) as (twin, digest):
            if digest != sha256:
                raise IntegrityError(
                    f"{path} has the sha256 {digest}, not {sha256}; it changed since it was made: make it again"
                )
            _place(twin, target, Path.replace)

    def put_bytes(self, key: str, data: bytes) -> None:
        target = self._path(key)
        with disk_errors(target), partial_file(self._partials()) as file:
            file.write(data)
            settle(file)
            _place(Path(file.name), target, Path.replace)

    def create(self, key: str, data: bytes) -> bool:
        target = self._path(key)
        with disk_errors(target), partial_file(self._partials()) as file:
            file.write(data)
            settle(file)
            try:
                _place(Path(file.name), target, os.link)
            except FileExistsError:
                if target.is_dir():
                    raise
                # A network filesystem that lost its own answer may deny a link that it has made.
                return _same_file(Path(file.name), target)
            except OSError as error:
                if error.errno not in NO_HARD_LINKS:
                    raise
                raise InputError(
                    f"{self.uri}: its filesystem has no hard links, which are needed; choose a folder on another one"
                ) from error
        return True

    def get_bytes(self, key: str) -> bytes:
        path = self._path(key)
        with disk_errors(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise self._not_found(key) from None

    def fetch(
        self,
        key: str,
        folder: Path,  # noqa: ARG002 - for stores whose files lie elsewhere
        *,
        sha256: str | None = None,
    ) -> Path:
        path = self._path(key)
        with disk_errors(path):
            try:
                with path.open("rb") as file:
                    digest = sha256_of(file) if sha256 is not None else None
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise self._not_found(key) from None
        if digest != sha256:
            raise DamagedData(
                f"{path} is damaged: its sha256 is {digest}, not {sha256}; it has to be made again", key=key
            )
        return path

    def stat(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        with disk_errors(path):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                self._check_folder()
                return None
        return _info(key, found) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        parent, _, beginning = prefix.rpartition("/")
        return self._walk(f"{parent}/" if parent else "", beginning)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with disk_errors(path):
            if path.is_dir():
                return
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                self._check_folder()
                return
            for folder in path.parents:
                if folder == self._folder:
                    return
                try:
                    folder.rmdir()  # refuses where anything is in it; `_place` makes it again when it has to
                except OSError:
                    return

    def _walk(self, parent: str, beginning: str) -> Iterator[ObjectInfo]:
        """The objects whose keys start with `parent` and `beginning`, in the order of the keys' UTF-8 bytes."""
        for name, found in self._entries(parent):
            if not name.startswith(beginning):
                continue
            if found is None:
                yield from self._walk(parent + name, "")
            else:
                yield _info(parent + name, found)

    def _entries(self, parent: str) -> Sequence[tuple[str, os.stat_result | None]]:
        """What lies in one folder, sorted by name; a folder's name ends in ``/``, as it does in keys."""
        found: list[tuple[str, os.stat_result | None]] = []
        path = self._folder / parent
        with disk_errors(path):
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if not is_key(entry.name):
                            continue
                        if entry.is_dir():
                            found.append((f"{entry.name}/", None))
                        elif (described := _described(entry)) is not None:
                            found.append((entry.name, described))
            except (FileNotFoundError, NotADirectoryError):
                self._check_folder()
        return sorted(found, key=itemgetter(0))

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._folder / key

    def _partials(self) -> Path:
        folder = self._folder / PARTIAL_FOLDER
        make_folder(folder)
        return folder

    def _not_found(self, key: str) -> ObjectNotFound:
        self._check_folder()
        return ObjectNotFound(key, self.uri)

    def _check_folder(self) -> None:
        """Raises InputError where a file stands in the place of the store's own folder."""
        with disk_errors(self._folder), suppress(FileNotFoundError):
            if not stat.S_ISDIR(self._folder.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _place(partial: Path, target: Path, give_name: Callable[[Path, Path], object]) -> None:
    """Gives a settled file its name, durably. `give_name` is Path.replace or os.link."""
    for _ in range(_PLACING_ATTEMPTS):
        try:
            make_folder(target.parent)
            give_name(partial, target)
        except FileNotFoundError:
            continue  # a `delete` removed a folder that was empty until now
        settle_folder(target.parent)
        return
    raise TransientError(f"{target}: its folder keeps disappearing; see what deletes it, then try again")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key=key, size_bytes=found.st_size, modified_at=datetime.fromtimestamp(found.st_mtime, UTC))


def _described(entry: "os.DirEntry[str]") -> os.stat_result | None:
    """A regular file, or None for anything else and for what is gone meanwhile."""
    try:
        return entry.stat() if entry.is_file() else None
    except FileNotFoundError:
        return None
