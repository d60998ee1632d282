"""What only a store in S3 has to cope with: parts, checksums, pages, versions of what is there, credentials."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sr_core.errors import InputError, IntegrityError
from sr_core.storage import open_store
from sr_core.storage.s3 import S3Store
from sr_core.storage.s3_bucket import S3Bucket

from .requests import before

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MakeFile = Callable[[bytes], tuple[Path, str]]

PART_BYTES = 5 * 1024 * 1024
"""Of `s3_store`: the smallest part that S3 takes."""


def test_objects_lie_under_the_prefix(s3_store: S3Store, s3_client: "S3Client", bucket: str) -> None:
    s3_store.put_bytes("a/b", b"")

    assert s3_store.uri == f"s3://{bucket}/jobs/ab12"
    assert [item["Key"] for item in s3_client.list_objects_v2(Bucket=bucket)["Contents"]] == ["jobs/ab12/a/b"]


def test_a_neighbour_whose_prefix_begins_alike_is_not_listed(s3_client: "S3Client", bucket: str) -> None:
    S3Store(bucket, "jobs/ab123", s3_client).put_bytes("a", b"")
    assert list(S3Store(bucket, "jobs/ab12", s3_client).list()) == []


@pytest.mark.parametrize("prefix", ["", "/", "jobs", "/jobs/"])
def test_a_store_may_be_a_whole_bucket(s3_client: "S3Client", bucket: str, prefix: str) -> None:
    store = S3Store(bucket, prefix, s3_client)

    store.put_bytes("a", b"1")

    assert store.uri == f"s3://{bucket}{'/jobs' if prefix.strip('/') else ''}"
    assert [(info.key, info.size_bytes) for info in store.list()] == [("a", 1)]


@pytest.mark.parametrize(
    ("size_bytes", "parts"),
    [(0, None), (PART_BYTES, None), (PART_BYTES + 1, 2), (2 * PART_BYTES, 2)],
)
def test_a_large_file_travels_in_parts_and_bears_its_checksums(
    s3_store: S3Store, s3_client: "S3Client", bucket: str, make_file: MakeFile, size_bytes: int, parts: int | None
) -> None:
    path, sha256 = make_file(bytes(size_bytes))

    s3_store.put("segment.mp4", path, sha256=sha256)

    stored = s3_client.head_object(Bucket=bucket, Key="jobs/ab12/segment.mp4", ChecksumMode="ENABLED")
    assert stored["Metadata"]["sha256"] == sha256
    assert stored["ContentType"] == "video/mp4"
    assert "ChecksumSHA256" in stored
    assert stored["ETag"].strip('"').partition("-")[2] == (str(parts) if parts else "")


def test_bytes_bear_their_checksum_too(s3_store: S3Store, s3_client: "S3Client", bucket: str) -> None:
    s3_store.put_bytes("plan.json", b"{}")

    stored = s3_client.head_object(Bucket=bucket, Key="jobs/ab12/plan.json", ChecksumMode="ENABLED")
    assert stored["Metadata"]["sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert stored["ContentType"] == "application/json"
    assert "ChecksumSHA256" in stored


def test_a_file_that_changes_while_it_is_sent_is_refused_and_leaves_nothing(
    s3_store: S3Store, s3_client: "S3Client", bucket: str, make_file: MakeFile
) -> None:
    path, sha256 = make_file(bytes(PART_BYTES + 100))

    def change(params: dict[str, Any]) -> None:
        with path.open("r+b") as file:
            file.seek(PART_BYTES + 50)
            file.write(b"!")

    with (
        before(s3_client, "CreateMultipartUpload", change),
        pytest.raises(IntegrityError, match="the file changed while it was sent"),
    ):
        s3_store.put("a", path, sha256=sha256)

    assert list(s3_store.list()) == []
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_of_two_large_files_that_want_one_free_key_the_second_loses(
    s3_client: "S3Client", bucket: str, make_file: MakeFile
) -> None:
    objects = S3Bucket(bucket, s3_client, part_bytes=PART_BYTES)
    first, _ = make_file(b"1" * (PART_BYTES + 1))
    second, _ = make_file(b"2" * (PART_BYTES + 1))

    assert objects.upload("out.mp4", first, only_if_free=True) is True
    assert objects.upload("out.mp4", second, only_if_free=True) is False

    assert objects.read("out.mp4") == first.read_bytes()
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_a_long_listing_comes_in_pages(s3_store: S3Store, s3_client: "S3Client") -> None:
    names = [f"receipts/{number}" for number in range(7)]
    for name in names:
        s3_store.put_bytes(name, b"")

    with before(s3_client, "ListObjectsV2", lambda params: params.update(MaxKeys=3)):
        assert [info.key for info in s3_store.list("receipts/")] == names


def test_what_others_left_under_impossible_keys_is_not_listed(
    s3_store: S3Store, s3_client: "S3Client", bucket: str
) -> None:
    """The console makes an empty object for a folder; a store could neither read nor delete these."""
    for key in ("jobs/ab12/", "jobs/ab12/folder/", "jobs/ab12//a", "jobs/ab12/.hidden"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"")
    s3_store.put_bytes("a", b"")

    assert [info.key for info in s3_store.list()] == ["a"]


def test_a_download_replaces_what_an_earlier_one_left(s3_store: S3Store, tmp_path: Path) -> None:
    s3_store.put_bytes("chunks/1", b"new")
    (tmp_path / "chunks").mkdir()
    (tmp_path / "chunks/1").write_bytes(b"old and longer")

    path = s3_store.fetch("chunks/1", tmp_path)

    assert path == tmp_path / "chunks/1"
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_bucket_is_told(s3_client: "S3Client", tmp_path: Path) -> None:
    store = S3Store("no-such-bucket-here", "jobs", s3_client)
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
        with pytest.raises(InputError, match="s3://no-such-bucket-here: there is no such bucket; check its name"):
            attempt()


def test_a_full_disk_under_a_download_is_a_matter_of_capacity(
    s3_store: S3Store, tmp_path: Path, aws_environment: None
) -> None:
    """A real limit, the largest file that a process may write, stands for the full disk."""
    s3_store.put_bytes("large", bytes(200_000))
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sr_core.errors import HostCapacity\n"
        "from sr_core.storage import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    store.fetch('large', Path(sys.argv[2]))\n"
        "except HostCapacity as error:\n"
        "    print(error)\n"
    )

    told = subprocess.run(
        [sys.executable, "-B", "-c", program, s3_store.uri, tmp_path / "full"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "use a folder on another disk" in told
    assert list((tmp_path / "full").iterdir()) == []


@pytest.mark.usefixtures("aws_environment")
def test_without_credentials_the_way_to_get_them_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(InputError, match=r"no usable AWS credentials .*; run 'aws configure' or set AWS_PROFILE"):
        open_store(f"s3://{bucket}").put_bytes("a", b"")


@pytest.mark.usefixtures("aws_environment")
def test_an_unknown_profile_is_told_when_the_store_is_opened(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(InputError, match=f"s3://{bucket}: no usable AWS credentials .*nobody"):
        open_store(f"s3://{bucket}/jobs")
