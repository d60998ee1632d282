"""Files that the jobs of a machine share: downloaded once, never in part, never taken from under a reader."""

import errno
import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sr_core.contract import ENV_CACHE
from sr_core.errors import InputError, TransientError
from sr_core.storage import fetch_shared, fetch_source, source_version
from sr_core.storage.host_cache import HostCache
from sr_core.storage.local import LocalStore
from sr_core.storage.s3 import S3Store
from sr_core.storage.s3_bucket import S3Bucket

from .cache_user import Use, content, downloads, start
from .local_disk import refusing
from .place import Place

SIZE_BYTES = 1000


class Machine:
    """One process's view of a cache with room for two files, and what it downloaded."""

    def __init__(self, folder: Path, *, max_bytes: int = 2 * SIZE_BYTES) -> None:
        self.cache = HostCache(folder / "cache", max_bytes=max_bytes)
        self.downloaded: list[str] = []
        self._folder = folder
        self._job_count = 0

    def fetch(self, name: str) -> Path:
        """As a job of its own does."""
        self._job_count += 1
        target = self._folder / f"job-{self._job_count}" / name
        target.parent.mkdir()

        def download() -> None:
            self.downloaded.append(name)
            target.write_bytes(content(name, SIZE_BYTES))

        self.cache.provide(name, target, download)
        assert target.read_bytes() == content(name, SIZE_BYTES)
        return target

    def use(self, name: str) -> None:
        """Fetches it, and is done with it."""
        self.fetch(name).unlink()

    def entries(self) -> list[Path]:
        return [path for path in (self._folder / "cache").iterdir() if not path.name.endswith(".lock")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_one_job_fetched_the_next_one_has(machine: Machine) -> None:
    first = machine.fetch("weights")
    second = machine.fetch("weights")

    assert machine.downloaded == ["weights"]
    assert second.samefile(first)
    assert second.stat().st_mode & 0o222 == 0


def test_the_least_recently_used_is_given_up_for_what_is_new(machine: Machine) -> None:
    for name in ("a", "b", "a", "c"):
        machine.use(name)
    machine.downloaded.clear()

    machine.use("a")
    machine.use("c")
    assert machine.downloaded == []
    machine.use("b")
    assert machine.downloaded == ["b"]


def test_what_somebody_reads_is_neither_taken_away_nor_given_up(machine: Machine) -> None:
    # Given a full cache whose files are in use
    a, b = machine.fetch("a"), machine.fetch("b")

    # When another file comes
    c = machine.fetch("c")

    # Then it is not kept; when one of them is no longer used, the next one is
    assert [path.read_bytes() for path in (a, b, c)] == [content(name, SIZE_BYTES) for name in "abc"]
    assert len(machine.entries()) == 2
    a.unlink()
    machine.use("c")
    machine.use("c")
    assert machine.downloaded == ["a", "b", "c", "c"]


def test_what_is_larger_than_the_cache_does_not_empty_it(tmp_path: Path) -> None:
    Machine(tmp_path).use("a")
    small = Machine(tmp_path, max_bytes=SIZE_BYTES // 2)
    small._job_count = 10

    small.use("b")

    assert small.downloaded == ["b"]
    assert all(hashlib.sha256(b"a").hexdigest() in path.name for path in small.entries())


@pytest.mark.parametrize("damage", [b"", b"x" * SIZE_BYTES, content("a", SIZE_BYTES)[:-1]])
def test_a_damaged_file_is_not_trusted(machine: Machine, damage: bytes) -> None:
    machine.use("a")
    (entry,) = machine.entries()
    entry.chmod(0o644)
    entry.write_bytes(damage)

    machine.use("a")
    machine.use("a")

    assert machine.downloaded == ["a", "a"]


def test_a_download_that_fails_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    def fail() -> None:
        (tmp_path / "part").write_bytes(b"part")
        raise TransientError("cut off")

    with pytest.raises(TransientError):
        machine.cache.provide("a", tmp_path / "part", fail)

    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EPERM, errno.EXDEV])
def test_a_cache_that_fails_costs_no_job(machine: Machine, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "link", refusing(code))

    machine.use("a")
    machine.use("a")

    # Where only links are refused, a copy is kept; it is whole, and nobody else's.
    kept = code in (errno.EPERM, errno.EXDEV)
    assert machine.downloaded == (["a"] if kept else ["a", "a"])
    assert len(machine.entries()) == (1 if kept else 0)


def test_another_filesystem_gets_copies(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem")
    folder = elsewhere / f"sr-test-{os.getpid()}"
    cache = HostCache(folder, max_bytes=SIZE_BYTES)
    try:
        for name in ("one", "two"):
            cache.provide("a", tmp_path / name, lambda: (tmp_path / "one").write_bytes(b"frames"))
        assert (tmp_path / "two").read_bytes() == b"frames"
        assert (tmp_path / "two").stat().st_nlink == 1
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


# --- several processes -----------------------------------------------------------------------------------------------


def test_many_processes_that_want_the_same_download_it_once(tmp_path: Path) -> None:
    users = [start(tmp_path, Use(names=("film",), download_seconds=0.5)) for _ in range(6)]

    assert [user.wait(60) for user in users] == [0] * 6
    assert downloads(tmp_path) == ["film"]


def test_a_killed_process_leaves_the_turn_and_nothing_else(tmp_path: Path) -> None:
    # Given a process that dies in the middle of the download that another one waits for
    dying = start(tmp_path, Use(names=("film",), download_seconds=0.5, dies_in_download=True))
    while not downloads(tmp_path):
        time.sleep(0.01)
    waiting = start(tmp_path, Use(names=("film",)))

    # Then the other one does it
    assert dying.wait(60) == -signal.SIGKILL
    assert waiting.wait(60) == 0
    assert downloads(tmp_path) == ["film", "film"]
    (entry,) = [path for path in (tmp_path / "cache").iterdir() if path.name != ".lock"]
    assert entry.read_bytes() == content("film", 100_000)


def test_under_pressure_every_reader_keeps_its_file_and_the_cache_its_bound(tmp_path: Path) -> None:
    """Four processes fetch eight files again and again through a cache with room for three."""
    max_bytes = 350_000
    names = tuple(f"film-{number}" for number in range(8)) * 12
    users = [start(tmp_path, Use(names=names, max_bytes=max_bytes, seed=seed)) for seed in range(4)]

    largest = 0
    while any(user.poll() is None for user in users):
        largest = max(largest, cached_bytes(tmp_path / "cache"))
        time.sleep(0.002)

    assert [user.returncode for user in users] == [0] * 4
    assert 0 < largest <= max_bytes
    assert len(downloads(tmp_path)) < 4 * len(names)


def cached_bytes(folder: Path) -> int:
    """The size of every file that has a name there at one moment, more or less."""
    sizes = []
    for path in folder.glob("*-*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            return 0  # entries came and went meanwhile: look again
    return sum(sizes)


# --- what is fetched through it --------------------------------------------------------------------------------------


@pytest.fixture
def download_count(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    keys: list[str] = []
    download = S3Bucket.download

    def counted(self: S3Bucket, key: str, *args: object, **kwargs: object) -> None:
        keys.append(key)
        download(self, key, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Bucket, "download", counted)
    return lambda: len(keys)


def test_a_source_is_downloaded_once_for_each_version(
    s3_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download_count: Callable[[], int]
) -> None:
    monkeypatch.setenv(ENV_CACHE, str(tmp_path / "cache"))
    uri = f"{s3_place.uri}/in.mp4"
    s3_place.write("in.mp4", b"frames")
    version = source_version(uri)

    paths = [fetch_source(uri, tmp_path / job, version=version) for job in ("extract", "assemble")]
    assert [path.read_bytes() for path in paths] == [b"frames", b"frames"]
    assert download_count() == 1

    s3_place.write("in.mp4", b"other frames")
    assert fetch_source(uri, tmp_path / "next").read_bytes() == b"other frames"
    with pytest.raises(InputError, match="has changed since"):  # though its content is still in the cache
        fetch_source(uri, tmp_path / "late", version=version)


def test_weights_are_downloaded_once(
    s3_store: S3Store,
    tmp_path: Path,
    make_file: Callable[[bytes], tuple[Path, str]],
    monkeypatch: pytest.MonkeyPatch,
    download_count: Callable[[], int],
) -> None:
    monkeypatch.setenv(ENV_CACHE, str(tmp_path / "cache"))
    path, sha256 = make_file(b"weights")
    s3_store.put("models/w.safetensors", path, sha256=sha256)

    fetched = [fetch_shared(s3_store, "models/w.safetensors", tmp_path / job, sha256=sha256) for job in ("1", "2")]

    assert [path.read_bytes() for path in fetched] == [b"weights", b"weights"]
    assert download_count() == 1


def test_without_a_cache_every_job_downloads_for_itself(
    s3_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download_count: Callable[[], int]
) -> None:
    monkeypatch.delenv(ENV_CACHE, raising=False)
    s3_place.write("in.mp4", b"frames")

    for job in ("1", "2"):
        fetch_source(f"{s3_place.uri}/in.mp4", tmp_path / job)

    assert download_count() == 2


def test_local_files_need_no_cache(local_store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_CACHE, str(tmp_path / "cache"))
    local_store.put_bytes("models/w", b"weights")

    path = fetch_shared(local_store, "models/w", tmp_path, sha256=hashlib.sha256(b"weights").hexdigest())

    assert path == Path(local_store.uri) / "models/w"
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_is_no_folder_is_told(s3_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_place.write("in.mp4", b"frames")
    (tmp_path / "file").touch()
    monkeypatch.setenv(ENV_CACHE, str(tmp_path / "file"))

    with pytest.raises(InputError, match=r"^SR_CACHE: .*file: a file stands where a folder is needed"):
        fetch_source(f"{s3_place.uri}/in.mp4", tmp_path / "job")
