"""An S3 that gives the answers a test asks for, however odd, and counts the questions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sr_core.storage.s3 import S3Store

WHENEVER = "Wed, 25 Nov 2026 12:00:00 GMT"
"""When all its objects were stored, unless an answer says otherwise."""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    code: str = ""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection closes in the middle of the body; before the answer where there is none."""

    @property
    def content(self) -> bytes:
        return (
            f"<Error><Code>{self.code}</Code><Message>so\nit is</Message></Error>".encode() if self.code else self.body
        )


@dataclass(frozen=True)
class Question:
    method: str
    path: str
    headers: dict[str, str]


class ScriptedS3:
    """Answers with what `script` says, given the question and how many there were of its method before."""

    def __init__(self, script: Callable[[Question, int], Answer]) -> None:
        self.questions: list[Question] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                question = Question(self.command, self.path, headers)
                before = scripted.count(question.method)
                scripted.questions.append(question)
                answer = script(question, before)
                if not (answer.cut and not answer.content):
                    content = b"" if question.method == "HEAD" else answer.content
                    self.send_response(answer.status)
                    for name, value in {"Last-Modified": WHENEVER, **answer.headers}.items():
                        self.send_header(name, value)
                    if "Content-Length" not in answer.headers:
                        self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2] if answer.cut else content)
                self.close_connection = answer.cut

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def count(self, method: str) -> int:
        return sum(question.method == method for question in self.questions)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[[Callable[[Question, int], Answer]], tuple[S3Store, ScriptedS3]]
"""Starts one and returns a store on it."""
