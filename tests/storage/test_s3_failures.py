"""When S3 fails: what is tried again, what is told and what it says to do."""

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sr_core.errors import DamagedData, InputError, TransientError
from sr_core.storage.s3 import S3Store

from .scripted_s3 import Answer, Question, Serve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def every_method(store: S3Store, folder: Path) -> list[Callable[[], object]]:
    path = folder / "segment"
    path.write_bytes(b"frames")
    return [
        lambda: store.put("a", path, sha256=hashlib.sha256(b"frames").hexdigest()),
        lambda: store.put_bytes("a", b"frames"),
        lambda: store.create("a", b"frames"),
        lambda: store.get_bytes("a"),
        lambda: store.fetch("a", folder),
        lambda: store.stat("a"),
        lambda: list(store.list()),
        lambda: store.delete("a"),
    ]


@pytest.mark.parametrize(
    "answer",
    [Answer(503, "SlowDown"), Answer(500, "InternalError"), Answer(429, "TooMany"), Answer(cut=True)],
    ids=["slow down", "internal error", "too many", "connection closed"],
)
def test_a_failure_that_stays_may_pass_later(serve: Serve, tmp_path: Path, answer: Answer) -> None:
    store, server = serve(lambda question, before: answer)

    for attempt in every_method(store, tmp_path):
        server.questions.clear()
        with pytest.raises(TransientError, match=r"s3://bucket.*try again") as raised:
            attempt()

        assert raised.value.retry_helps
        assert "\n" not in str(raised.value)
        if answer.status >= 500 or answer.cut:
            assert len(server.questions) == 2, "the SDK did not try again"


def test_a_failure_that_passes_is_not_noticed(serve: Serve) -> None:
    store, server = serve(lambda question, before: Answer(503, "SlowDown") if before == 0 else Answer())

    store.put_bytes("a", b"frames")

    assert server.count("PUT") == 2


def test_nobody_there_may_pass_later(connect_to: Callable[[str], "S3Client"], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = S3Store("bucket", "jobs", connect_to(f"http://127.0.0.1:{port}"))

    with pytest.raises(TransientError, match="check the network and try again"):
        store.get_bytes("a")


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (Answer(403, "AccessDenied"), "access denied .so it is.; the credentials in use need s3:GetObject"),
        (Answer(403, "InvalidAccessKeyId"), "credentials are not valid .InvalidAccessKeyId.; renew them"),
        (Answer(400, "ExpiredToken"), "credentials are not valid .ExpiredToken.; renew them"),
        (Answer(403, "RequestTimeTooSkewed"), "clock is wrong; set it"),
        (Answer(403, "InvalidObjectState"), "archived; restore it from Glacier first"),
        (Answer(404, "NoSuchBucket"), "s3://bucket: there is no such bucket; check its name"),
        (Answer(501, "NotImplemented"), "S3 refused the request .NotImplemented.: so it is"),
        (Answer(400, "AuthorizationHeaderMalformed"), "another region; set AWS_REGION"),
    ],
    ids=lambda value: value.code if isinstance(value, Answer) else "",
)
def test_a_refusal_says_what_to_do(serve: Serve, answer: Answer, advice: str) -> None:
    store, _ = serve(lambda question, before: answer)

    for attempt in (lambda: store.get_bytes("a"), lambda: store.put_bytes("a", b""), lambda: store.delete("a")):
        with pytest.raises(InputError, match=advice) as raised:
            attempt()
        assert "\n" not in str(raised.value)


def test_a_refusal_without_a_body_is_understood(serve: Serve) -> None:
    store, _ = serve(lambda question, before: Answer(403))

    with pytest.raises(InputError, match="s3://bucket/jobs/a: access denied"):
        store.stat("a")


def test_whether_the_bucket_is_there_is_asked_once_and_only_in_doubt(serve: Serve) -> None:
    store, server = serve(lambda question, before: Answer(403 if question.path == "/bucket" else 404))

    assert store.stat("a") is None
    assert store.stat("b") is None

    assert [question.path for question in server.questions] == ["/bucket/jobs/a", "/bucket", "/bucket/jobs/b"]


def test_an_answer_that_is_cut_short_is_asked_for_again(serve: Serve) -> None:
    store, server = serve(lambda question, before: Answer(body=b"0123456789", cut=before == 0))

    assert store.get_bytes("a") == b"0123456789"
    assert server.count("GET") == 2


def test_answers_that_are_always_cut_short_may_pass_later(serve: Serve, tmp_path: Path) -> None:
    store, _ = serve(lambda question, before: Answer(body=b"0123456789", cut=True, headers={"ETag": '"1"'}))

    with pytest.raises(TransientError, match="try again"):
        store.get_bytes("a")
    with pytest.raises(TransientError, match="try again"):
        store.fetch("a", tmp_path)

    assert list(tmp_path.iterdir()) == []


def download_of(*bodies: bytes) -> Callable[[Question, int], Answer]:
    """An object that reads differently each time."""

    def script(question: Question, before: int) -> Answer:
        body = bodies[min(before, len(bodies) - 1)]
        return Answer(body=body, headers={"ETag": '"1"', "Content-Length": str(len(body))})

    return script


def test_a_damaged_download_is_repeated_once(serve: Serve, tmp_path: Path) -> None:
    store, server = serve(download_of(b"dxmxgxd", b"correct"))

    path = store.fetch("a", tmp_path, sha256=hashlib.sha256(b"correct").hexdigest())

    assert path.read_bytes() == b"correct"
    assert server.count("GET") == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_stays_damaged_is_told(serve: Serve, tmp_path: Path) -> None:
    store, server = serve(download_of(b"dxmxgxd"))

    with pytest.raises(DamagedData, match="s3://bucket/jobs/a is damaged"):
        store.fetch("a", tmp_path, sha256=hashlib.sha256(b"correct").hexdigest())

    assert server.count("GET") == 2
    assert list(tmp_path.iterdir()) == []


def test_an_object_that_is_replaced_during_its_download_may_be_fetched_later(
    connect_to: Callable[[str], "S3Client"], serve: Serve, tmp_path: Path
) -> None:
    def script(question: Question, before: int) -> Answer:
        if question.method == "HEAD":
            return Answer(headers={"ETag": '"1"', "Content-Length": "20"})
        return Answer(412, "PreconditionFailed") if question.headers.get("if-match") == '"1"' else Answer(body=b"mixed")

    _, server = serve(script)
    store = S3Store("bucket", "jobs", connect_to(server.endpoint), part_bytes=10)

    with pytest.raises(TransientError, match="did not match expected ETag"):
        store.fetch("a", tmp_path)
