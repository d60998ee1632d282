"""What an address means, and what is said about one that means nothing."""

from pathlib import Path

import pytest

from sr_core.errors import InputError
from sr_core.storage.open import is_s3, local_path, open_store, parse_s3_uri


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/a/b.mkv", "bucket", "a/b.mkv"),
        ("S3://Bucket_1.x/a", "Bucket_1.x", "a"),
        ("s3://bucket//a/?b#c%20d\n", "bucket", "/a/?b#c%20d\n"),
    ],
)
def test_an_s3_address_is_a_bucket_and_a_key(uri: str, bucket: str, key: str) -> None:
    assert is_s3(uri)
    assert parse_s3_uri(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri", ["s3:", "s3:/bucket/a", "s3://", "s3:///a", "s3://b/a", "s3://buc ket/a", "https://x/y", "a"]
)
def test_what_is_not_an_s3_address_is_told(uri: str) -> None:
    with pytest.raises(InputError, match="not an S3 address; write s3://bucket/key"):
        parse_s3_uri(uri)


def test_directory_buckets_are_refused() -> None:
    with pytest.raises(InputError, match="use a general purpose bucket"):
        parse_s3_uri("s3://films--use1-az4--x-s3/a")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("jobs/ab12", "jobs/ab12"),
        ("/data/in.mp4", "/data/in.mp4"),
        ("file:///data/a%20b.mp4", "/data/a b.mp4"),
        ("file://localhost/data", "/data"),
        ("s3", "s3"),
        ("a:b.mp4", "a:b.mp4"),
    ],
)
def test_a_local_address_is_a_path(uri: str, path: str) -> None:
    assert not is_s3(uri)
    assert local_path(uri) == Path(path)


@pytest.mark.parametrize("uri", ["", "a\0b"])
def test_no_address_is_told(uri: str) -> None:
    with pytest.raises(InputError, match="is not an address; give a path"):
        open_store(uri)


@pytest.mark.parametrize("uri", ["https://example.com/in.mp4", "gs://bucket/jobs", "file://host/share", "rtmp://x"])
def test_other_schemes_are_refused(uri: str) -> None:
    with pytest.raises(InputError, match="addresses are not supported; give a path, file:///path or s3://bucket/key"):
        open_store(uri)


@pytest.mark.parametrize("uri", ["s3:/bucket", "s3://bucket/a//b", "s3://bucket/../a", "s3://bucket/./a"])
def test_a_store_in_s3_needs_a_plain_prefix(uri: str) -> None:
    with pytest.raises(InputError, match="write s3://bucket/"):
        open_store(uri)


def test_a_file_address_opens_the_folder(tmp_path: Path) -> None:
    assert open_store(f"file://{tmp_path}/jobs/").uri == f"{tmp_path}/jobs"
