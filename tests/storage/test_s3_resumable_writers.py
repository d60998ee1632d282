"""Two processes bring the same file at once: each ends well, and there is one object."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sr_core.errors import TransientError

from .interrupted import CONTENT, KEY, Upload
from .requests import before
from .strict_s3 import StrictS3, unfinished


@pytest.fixture
def twin(upload: Upload, connect_to: Any, s3_endpoint: str) -> Upload:
    """The same in another process, so to speak: by a client of its own."""
    return Upload(connect_to(s3_endpoint), upload.bucket, upload.path, upload.digest)


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_who_is_overtaken_finds_the_object_and_sends_no_more(upload: Upload, twin: Upload, operation: str) -> None:
    # Given that the other one goes on with the same upload while this one is about to
    upload.interrupted(at=3)
    versions: list[str] = []

    def overtake(_: dict[str, Any]) -> None:
        if not versions:
            assert twin()
            versions.append(upload.client.head_object(Bucket=upload.bucket, Key=KEY)["Metadata"]["write-id"])

    with before(upload.client, operation, overtake):
        assert not upload()

    assert twin.parts_sent == ([3, 4] if operation == "UploadPart" else [])
    assert upload.stored == CONTENT
    assert upload.client.head_object(Bucket=upload.bucket, Key=KEY)["Metadata"]["write-id"] == versions[0]
    assert upload.unfinished == []


def test_who_loses_with_an_upload_of_its_own_leaves_nothing(upload: Upload, twin: Upload) -> None:
    # Given that this one had nothing to go on with, nor had the other one, which is first
    def overtake(_: dict[str, Any]) -> None:
        own = unfinished(upload.bucket)
        (kept,) = own.items()
        own.clear()
        assert twin()
        own[kept[0]] = kept[1]

    with before(upload.client, "CompleteMultipartUpload", overtake):
        assert not upload()

    assert upload.parts_sent == twin.parts_sent == [1, 2, 3, 4]
    assert upload.unfinished == []


def test_a_part_that_another_has_sent_once_more_is_taken_as_it_is(upload: Upload) -> None:
    """Under a key of KMS, the same bytes sent twice have two ETags, and S3 wants to be told the second."""
    renewed = "0" * 32

    def send_again(_: dict[str, Any]) -> None:
        (found,) = unfinished(upload.bucket).values()
        found.parts[2]._etag = renewed

    with before(upload.client, "CompleteMultipartUpload", send_again):
        assert upload()

    assert upload.parts_sent == [1, 2, 3, 4]
    assert upload.stored == CONTENT


def test_an_upload_that_was_aborted_meanwhile_begins_anew(upload: Upload) -> None:
    """By the bucket's lifecycle rule, say."""
    upload.interrupted(at=3)
    (upload_id,) = upload.unfinished

    def abort(_: dict[str, Any]) -> None:
        unfinished(upload.bucket).pop(upload_id, None)

    with before(upload.client, "UploadPart", abort):
        assert upload()

    assert upload.parts_sent == [3, 1, 2, 3, 4]
    assert upload.stored == CONTENT
    assert upload.unfinished == []


def test_an_upload_that_ends_while_it_is_looked_at_is_none(upload: Upload) -> None:
    upload.interrupted(at=3)

    with before(upload.client, "ListParts", lambda _: unfinished(upload.bucket).clear()):
        assert upload()

    assert upload.parts_sent == [1, 2, 3, 4]
    assert upload.stored == CONTENT


def test_a_conflict_without_the_rights_to_go_on_from_it_leaves_nothing(upload: Upload, strict_s3: StrictS3) -> None:
    """That these rights are missing shows only now: there was no upload before whose parts could be asked for."""
    strict_s3.denied.add("s3:ListMultipartUploadParts")
    conflicts = iter([True])

    def conflict(_: dict[str, Any]) -> None:
        if next(conflicts, False):
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "CompleteMultipartUpload")

    with before(upload.client, "CompleteMultipartUpload", conflict):
        assert upload()

    assert upload.parts_sent == [1, 2, 3, 4] * 2
    assert upload.unfinished == []


def test_a_conflict_that_stays_ends_the_upload(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a conflict S3 may want an upload that was begun anew: the next call must not find this one."""
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def conflict(_: dict[str, Any]) -> None:
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "CompleteMultipartUpload")

    with (
        before(upload.client, "CompleteMultipartUpload", conflict),
        pytest.raises(TransientError, match="other writers keep getting in the way; try again"),
    ):
        upload()

    assert upload.parts_sent == [1, 2, 3, 4]
    assert upload.unfinished == []
