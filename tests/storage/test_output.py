"""The file that a job delivers, on disk and in S3."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sr_core.errors import HostCapacity, InputError
from sr_core.storage import OutputExists, check_publishable, publish

from .local_disk import refusing
from .place import Place

MakeFile = Callable[[bytes], tuple[Path, str]]


def test_an_output_gets_its_place(place: Place, make_file: MakeFile) -> None:
    path, _ = make_file(b"upscaled")
    uri = f"{place.uri}/out.mp4"

    check_publishable(uri, overwrite=False)
    assert place.names() == []

    publish(path, uri, overwrite=False)
    assert place.names() == ["out.mp4"]
    assert place.read("out.mp4") == b"upscaled"


def test_nothing_is_replaced_unless_asked(place: Place, make_file: MakeFile) -> None:
    path, _ = make_file(b"upscaled")
    uri = f"{place.uri}/out.mp4"
    place.write("out.mp4", b"precious")
    told = f"^{uri} exists; add --overwrite or choose another output$"

    with pytest.raises(InputError, match=told):
        check_publishable(uri, overwrite=False)
    with pytest.raises(InputError, match=told):
        publish(path, uri, overwrite=False)
    assert place.read("out.mp4") == b"precious"
    assert place.names() == ["out.mp4"]

    check_publishable(uri, overwrite=True)
    assert place.read("out.mp4") == b"precious"
    publish(path, uri, overwrite=True)
    assert place.read("out.mp4") == b"upscaled"
    assert place.names() == ["out.mp4"]


def test_a_job_replaces_what_it_made_itself_and_nothing_else(s3_place: Place, make_file: MakeFile) -> None:
    uri = f"{s3_place.uri}/out.mp4"
    first, again = make_file(b"upscaled")[0], make_file(b"upscaled otherwise")[0]

    # Given what one job has published
    publish(first, uri, overwrite=False, job="one")

    # When another wants the place, it is refused before its work and after it
    told = f"^{uri} exists and was not made by this job; choose another output, or have it replaced "
    with pytest.raises(OutputExists, match=told):
        check_publishable(uri, overwrite=False, job="other")
    with pytest.raises(OutputExists, match=told):
        publish(again, uri, overwrite=False, job="other")
    assert s3_place.read("out.mp4") == b"upscaled"

    # and the same job may do it again
    check_publishable(uri, overwrite=False, job="one")
    publish(again, uri, overwrite=False, job="one")
    assert s3_place.read("out.mp4") == b"upscaled otherwise"

    # and one that was told to replace it makes it its own
    publish(first, uri, overwrite=True, job="other")
    check_publishable(uri, overwrite=False, job="other")
    with pytest.raises(OutputExists):
        check_publishable(uri, overwrite=False, job="one")


def test_what_nobody_known_made_is_not_replaced_by_a_job(place: Place, make_file: MakeFile) -> None:
    uri = f"{place.uri}/out.mp4"
    place.write("out.mp4", b"precious")

    with pytest.raises(OutputExists):
        check_publishable(uri, overwrite=False, job="one")
    with pytest.raises(OutputExists):
        publish(make_file(b"upscaled")[0], uri, overwrite=False, job="one")

    assert place.read("out.mp4") == b"precious"


def test_of_several_that_publish_at_once_one_does(place: Place, make_file: MakeFile) -> None:
    uri = f"{place.uri}/out.mp4"
    paths = [make_file(b"%d" % number)[0] for number in range(4)]

    def try_to_publish(path: Path) -> bool:
        try:
            publish(path, uri, overwrite=False)
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(try_to_publish, paths))

    assert outcomes.count(True) == 1
    assert place.read("out.mp4") == b"%d" % outcomes.index(True)
    assert place.names() == ["out.mp4"]


def test_a_folder_is_no_output(place: Place, make_file: MakeFile) -> None:
    path, _ = make_file(b"upscaled")
    uri = f"{place.uri}/"
    attempts: list[Callable[[], None]] = [
        lambda: check_publishable(uri, overwrite=True),
        lambda: publish(path, uri, overwrite=True),
    ]

    for attempt in attempts:
        with pytest.raises(InputError, match="is a folder; give"):
            attempt()


def test_a_published_file_is_the_user_s_own(local_place: Place, make_file: MakeFile) -> None:
    """Were it another name of the job's file, editing it would damage the job."""
    path, _ = make_file(b"upscaled")
    path.chmod(0o600)

    publish(path, f"{local_place.uri}/out.mp4", overwrite=False)

    output = Path(local_place.uri) / "out.mp4"
    assert not output.samefile(path)
    umask = os.umask(0)
    os.umask(umask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_missing_folder_is_told(local_place: Place, make_file: MakeFile) -> None:
    path, _ = make_file(b"upscaled")
    uri = f"{local_place.uri}/2024/out.mp4"

    attempts: list[Callable[[], None]] = [
        lambda: check_publishable(uri, overwrite=False),
        lambda: publish(path, uri, overwrite=False),
    ]

    for attempt in attempts:
        with pytest.raises(InputError, match=f"^{local_place.uri}/2024 is not a folder; create it first$"):
            attempt()


def test_a_folder_that_takes_no_files_is_told(local_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not stop root, so the system call at the edge says no."""
    monkeypatch.setattr(Path, "open", refusing(errno.EROFS))

    with pytest.raises(InputError, match=f"^{local_place.uri}: the filesystem is read-only; choose another folder$"):
        check_publishable(f"{local_place.uri}/out.mp4", overwrite=False)


def test_a_bucket_that_takes_no_objects_is_told(aws_environment: None) -> None:
    with pytest.raises(InputError, match="s3://no-such-bucket-here: there is no such bucket"):
        check_publishable("s3://no-such-bucket-here/out.mp4", overwrite=True)


def test_a_result_that_is_gone_is_told(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such file"):
        publish(tmp_path / "gone.mp4", f"{place.uri}/out.mp4", overwrite=False)


def test_without_hard_links_nothing_is_replaced_either(
    local_place: Place, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the exFAT of most removable disks."""
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    path, _ = make_file(b"upscaled")
    local_place.write("old.mp4", b"precious")

    publish(path, f"{local_place.uri}/new.mp4", overwrite=False)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # it appeared after the check
    with pytest.raises(InputError, match="exists; add --overwrite"):
        publish(path, f"{local_place.uri}/old.mp4", overwrite=False)

    assert local_place.read("new.mp4") == b"upscaled"
    assert local_place.read("old.mp4") == b"precious"
    assert local_place.names() == ["new.mp4", "old.mp4"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_the_place_as_it_was(
    local_place: Place, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    path, _ = make_file(b"upscaled")
    if overwrite:
        local_place.write("out.mp4", b"older")
    before = local_place.names()
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))

    with pytest.raises(HostCapacity, match=r"out\.mp4: the disk is full; free some space"):
        publish(path, f"{local_place.uri}/out.mp4", overwrite=overwrite)

    assert local_place.names() == before


PUBLISHER = """
import os, signal, sys
from pathlib import Path
from sr_core.storage import disk, files

def die(source, target):
    target.write(b"half a fi")
    target.flush()
    os.kill(os.getpid(), signal.SIGKILL)

files.copied = die
files.publish(Path(sys.argv[1]), sys.argv[2], overwrite=False)
"""


def test_what_a_killed_publisher_left_is_cleaned_up_by_the_next(local_place: Place, make_file: MakeFile) -> None:
    path, _ = make_file(b"upscaled")
    uri = f"{local_place.uri}/out.mp4"
    subprocess.run([sys.executable, "-c", PUBLISHER, path, uri], check=False)
    (leftover,) = local_place.names()
    assert leftover.startswith(".sr-")

    check_publishable(uri, overwrite=False)
    publish(path, uri, overwrite=False)

    assert local_place.names() == ["out.mp4"]
