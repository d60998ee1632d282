"""Who gets a turn, over real HTTP, with an upscaler that takes as long as the test wants."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from sr_core.errors import HostCapacity, TransientError
from sr_core.serving.http import application
from sr_core.serving.service import Allowance, Service
from sr_core.video.frames import Planes
from tests.builders import model

from .stills import Answer, ask, file_of, image, opened

QUEUE = 2
LIMIT_BYTES = 4000


class SlowUpscaler:
    """Doubles pixels, when it is let."""

    model = model()

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.begun = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.count = 0

    def warm_up(self) -> None:
        assert self.may_go_on.wait(60)

    def upscale(self, picture: Planes) -> Planes:
        self.count += 1
        self.begun.release()
        assert self.may_go_on.wait(60)
        if self.failure is not None:
            raise self.failure
        return Planes(picture.format, tuple(np.repeat(np.repeat(plane, 2, 0), 2, 1) for plane in picture.planes))


class Running:
    """A server in this process."""

    def __init__(
        self,
        folder: Path,
        *,
        timeout_seconds: float = 60.0,
        buckets: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    ) -> None:
        """`buckets` are those of inputs, and those of outputs."""
        self.upscaler = SlowUpscaler()
        self.log: list[str] = []
        allowance = Allowance(
            max_bytes=LIMIT_BYTES,
            max_px=2000,
            queue=QUEUE,
            timeout_seconds=timeout_seconds,
            input_buckets=buckets[0],
            output_buckets=buckets[1],
        )
        self.service = Service(self.upscaler, allowance, scratch=folder)
        config = uvicorn.Config(application(self.service, tell=self.log.append), lifespan="off", log_config=None)
        self.server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        self.place = listening.getsockname()
        self.address = f"http://127.0.0.1:{self.place[1]}"
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self.thread.start()
        self.clients = ThreadPoolExecutor(8)

    def send(self, content: bytes | None = None, **headers: str) -> "Future[Answer]":
        content = file_of(image()) if content is None else content
        return self.clients.submit(ask, f"{self.address}/invocations", content, **headers)

    def stop(self) -> None:
        self.upscaler.may_go_on.set()
        self.server.should_exit = True
        self.thread.join(30)
        self.clients.shutdown()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    made.service.warm_up()
    yield made
    made.stop()
    assert not list(tmp_path.iterdir()), "every file in hand is gone in the end"


def test_it_is_healthy_once_the_network_has_run(tmp_path: Path) -> None:
    # Given a server whose network is still being loaded
    running = Running(tmp_path)
    running.upscaler.may_go_on.clear()
    loading = threading.Thread(target=running.service.warm_up)
    loading.start()
    assert ask(f"{running.address}/ping").status == 503
    assert "being loaded; try again" in running.send().result().message

    # When it is loaded
    running.upscaler.may_go_on.set()
    loading.join()

    # Then it says so
    assert ask(f"{running.address}/ping").status == 200
    running.stop()


def test_beyond_the_queue_the_answer_is_503_at_once_and_then_there_is_room_again(running: Running) -> None:
    # Given as many requests as may be, none of which is done
    running.upscaler.may_go_on.clear()
    waiting = [running.send() for _ in range(QUEUE)]
    assert running.upscaler.begun.acquire(timeout=30)
    while running.service._under_way < QUEUE:
        time.sleep(0.01)

    # When one more comes
    refused = running.send().result()

    # Then it is told to come again, and the others are answered
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert "2 requests are under way" in refused.message
    assert ask(f"{running.address}/ping").status == 200
    running.upscaler.may_go_on.set()
    assert [each.result().status for each in waiting] == [200] * QUEUE
    assert running.send().result().status == 200


def test_nobody_waits_longer_than_said_and_what_never_began_is_not_done(tmp_path: Path) -> None:
    # Given two workers that are held up, and a request that waits behind them
    running = Running(tmp_path, timeout_seconds=0.6)
    running.service.warm_up()
    running.upscaler.may_go_on.clear()
    late = [running.send() for _ in range(QUEUE)]
    assert [each.result().status for each in late] == [504] * QUEUE
    assert re.match("there was no answer within 0.6 s, it was (being read|in the network)", late[0].result().message)

    # When nobody waits any more, but the workers are still at it
    assert "requests are under way" in running.send().result().message

    # Then there is room as soon as they are done
    running.upscaler.may_go_on.set()
    while running.service._under_way:
        time.sleep(0.01)
    assert running.send().result().status == 200
    running.stop()


def test_too_much_is_refused_whether_it_says_so_or_not(running: Running) -> None:
    announced = running.send(bytes(LIMIT_BYTES + 1)).result()
    with socket.create_connection(running.place) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(f"{LIMIT_BYTES + 1:x}\r\n".encode() + bytes(LIMIT_BYTES + 1) + b"\r\n")
        unannounced = client.recv(1000)

    assert announced.status == 413
    assert "larger than 4000 bytes; send a smaller file" in announced.message
    assert unannounced.startswith(b"HTTP/1.1 413 ")
    assert running.service._under_way == 0


def test_a_result_too_large_to_be_sent_is_refused_with_a_way_out(running: Running) -> None:
    content = file_of(image(size=(80, 25)), "JPEG")

    refused = running.send(content).result()
    smaller = running.send(content, Accept="image/webp").result()

    assert refused.status == 400
    assert "over the limit of 4000; ask for JPEG or WebP" in refused.message
    assert smaller.status == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/webp", "WEBP"),
        ("text/html, image/jpeg;q=0.5", "JPEG"),
        ("image/webp;q=0.1, image/jpeg;q=0.9", "JPEG"),
    ],
)
def test_the_client_chooses_the_kind_of_file(running: Running, accept: str, kind: str) -> None:
    answer = running.send(Accept=accept).result()

    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    found = opened(answer.body)
    assert (found.format, found.size) == (kind, (72, 40))


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (None, {"Accept": "text/html"}, 406, "Accept is text/html; there are image/png"),
        (None, {"content_type": "text/csv"}, 415, "Content-Type is text/csv; send a picture"),
        (b"", {}, 400, "no body; send a picture"),
        (b"hello", {}, 400, "no PNG, JPEG or WebP"),
        (b"{", {"content_type": "application/json"}, 400, "Invalid JSON"),
        (b'{"input": "s3://a/b"}', {"content_type": "application/json"}, 400, "output: Field required; send"),
        (
            b'{"input": "/etc/passwd", "output": "s3://a/b.png"}',
            {"content_type": "application/json"},
            400,
            "input must be s3://bucket/key in a bucket that is served (none), not /etc/passwd",
        ),
    ],
)
def test_a_request_that_cannot_be_is_told_so_in_one_line(
    running: Running, content: bytes | None, headers: dict[str, str], status: int, words: str
) -> None:
    answer = running.send(content, **headers).result()

    assert answer.status == status
    assert words in answer.message
    assert "\n" not in answer.message
    # And the log has it
    assert any(line.startswith(f"{status}: ") and words in line for line in running.log)


def test_other_addresses_and_methods_are_refused_as_json(running: Running) -> None:
    assert ask(f"{running.address}/nowhere").message == "Not Found"
    assert ask(f"{running.address}/invocations").status == 405


def test_too_little_memory_is_507_and_a_device_that_failed_makes_the_server_unhealthy(running: Running) -> None:
    running.upscaler.failure = HostCapacity("out of memory at a tile of 64 px; use a machine with more memory")
    assert running.send().result().status == 507
    assert ask(f"{running.address}/ping").status == 200

    running.upscaler.failure = TransientError("the GPU failed (CUDA error: unspecified launch failure)")
    assert running.send().result().status == 503
    assert ask(f"{running.address}/ping").status == 503


def test_a_defect_is_500_without_its_traceback(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.upscaler.failure = KeyError("a secret")

    answer = running.send().result()

    assert (answer.status, answer.message) == (500, "a defect of this program; its log says more")
    assert b"secret" not in answer.body
    assert "KeyError: 'a secret'" in capsys.readouterr().err
