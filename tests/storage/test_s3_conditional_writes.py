"""Writes that must not replace anything, when writers collide and when answers are lost."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sr_core.errors import SrError, TransientError
from sr_core.storage.s3_bucket import S3Bucket

from .scripted_s3 import Answer, Question, Serve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITE_ID = "x-amz-meta-write-id"


def conditional(*answers: Answer, mine: bool = False) -> Callable[[Question, int], Answer]:
    """PUTs get these answers in turn; then the object is the one of the first PUT (`mine`) or somebody else's."""
    write_ids: list[str] = []

    def script(question: Question, before: int) -> Answer:
        if question.method == "HEAD":
            return Answer(headers={WRITE_ID: write_ids[0] if mine else "other", "ETag": '"1"'})
        assert question.headers["if-none-match"] == "*"
        write_ids.append(question.headers[WRITE_ID])
        return answers[min(before, len(answers) - 1)]

    return script


def test_the_condition_is_sent_and_a_loser_knows_it(serve: Serve) -> None:
    store, _ = serve(conditional(Answer(412, "PreconditionFailed")))

    assert store.create("a", b"mine") is False


def test_a_writer_whose_answer_was_lost_still_won(serve: Serve) -> None:
    """The SDK repeats the request, and S3 finds the key taken: by the very same write."""
    store, server = serve(conditional(Answer(cut=True), Answer(412, "PreconditionFailed"), mine=True))

    assert store.create("a", b"mine") is True
    assert server.count("PUT") == 2


def test_a_writer_whose_answer_was_lost_may_have_lost(serve: Serve) -> None:
    store, _ = serve(conditional(Answer(cut=True), Answer(412, "PreconditionFailed"), mine=False))

    assert store.create("a", b"mine") is False


def test_a_conflict_of_two_writers_is_tried_again(serve: Serve) -> None:
    store, server = serve(conditional(Answer(409, "ConditionalRequestConflict"), Answer()))

    assert store.create("a", b"mine") is True
    assert server.count("PUT") == 2


def test_a_conflict_that_stays_may_pass_later(serve: Serve) -> None:
    store, _ = serve(conditional(Answer(409, "ConditionalRequestConflict")))

    with pytest.raises(TransientError, match="other writers keep getting in the way; try again"):
        store.create("a", b"mine")


@pytest.mark.parametrize(("mine", "outcome"), [(True, None), (False, TransientError)])
def test_a_completed_upload_whose_answer_was_lost_is_recognised(
    serve: Serve, connect_to: Callable[[str], "S3Client"], tmp_path: Path, mine: bool, outcome: type[SrError] | None
) -> None:
    """The repeated CompleteMultipartUpload finds no upload any more: it succeeded, or somebody aborted it."""
    write_ids: list[str] = []

    def script(question: Question, before: int) -> Answer:
        if question.method == "HEAD":
            return Answer(headers={WRITE_ID: write_ids[0] if mine else "other", "ETag": '"1"'})
        if question.method == "POST" and "uploads" in question.path:
            write_ids.append(question.headers[WRITE_ID])
            body = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return Answer(body=body)
        if question.method == "POST":
            return Answer(cut=True) if before == 1 else Answer(404, "NoSuchUpload")
        return Answer(headers={"ETag": '"1"'})

    _, server = serve(script)
    objects = S3Bucket("bucket", connect_to(server.endpoint), part_bytes=10)
    path = tmp_path / "large"
    path.write_bytes(bytes(25))

    if outcome is None:
        assert objects.upload("a", path) is True
    else:
        with pytest.raises(outcome):
            objects.upload("a", path)
    assert server.count("PUT") == 3
