"""Downloads over a real connection that breaks: they go on, and nothing but what was promised is kept."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_core.errors import InputError, IntegrityError, TransientError
from sr_core.models.download import download

CONTENT = bytes(range(256)) * 1000
_MEETING_SECONDS = 30
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one file; each connection ends after `stops_after` bytes of the body, if that is set."""

    daemon_threads = True
    stops_after: int | None = None
    gives_parts = True
    content = CONTENT
    halfway: threading.Barrier | None = None
    """Where an answer waits, half of it sent, for another request or for whoever else calls `meet`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/network.pth"

    def meet(self) -> None:
        if self.halfway is not None and len(self.ranges) <= self.halfway.parties:
            self.halfway.wait(_MEETING_SECONDS)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if not self.path.endswith("network.pth"):
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.gives_parts else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half][: self.server.stops_after])
        self.server.meet()
        self.wfile.write(body[half : self.server.stops_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name in the library
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, path: Path, *, sha256: str | None = SUM, url: str | None = None) -> str:
    return download(url or server.url, path, size_bytes=len(CONTENT), sha256=sha256, pause_seconds=0)


def test_a_file_comes_whole(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    assert get(server, path) == SUM
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_connection_that_breaks_again_and_again_is_gone_on_from_there(server: Server, tmp_path: Path) -> None:
    server.stops_after = 50_000

    assert get(server, tmp_path / "network.pth") == SUM

    assert server.ranges == [None, *(f"bytes={done}-" for done in range(50_000, len(CONTENT), 50_000))]


def test_an_interrupted_download_is_taken_up_by_the_next_call(server: Server, tmp_path: Path) -> None:
    (tmp_path / "network.pth.partial").write_bytes(CONTENT[:1234])

    assert get(server, tmp_path / "network.pth") == SUM

    assert server.ranges == ["bytes=1234-"]


def test_a_server_that_gives_no_parts_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    server.gives_parts = False
    (tmp_path / "network.pth.partial").write_bytes(b"x" * 1234)

    assert get(server, tmp_path / "network.pth") == SUM


def test_other_content_than_promised_is_thrown_away(server: Server, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=f"sha256 {SUM}"):
        get(server, tmp_path / "network.pth", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_than_promised_is_not_read_to_its_end(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT + b"more" * 10_000_000
    with pytest.raises(IntegrityError):
        get(server, tmp_path / "network.pth")
    assert list(tmp_path.iterdir()) == []


def test_without_a_promised_sum_the_one_seen_is_returned(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path / "network.pth", sha256=None) == SUM


def test_an_address_that_is_gone_is_wrong_input(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there any more"):
        get(server, tmp_path / "network.pth", url=server.url + ".gone")


def test_no_connection_at_all_may_pass_and_what_came_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "network.pth.partial").write_bytes(CONTENT[:10])
    server.stops_after = 0
    with pytest.raises(TransientError, match="goes on from here"):
        get(server, tmp_path / "network.pth")
    assert (tmp_path / "network.pth.partial").read_bytes() == CONTENT[:10]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_not_taken_for_a_bad_connection(server: Server, tmp_path: Path) -> None:
    (tmp_path / "network.pth.partial").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        get(server, tmp_path / "network.pth")
    assert len(server.ranges) == 1
