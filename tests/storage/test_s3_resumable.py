"""An upload that was interrupted goes on: what S3 has of the file is not sent again, nothing else is taken for it."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from sr_core.errors import IntegrityError, TransientError
from sr_core.storage.s3_bucket import S3Bucket

from .interrupted import CONTENT, KEY, PART_BYTES, PARTS, TOTAL_BYTES, Upload, part_of
from .requests import before
from .strict_s3 import StrictS3


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()], ids=["network", "Ctrl-C"])
def test_what_was_sent_before_an_interruption_is_not_sent_again(upload: Upload, error: BaseException | None) -> None:
    # Given an upload that stopped after two parts
    upload.interrupted(at=3, error=error)
    assert upload.parts_sent[:2] == [1, 2]

    assert upload()

    # Then only the others are sent, those are told of and count at once, and the object is whole and bears its sha256
    assert upload.parts_sent == [3, 4]
    assert upload.heard == [
        ("resuming", 2 * PART_BYTES, TOTAL_BYTES),
        (2 * PART_BYTES, TOTAL_BYTES),
        (3 * PART_BYTES, TOTAL_BYTES),
        (TOTAL_BYTES, TOTAL_BYTES),
    ]
    assert upload.stored == CONTENT
    assert upload.client.head_object(Bucket=upload.bucket, Key=KEY)["Metadata"]["sha256"] == upload.digest.sha256
    assert upload.unfinished == []


def test_an_upload_that_had_only_to_be_put_together_sends_nothing(upload: Upload) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    with before(upload.client, "CompleteMultipartUpload", fail), pytest.raises(TransientError, match="try again"):
        upload()

    assert upload()

    assert upload.parts_sent == []
    assert upload.heard == [("resuming", TOTAL_BYTES, TOTAL_BYTES), (TOTAL_BYTES, TOTAL_BYTES)]
    assert upload.stored == CONTENT


def test_a_long_list_of_parts_comes_in_pages(upload: Upload) -> None:
    upload.interrupted(at=4)

    with before(upload.client, "ListParts", lambda params: params.update(MaxParts=1)):
        assert upload()

    assert upload.parts_sent == [4]


def test_an_upload_may_be_interrupted_again_and_again(upload: Upload) -> None:
    for number in range(1, PARTS + 1):
        upload.interrupted(at=number)
    assert len(upload.unfinished) == 2, "one in which nothing was, and one that was gone on with"

    assert upload()

    assert upload.parts_sent == [4]
    assert upload.stored == CONTENT


def test_a_part_is_taken_over_only_if_it_is_the_files(upload: Upload) -> None:
    # Given an unfinished upload of which one part is another's, and one is longer than the file's
    upload.interrupted(at=4)
    (upload_id,) = upload.unfinished
    upload.put(upload_id, 1, bytes([7]) * PART_BYTES, ChecksumAlgorithm="SHA256")
    upload.put(upload_id, 4, b"!!", ChecksumAlgorithm="SHA256")

    assert upload()

    assert upload.parts_sent == [1, 4]
    assert upload.stored == CONTENT


def test_what_another_program_has_begun_is_not_gone_on_with(upload: Upload) -> None:
    # Given an upload of the same content without its sha256
    another = upload.begin()
    for number in (1, 2, 3):
        upload.put(another, number, part_of(CONTENT, number))

    assert upload()

    assert upload.parts_sent == [1, 2, 3, 4]
    assert upload.unfinished == [another]


def test_of_several_unfinished_uploads_the_one_with_most_is_gone_on_with(upload: Upload) -> None:
    # Given three, whichever of them moto lists first, and a neighbour's, whose key begins alike, with all
    less, none, most = (upload.begin(ChecksumAlgorithm="SHA256") for _ in range(3))
    upload.put(less, 1, part_of(CONTENT, 1), ChecksumAlgorithm="SHA256")
    for number in (1, 2):
        upload.put(most, number, part_of(CONTENT, number), ChecksumAlgorithm="SHA256")
    neighbour = upload.begin(Key=f"{KEY}.mov", ChecksumAlgorithm="SHA256")
    for number in range(1, PARTS + 1):
        upload.put(neighbour, number, part_of(CONTENT, number), Key=f"{KEY}.mov", ChecksumAlgorithm="SHA256")
    others = set(upload.unfinished) - {most}

    assert upload()

    # Then the others are left to the bucket's lifecycle rule
    assert upload.parts_sent == [3, 4]
    assert set(upload.unfinished) == others > {less, none}


@pytest.mark.parametrize("right", ["s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"])
def test_without_the_rights_to_see_what_is_there_all_is_sent(upload: Upload, strict_s3: StrictS3, right: str) -> None:
    upload.interrupted(at=3)
    former = upload.unfinished
    strict_s3.denied.add(right)

    # When it is interrupted once more, nothing is left of that, since nobody could go on with it
    upload.interrupted(at=3)
    assert upload.heard[0] == ("not resuming",)
    assert upload.unfinished == former

    assert upload()

    assert upload.parts_sent == [1, 2, 3, 4]
    assert upload.heard[0] == ("not resuming",)
    assert upload.stored == CONTENT


def test_a_small_file_asks_for_no_further_rights(upload: Upload, strict_s3: StrictS3) -> None:
    strict_s3.denied.add("s3:ListBucketMultipartUploads")
    upload.path.write_bytes(b"frames")
    upload.read()

    assert upload()

    assert upload.heard == []


def test_what_jobs_upload_asks_for_no_further_rights_and_goes_on_with_nothing(
    upload: Upload, strict_s3: StrictS3
) -> None:
    """Their roles have neither right (stacks/constructs/access.py)."""
    upload.interrupted(at=3)
    former = upload.unfinished
    strict_s3.denied.update({"s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"})

    with before(upload.client, "UploadPart", lambda params: upload.parts_sent.append(params["PartNumber"])):
        S3Bucket(upload.bucket, upload.client, part_bytes=PART_BYTES).upload(KEY, upload.path)

    assert sorted(upload.parts_sent[-PARTS:]) == [1, 2, 3, 4]
    assert (upload.stored, upload.unfinished) == (CONTENT, former)


def test_a_part_that_is_damaged_on_its_way_costs_no_other(upload: Upload) -> None:
    # Given S3 that gets other bytes of the third part than the file has
    def damage(params: dict[str, Any]) -> None:
        if params["PartNumber"] == 3:
            params["Body"] = b"?" + params["Body"][1:]

    with before(upload.client, "UploadPart", damage), pytest.raises(IntegrityError, match="or was damaged on its way"):
        upload()

    assert upload()

    assert upload.parts_sent == [3, 4]
    assert upload.stored == CONTENT


def test_a_file_that_changes_while_its_rest_is_sent_is_refused(upload: Upload) -> None:
    upload.interrupted(at=3)

    def change(params: dict[str, Any]) -> None:
        with upload.path.open("r+b") as file:
            file.seek(3 * PART_BYTES)
            file.write(b"?")

    with (
        before(upload.client, "ListParts", change),
        pytest.raises(IntegrityError, match="the file changed while it was sent"),
    ):
        upload()

    assert "Contents" not in upload.client.list_objects_v2(Bucket=upload.bucket)


def test_a_file_that_changes_between_its_reading_and_its_sending_is_refused(upload: Upload) -> None:
    """In a part that S3 has already: it would not be noticed by what is sent."""
    upload.interrupted(at=3)
    with upload.path.open("r+b") as file:
        file.write(b"?")

    with pytest.raises(IntegrityError, match="has changed since it was read; start again"):
        upload()

    assert upload.parts_sent == []


def test_a_file_that_was_only_touched_is_the_same(upload: Upload) -> None:
    upload.interrupted(at=3)
    upload.path.write_bytes(upload.path.read_bytes())

    assert upload()

    assert upload.parts_sent == [3, 4]
