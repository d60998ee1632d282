"""What `Store` promises, asked of every implementation."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sr_core.errors import DamagedData, IntegrityError
from sr_core.storage import ObjectInfo, ObjectNotFound, Store, open_store
from sr_core.storage.local import LocalStore

MakeFile = Callable[[bytes], tuple[Path, str]]

LARGE = random.Random(1).randbytes(11 * 1024 * 1024)
"""Three parts of 5, 5 and 1 MiB where parts have the smallest size that S3 takes."""


def info(key: str, *, size_bytes: int) -> ObjectInfo:
    """To be compared with: whenever it was stored."""
    return ObjectInfo(key=key, size_bytes=size_bytes, modified_at=datetime.now(UTC))


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 1000, LARGE], ids=["empty", "one byte", "small", "large"])
def test_what_was_put_comes_back(store: Store, make_file: MakeFile, tmp_path: Path, data: bytes) -> None:
    path, sha256 = make_file(data)

    store.put("segments/00012.mkv", path, sha256=sha256)

    assert store.get_bytes("segments/00012.mkv") == data
    assert store.fetch("segments/00012.mkv", tmp_path / "here", sha256=sha256).read_bytes() == data
    assert store.fetch("segments/00012.mkv", tmp_path / "there").read_bytes() == data
    assert store.stat("segments/00012.mkv") == info("segments/00012.mkv", size_bytes=len(data))


@pytest.mark.parametrize("data", [b"", b'{"frames": 96}'])
def test_bytes_come_back(store: Store, data: bytes) -> None:
    store.put_bytes("plan.json", data)

    assert store.get_bytes("plan.json") == data


def test_a_source_may_go_away_once_it_is_stored(store: Store, make_file: MakeFile) -> None:
    path, sha256 = make_file(b"frames")
    store.put("a", path, sha256=sha256)

    path.unlink()

    assert store.get_bytes("a") == b"frames"


def test_put_replaces(store: Store, make_file: MakeFile) -> None:
    store.put_bytes("a", b"older and longer")
    path, sha256 = make_file(b"newer")

    store.put("a", path, sha256=sha256)
    assert store.get_bytes("a") == b"newer"

    store.put_bytes("a", b"newest")
    assert store.get_bytes("a") == b"newest"
    assert list(store.list()) == [info("a", size_bytes=6)]


def test_the_same_file_may_be_put_twice(store: Store, make_file: MakeFile) -> None:
    path, sha256 = make_file(b"frames")

    store.put("a", path, sha256=sha256)
    store.put("a", path, sha256=sha256)
    store.put("b", path, sha256=sha256)

    assert keys(store) == ["a", "b"]


@pytest.mark.parametrize("data", [b"frames", LARGE], ids=["small", "large"])
def test_a_file_that_is_not_what_was_promised_is_refused(store: Store, make_file: MakeFile, data: bytes) -> None:
    path, _ = make_file(data)

    with pytest.raises(IntegrityError, match="make it again"):
        store.put("a", path, sha256=hashlib.sha256(b"other frames").hexdigest())

    assert store.stat("a") is None
    assert keys(store) == []


def test_a_refused_file_leaves_what_was_there(store: Store, make_file: MakeFile) -> None:
    store.put_bytes("a", b"good")
    path, _ = make_file(b"bad")

    with pytest.raises(IntegrityError):
        store.put("a", path, sha256=hashlib.sha256(b"good").hexdigest())

    assert store.get_bytes("a") == b"good"


def test_damaged_content_is_told(store: Store, tmp_path: Path) -> None:
    store.put_bytes("a/b", b"damaged")

    with pytest.raises(DamagedData, match="made again") as raised:
        store.fetch("a/b", tmp_path / "here", sha256=hashlib.sha256(b"intact").hexdigest())

    assert raised.value.key == "a/b"
    assert not (tmp_path / "here/a/b").exists()


def test_what_is_not_there_is_told(store: Store, tmp_path: Path) -> None:
    store.put_bytes("there/too", b"")

    for missing in ("nowhere", "there", "there/to", "there/too/deep"):
        with pytest.raises(ObjectNotFound, match=f"{store.uri}/{missing} does not exist") as raised:
            store.get_bytes(missing)
        assert raised.value.key == missing
        with pytest.raises(ObjectNotFound):
            store.fetch(missing, tmp_path / "here")
        assert store.stat(missing) is None


def test_an_address_where_nothing_lies_is_an_empty_store(store: Store) -> None:
    assert keys(store) == []
    assert keys(store, "segments/") == []
    assert store.stat("plan.json") is None
    store.delete("plan.json")


def test_create_stores_only_where_the_key_is_free(store: Store) -> None:
    assert store.create("receipts/00001.json", b"first") is True
    assert store.create("receipts/00001.json", b"second") is False
    assert store.get_bytes("receipts/00001.json") == b"first"


def test_a_deleted_key_is_free_again(store: Store) -> None:
    store.create("a", b"first")
    store.delete("a")

    assert store.create("a", b"second") is True
    assert store.get_bytes("a") == b"second"


def test_create_has_one_winner_among_threads(store: Store) -> None:
    names = [f"receipts/{number}.json" for number in range(4)]

    def create_all(writer: int) -> list[bool]:
        return [store.create(name, b"%d" % writer) for name in names]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(create_all, range(8)))

    for name, won in zip(names, zip(*outcomes, strict=True), strict=True):
        assert won.count(True) == 1
        assert store.get_bytes(name) == b"%d" % won.index(True)


def test_many_threads_may_write_at_once(store: Store) -> None:
    def put(number: int) -> None:
        store.put_bytes(f"segments/{number:05}", b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(24)))

    assert keys(store) == [f"segments/{number:05}" for number in range(24)]


def test_delete_may_be_repeated_and_takes_nothing_else(store: Store) -> None:
    for name in ("a/b", "a/bc", "a/b-/c"):
        store.put_bytes(name, b"")

    for _ in range(2):
        store.delete("a/b")
        store.delete("a")
        store.delete("a/b/c")

    assert keys(store) == ["a/b-/c", "a/bc"]


@pytest.mark.parametrize("key", ["видео/日本語 ü.mkv", "a b/c+d%20e&f=g?.json", "x" * 255, "~/$HOME/'\"`#*"])
def test_keys_may_be_odd(store: Store, tmp_path: Path, key: str) -> None:
    store.put_bytes(key, b"odd")

    assert store.get_bytes(key) == b"odd"
    assert store.fetch(key, tmp_path / "here").read_bytes() == b"odd"
    assert keys(store) == keys(store, key[:3]) == [key]
    store.delete(key)
    assert keys(store) == []


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "..", "../other/plan.json", "a/../../b", "a/./b", "a//b", "a/", ".partial/x", "a\0b", "\udcff"],
)
def test_keys_cannot_leave_the_store(store: Store, make_file: MakeFile, tmp_path: Path, key: str) -> None:
    path, sha256 = make_file(b"data")
    attempts: list[Callable[[], object]] = [
        lambda: store.put(key, path, sha256=sha256),
        lambda: store.put_bytes(key, b"data"),
        lambda: store.create(key, b"data"),
        lambda: store.get_bytes(key),
        lambda: store.fetch(key, tmp_path),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ]

    for attempt in attempts:
        with pytest.raises(ValueError, match=r"key|surrogates"):
            attempt()


@pytest.mark.usefixtures("aws_environment")
def test_the_address_opens_the_same_store(store: Store) -> None:
    store.put_bytes("a/b", b"same")

    again = open_store(store.uri)

    assert again.uri == store.uri
    assert not store.uri.endswith("/")
    assert again.get_bytes("a/b") == b"same"


WRITER = """
import hashlib, itertools, sys
from pathlib import Path
from sr_core.storage import open_store

store = open_store(sys.argv[1])
paths = [Path(name) for name in sys.argv[2:]]
for path in itertools.cycle(paths):
    data = path.read_bytes()
    store.put("segments/00001.mkv", path, sha256=hashlib.sha256(data).hexdigest())
    store.put_bytes("segments/00001.mkv", data)
    print("stored", flush=True)
"""


@pytest.mark.usefixtures("aws_environment")
def test_whenever_the_writer_is_killed_readers_see_a_whole_object(store: Store, make_file: MakeFile) -> None:
    """Real processes get a real SIGKILL at random moments of writing the same key over and over."""
    contents = [bytes([number]) * (3_000_000 + number) for number in range(2)]
    paths = [make_file(data)[0] for data in contents]
    moments = random.Random(3)

    for _ in range(8 if isinstance(store, LocalStore) else 1):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, store.uri, *paths], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"stored\n"
        end = time.monotonic() + moments.uniform(0, 0.05)
        while True:
            assert store.get_bytes("segments/00001.mkv") in contents
            if time.monotonic() > end:
                break
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        assert store.get_bytes("segments/00001.mkv") in contents
        assert [info.size_bytes for info in store.list()] in [[len(data)] for data in contents]

    store.put_bytes("segments/00001.mkv", b"the next writer is not disturbed")
    assert store.get_bytes("segments/00001.mkv") == b"the next writer is not disturbed"
