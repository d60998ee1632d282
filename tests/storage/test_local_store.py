"""What only a store of plain files has to cope with: processes, links, full disks, permissions, leftovers."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sr_core.errors import InputError, TransientError
from sr_core.storage import open_store
from sr_core.storage.disk import partial_file, remove_abandoned
from sr_core.storage.local import PARTIAL_FOLDER, LocalStore

from .local_disk import leftovers, refusing

MakeFile = Callable[[bytes], tuple[Path, str]]


CONTENDER = """
import sys, time
from pathlib import Path
from sr_core.storage import open_store

store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    if store.create(f"receipts/{number}.json", sys.argv[2].encode()):
        print(number)
"""


def test_create_has_one_winner_among_processes(local_store: LocalStore) -> None:
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, local_store.uri, str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in range(8)
    ]
    for contender in contenders:
        assert contender.stdout is not None
        assert contender.stdout.readline() == "ready\n"
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()

    won = [contender.communicate()[0].split() for contender in contenders]

    assert sorted(int(number) for numbers in won for number in numbers) == list(range(40))
    for writer, numbers in enumerate(won):
        for number in numbers:
            assert local_store.get_bytes(f"receipts/{number}.json") == str(writer).encode()
    assert leftovers(local_store) == []


def test_a_file_on_the_same_disk_is_not_copied(local_store: LocalStore, make_file: MakeFile, tmp_path: Path) -> None:
    path, sha256 = make_file(b"frames")

    local_store.put("a/b", path, sha256=sha256)
    local_store.put("a/b", path, sha256=sha256)  # renaming a file to itself leaves both names, if nobody looks

    assert local_store.fetch("a/b", tmp_path / "unused").samefile(path)
    assert not (tmp_path / "unused").exists()
    assert leftovers(local_store) == []


def test_a_link_is_stored_as_what_it_points_to(local_store: LocalStore, make_file: MakeFile, tmp_path: Path) -> None:
    path, sha256 = make_file(b"frames")
    link = tmp_path / "link"
    link.symlink_to(path)

    local_store.put("a", link, sha256=sha256)

    assert not (Path(local_store.uri) / "a").is_symlink()
    assert local_store.get_bytes("a") == b"frames"


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_linked_is_copied(
    local_store: LocalStore, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path, sha256 = make_file(b"frames" * 500_000)
    monkeypatch.setattr(os, "link", refusing(code))

    local_store.put("a", path, sha256=sha256)

    stored = local_store.fetch("a", tmp_path, sha256=sha256)
    assert not stored.samefile(path)
    assert leftovers(local_store) == []


def test_without_hard_links_create_refuses(local_store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))

    with pytest.raises(InputError, match=r"no hard links.*choose a folder on another"):
        local_store.create("receipts/1.json", b"{}")

    assert list(local_store.list()) == []


def test_a_link_whose_answer_was_lost_still_won(local_store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS does when it repeats a request."""
    link = os.link

    def link_twice(*args: str) -> None:
        link(*args)
        link(*args)

    monkeypatch.setattr(os, "link", link_twice)

    assert local_store.create("a", b"mine") is True


DYING_WRITER = """
import os, signal, sys
from pathlib import Path
from sr_core.storage.disk import durable_twin, partial_file

source = open(sys.argv[2], "rb")
with partial_file(Path(sys.argv[1])) as file, durable_twin(source, Path(sys.argv[1])):
    file.write(b"half a segm")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_leftovers_of_dead_writers_are_not_listed_and_the_next_write_removes_them(
    local_store: LocalStore, make_file: MakeFile
) -> None:
    local_store.put_bytes("a", b"")
    partials = Path(local_store.uri) / PARTIAL_FOLDER
    subprocess.run([sys.executable, "-c", DYING_WRITER, partials, make_file(b"frames")[0]], check=False)
    assert len(leftovers(local_store)) == 2

    assert [info.key for info in local_store.list()] == ["a"]
    local_store.put_bytes("b", b"")

    assert leftovers(local_store) == []


def test_what_a_living_writer_writes_is_left_alone(local_store: LocalStore) -> None:
    local_store.put_bytes("a", b"")
    partials = Path(local_store.uri) / PARTIAL_FOLDER

    with partial_file(partials) as file:
        local_store.put_bytes("b", b"")

        assert leftovers(local_store) == [Path(file.name).name]
        assert [info.key for info in local_store.list()] == ["a", "b"]


def test_without_locks_nothing_is_taken_for_abandoned(
    local_store: LocalStore, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256 = make_file(b"frames")
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    local_store.put_bytes("a", b"")

    with partial_file(Path(local_store.uri) / PARTIAL_FOLDER):
        local_store.put("b", path, sha256=sha256)

        assert len(leftovers(local_store)) == 1


def test_a_clean_up_at_the_worst_moment_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file that is taken for abandoned between its creation and its lock is made anew."""
    flock = fcntl.flock
    taken: list[Path] = []

    def flock_late(descriptor: int, kind: int) -> None:
        if kind == fcntl.LOCK_SH and not taken:
            taken.extend(tmp_path.iterdir())
            remove_abandoned(tmp_path)
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", flock_late)

    with partial_file(tmp_path) as file:
        assert len(taken) == 1
        assert [Path(file.name)] == list(tmp_path.iterdir()) != taken


def test_delete_removes_the_folders_it_empties(local_store: LocalStore) -> None:
    local_store.put_bytes("a/b/c/d", b"")
    local_store.put_bytes("a/x", b"")

    local_store.delete("a/b/c/d")
    assert not (Path(local_store.uri) / "a/b").exists()

    local_store.delete("a/x")
    assert not (Path(local_store.uri) / "a").exists()
    assert Path(local_store.uri).is_dir()


def test_a_folder_that_goes_away_under_a_write_is_made_again(
    local_store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # more races in the same time

    def put_and_delete(name: str) -> None:
        for number in range(150):
            local_store.put_bytes(f"a/b/{name}", b"%d" % number)
            assert local_store.get_bytes(f"a/b/{name}") == b"%d" % number
            local_store.delete(f"a/b/{name}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_and_delete, "wxyz"))

    assert list(local_store.list()) == []
    assert not (Path(local_store.uri) / "a").exists()


def test_a_folder_that_cannot_be_kept_is_told(local_store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", refusing(errno.ENOENT))

    with pytest.raises(TransientError, match="keeps disappearing"):
        local_store.put_bytes("a/b", b"")


def test_a_listing_survives_what_disappears_meanwhile(local_store: LocalStore) -> None:
    for number in range(3):
        local_store.put_bytes(f"a{number}/x", b"")

    listing = local_store.list()
    assert next(listing).key == "a0/x"
    local_store.delete("a1/x")

    assert [info.key for info in listing] == ["a2/x"]


def test_what_is_not_an_object_is_not_listed(local_store: LocalStore) -> None:
    local_store.put_bytes("a/b", b"")
    root = Path(local_store.uri)
    (root / ".DS_Store").write_bytes(b"")
    (root / "a/.nfs0001").write_bytes(b"")
    (root / "empty/folder").mkdir(parents=True)
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")

    assert [info.key for info in local_store.list()] == ["a/b"]
    assert local_store.stat("pipe") is None


def test_a_local_store_does_without_the_aws_sdk(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from sr_core.storage import open_store\n"
        "from sr_core.storage.files import publish, source_version\n"
        "store = open_store(sys.argv[1])\n"
        "store.put_bytes('a', b'1')\n"
        "source_version(sys.argv[1] + '/a')\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore', 's3transfer')])\n"
    )

    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "store"], check=True, capture_output=True, text=True
    ).stdout

    assert told == "[]\n"


def test_a_store_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("jobs/ab12/")
    monkeypatch.chdir("/")

    store.put_bytes("a", b"1")

    assert store.uri == f"{tmp_path}/jobs/ab12"
    assert (tmp_path / "jobs/ab12/a").read_bytes() == b"1"


def test_readers_never_see_a_half_written_object(local_store: LocalStore) -> None:
    contents = [b"0" * 400_000, b"1" * 500_000]
    local_store.put_bytes("a", contents[0])
    done = threading.Event()

    def write() -> None:
        for number in range(30):
            local_store.put_bytes("a", contents[number % 2])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not done.is_set():
            assert local_store.get_bytes("a") in contents
        writing.result()
