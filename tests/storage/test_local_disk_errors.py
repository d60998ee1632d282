"""What a disk can do to a store of plain files, and what is said about it.

A full disk cannot be had everywhere a test runs, and ENOSPC comes as late as fsync on filesystems that allocate late:
so the system call at the edge fails. One test has a real limit, the largest file that a process may write.
"""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sr_core.errors import HostCapacity, InputError, SrError, TransientError
from sr_core.storage.local import LocalStore

from .local_disk import leftovers, refusing

MakeFile = Callable[[bytes], tuple[Path, str]]

NOBODY = 65534

FULL = [errno.ENOSPC, errno.EDQUOT]


@pytest.mark.parametrize("code", FULL, ids=errno.errorcode.get)
def test_a_full_disk_is_a_matter_of_capacity(
    local_store: LocalStore, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path, sha256 = make_file(b"frames")
    local_store.put_bytes("a", b"before")
    attempts: list[Callable[[], object]] = [
        lambda: local_store.put("a", path, sha256=sha256),
        lambda: local_store.put_bytes("a", b"after"),
        lambda: local_store.create("b", b"after"),
    ]
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refusing(code))
        for attempt in attempts:
            with pytest.raises(HostCapacity, match=r"disk.*; free some space or use a folder on another disk"):
                attempt()

    assert local_store.get_bytes("a") == b"before"
    assert [info.key for info in local_store.list()] == ["a"]
    assert leftovers(local_store) == []


LIMITED = """
import resource, sys
from pathlib import Path
from sr_core.errors import HostCapacity
from sr_core.storage import open_store

store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put_bytes("large", bytes(200_000))
except HostCapacity as error:
    print(error)
store.put_bytes("small", b"there is room for this")
"""


def test_a_real_limit_is_met_with_an_explanation(local_store: LocalStore) -> None:
    told = subprocess.run(
        [sys.executable, "-c", LIMITED, local_store.uri], check=True, capture_output=True, text=True
    ).stdout

    assert told == (
        f"{local_store.uri}/large: the file is larger than its filesystem or a limit (ulimit -f) allows; "
        "use a folder on another disk\n"
    )
    assert [info.key for info in local_store.list()] == ["small"]
    assert leftovers(local_store) == []


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (errno.EIO, TransientError, "try again"),
        (errno.ESTALE, TransientError, "try again"),
        (errno.EMFILE, HostCapacity, "ulimit -n"),
        (errno.EROFS, InputError, "read-only; choose another folder"),
        (errno.EXDEV, InputError, "keep a store on one filesystem"),
        (errno.ENAMETOOLONG, InputError, "too long for its filesystem; choose a shorter one"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_every_error_of_the_disk_says_what_to_do(
    local_store: LocalStore, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[SrError], advice: str
) -> None:
    monkeypatch.setattr(Path, "replace", refusing(code))

    with pytest.raises(SrError, match=advice) as raised:
        local_store.put_bytes("a", b"")

    assert type(raised.value) is kind
    assert str(raised.value).startswith(f"{local_store.uri}/a: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_store_cannot_be_where_a_file_is(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalStore(tmp_path / folder)
    attempts: list[Callable[[], object]] = [
        lambda: store.put_bytes("a", b""),
        lambda: store.create("a", b""),
        lambda: store.get_bytes("a"),
        lambda: store.fetch("a", tmp_path),
        lambda: store.stat("a"),
        lambda: store.delete("a"),
        lambda: list(store.list()),
    ]

    for attempt in attempts:
        with pytest.raises(InputError, match=f"{tmp_path}/file.*a file stands where a folder is needed"):
            attempt()


def test_an_object_cannot_be_another_s_folder(local_store: LocalStore) -> None:
    local_store.put_bytes("a/b", b"")
    attempts: list[Callable[[], object]] = [
        lambda: local_store.put_bytes("a", b""),
        lambda: local_store.create("a", b""),
        lambda: local_store.put_bytes("a/b/c", b""),
    ]

    for attempt in attempts:
        with pytest.raises(InputError, match=r"stands where a (file|folder) is needed"):
            attempt()


def test_a_file_to_store_must_be_there(local_store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mkv: there is no such file or folder; check the path"):
        local_store.put("a", tmp_path / "gone.mkv", sha256="")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter (pytest's own are their owner's alone)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may do everything: meanwhile it is nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_folder_that_may_not_be_written_is_told(open_folder: Path) -> None:
    store = LocalStore(open_folder / "jobs/ab12")
    open_folder.chmod(0o555)

    with unprivileged(), pytest.raises(InputError, match="permission denied; change the permissions or choose another"):
        store.put_bytes("a", b"")


def test_a_closed_folder_is_not_an_empty_store(open_folder: Path) -> None:
    store = LocalStore(open_folder)
    store.put_bytes("closed/a", b"")
    (open_folder / "closed").chmod(0)
    attempts: list[Callable[[], object]] = [
        lambda: store.get_bytes("closed/a"),
        lambda: store.fetch("closed/a", open_folder),
        lambda: store.stat("closed/a"),
        lambda: list(store.list()),
        lambda: store.delete("closed/a"),
    ]

    for attempt in attempts:
        with unprivileged(), pytest.raises(InputError, match="permission denied"):
            attempt()

    (open_folder / "closed").chmod(0o700)
