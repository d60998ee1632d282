"""Bringing a source to S3: whole, once, under its content's name, and by the fast way where there is one."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from moto import mock_aws

from sr_core.errors import InputError, IntegrityError
from sr_core.storage import s3_bucket
from sr_core.storage.parts import PART_BYTES as PART_BYTES_OF_SUBMIT
from sr_core.storage.s3_bucket import S3Bucket
from sr_core.storage.submitted import bring, digest_of_file, is_there
from sr_core.storage.transfer import UploadListener

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MakeFile = Callable[[bytes], tuple[Path, str]]

PART_BYTES = 5 * 1024 * 1024


class Counting(UploadListener):
    """Hears how many parts are sent."""

    parts = 0

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        self.parts += 1


@pytest.mark.usefixtures("aws_environment")
def test_a_source_is_there_once_it_was_brought(bucket: str, make_file: MakeFile) -> None:
    path, sha256 = make_file(b"frames")
    uri = f"s3://{bucket}/submitted/{sha256[:16]}/film.mp4"
    assert not is_there(uri, sha256=sha256)

    bring(path, uri, digest=digest_of_file(path), accelerate=True)

    assert is_there(uri, sha256=sha256)


@pytest.mark.usefixtures("aws_environment")
def test_what_is_there_by_now_is_not_sent_again(bucket: str, make_file: MakeFile) -> None:
    # Given a large file that was looked at, like a copy of it, before either was brought
    path, _ = make_file(b"x" * (PART_BYTES_OF_SUBMIT + 1))
    uri, digest = f"s3://{bucket}/film.mp4", digest_of_file(path)
    first, second = Counting(), Counting()

    for listener in (first, second):
        bring(path, uri, digest=digest, accelerate=False, listener=listener)

    assert (first.parts, second.parts) == (2, 0)


@pytest.mark.usefixtures("aws_environment")
def test_what_another_brings_meanwhile_is_not_replaced(bucket: str, make_file: MakeFile, s3_client: "S3Client") -> None:
    # Given that somebody else was first
    path, _ = make_file(b"frames")
    uri = f"s3://{bucket}/film.mp4"
    bring(path, uri, digest=digest_of_file(path), accelerate=False)
    first = s3_client.head_object(Bucket=bucket, Key="film.mp4")["Metadata"]

    bring(path, uri, digest=digest_of_file(path), accelerate=False)

    assert s3_client.head_object(Bucket=bucket, Key="film.mp4")["Metadata"] == first


@pytest.mark.usefixtures("aws_environment")
def test_an_address_that_holds_something_else_is_refused(bucket: str, make_file: MakeFile) -> None:
    path, sha256 = make_file(b"frames")
    other, _ = make_file(b"others")
    uri = f"s3://{bucket}/film.mp4"
    bring(other, uri, digest=digest_of_file(other), accelerate=False)

    for attempt in (
        lambda: is_there(uri, sha256=sha256),
        lambda: bring(path, uri, digest=digest_of_file(path), accelerate=False),
    ):
        with pytest.raises(InputError, match="does not hold what its name promises; delete it"):
            attempt()


@pytest.mark.usefixtures("aws_environment")
def test_a_file_that_has_changed_is_not_brought(bucket: str, make_file: MakeFile) -> None:
    path, sha256 = make_file(b"frames")
    before = digest_of_file(path)
    path.write_bytes(b"other frames")
    uri = f"s3://{bucket}/film.mp4"

    with pytest.raises(IntegrityError, match="has changed since it was read; start again"):
        bring(path, uri, digest=before, accelerate=False)

    assert not is_there(uri, sha256=sha256)


def test_a_large_file_tells_how_much_of_it_has_been_sent(
    bucket: str, s3_client: "S3Client", make_file: MakeFile
) -> None:
    path, _ = make_file(b"x" * (2 * PART_BYTES + 1))
    told: list[tuple[int, int]] = []

    S3Bucket(bucket, s3_client, part_bytes=PART_BYTES).upload(
        "film.mp4", path, sent=lambda done, total: told.append((done, total))
    )

    total = 2 * PART_BYTES + 1
    assert told == sorted(told)
    assert [done for done, _ in told][-1] == total
    assert {of for _, of in told} == {total}
    assert len(told) == 3


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Who was asked to store something, in an S3 that is nobody's own; it has the bucket `films`."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    asked: list[str] = []
    connected = s3_bucket._connected

    def listened_to(connections: int, **s3: object) -> "S3Client":
        client = connected(connections, **s3)

        def hear(request: AWSPreparedRequest, **_: object) -> None:
            if request.method == "PUT":
                asked.append(request.url.split("/")[2])

        client.meta.events.register_first("before-send.s3", hear)
        return client

    monkeypatch.setattr(s3_bucket, "_connected", listened_to)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="films")
        yield asked


@pytest.mark.parametrize(
    ("is_on", "wanted", "host"),
    [
        (True, True, "films.s3-accelerate.amazonaws.com"),
        (True, False, "films.s3.us-east-1.amazonaws.com"),
        (False, True, "films.s3.us-east-1.amazonaws.com"),
    ],
    ids=["the bucket has it", "it is not wanted", "the bucket has none"],
)
def test_transfer_acceleration_is_used_where_the_bucket_has_it(
    hosts: list[str], make_file: MakeFile, is_on: bool, wanted: bool, host: str
) -> None:
    path, sha256 = make_file(b"frames")
    if is_on:
        boto3.client("s3").put_bucket_accelerate_configuration(
            Bucket="films", AccelerateConfiguration={"Status": "Enabled"}
        )

    bring(path, "s3://films/film.mp4", digest=digest_of_file(path), accelerate=wanted)

    assert hosts[-1] in (host, host.replace(".us-east-1", ""))
    stored = boto3.client("s3").get_object(Bucket="films", Key="film.mp4")["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == sha256
