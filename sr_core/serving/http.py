"""The two addresses that SageMaker asks of a container: `GET /ping` and `POST /invocations`.

Owns what HTTP says about a request and its failure, and when the server stops. A client is told one line, as JSON; a
traceback goes to the log. Sources: SageMaker Developer Guide, "Custom Inference Code with Hosting Services"; RFC 9110.
"""

import asyncio
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sr_core.errors import GpuMemory, HostCapacity, InputError, SrError, TransientError
from sr_core.manifest import first_problem
from sr_core.serving.pictures import KINDS, Kind
from sr_core.serving.service import Addresses, BusyError, LateError, Service, Turn

STOP_SECONDS = 25
"""What requests in hand get after SIGTERM: SageMaker and Batch kill 30 s after it."""
_KEEP_ALIVE_SECONDS = 75
"""Longer than the caller keeps a connection (60 s), so that it is not closed under a request that is on its way."""
_ADDRESSES = "application/json"
_PICTURES = ("image/", "application/octet-stream", "application/x-image")
"""Media types of what is looked at: what it is, its content says."""
_STATUS: dict[type[SrError], HTTPStatus] = {
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    LateError: HTTPStatus.GATEWAY_TIMEOUT,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
    InputError: HTTPStatus.BAD_REQUEST,
    GpuMemory: HTTPStatus.INSUFFICIENT_STORAGE,
    HostCapacity: HTTPStatus.INSUFFICIENT_STORAGE,
}
"""What an error is to HTTP, the first that fits; everything else is a 500."""


def serve(service: Service, listening: socket.socket, *, tell: Callable[[str], None]) -> None:
    """Answers requests until SIGTERM or Ctrl-C, then what is in hand, and returns. To be called in the main thread.

    Args:
        service: not warm yet; it is warmed up here while `/ping` says 503.
        listening: a bound socket.
        tell: takes a line for the log.

    Raises what `Service.warm_up` raises.
    """
    config = uvicorn.Config(
        application(service, tell=tell),
        http="h11",
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    failures: list[BaseException] = []

    def warm_up() -> None:
        try:
            service.warm_up()
            tell("ready")
        except BaseException as error:  # noqa: BLE001 — raised again by whoever waits for the server
            failures.append(error)
            server.should_exit = True

    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        tell("stopped; what was in hand is answered")
    if failures:
        raise failures[0]


def application(service: Service, *, tell: Callable[[str], None]) -> Starlette:
    """The two addresses as ASGI."""
    handler = _Handler(service, tell)
    return Starlette(
        routes=[
            Route("/ping", handler.ping, methods=["GET"]),
            Route("/invocations", handler.invocations, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _in_one_line},
    )


class _Handler:
    def __init__(self, service: Service, tell: Callable[[str], None]) -> None:
        self._service, self._tell = service, tell

    async def ping(self, _request: Request) -> Response:
        """Healthy once the network has run."""
        return Response(status_code=HTTPStatus.OK if self._service.is_healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    async def invocations(self, request: Request) -> Response:
        """A picture for a picture, or addresses for an answer in JSON."""
        turn: Turn | None = None
        try:
            kind = _wanted(request)
            turn = self._service.enter()
            response = await self._answer(request, turn, kind)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
        except Exception as error:  # noqa: BLE001 — the last line of defence
            response = _refusal(error)
        self._tell(_line(response, turn))
        return response

    async def _answer(self, request: Request, turn: Turn, kind: Kind | None) -> Response:
        """`kind` is None for a request by addresses."""
        begun = False
        try:
            async with asyncio.timeout(turn.seconds_left):
                body = await self._body(request)
            work = self._picture(body, kind) if kind is not None else self._addressed(body)
            future = self._service.begin(turn, work)
            begun = True
            # Work that has not begun is dropped; what has begun goes on, and keeps its place until it ends.
            async with asyncio.timeout(turn.seconds_left):
                result = await asyncio.wrap_future(future)
        except TimeoutError:
            raise turn.late() from None
        finally:
            if not begun:
                self._service.leave()
        if kind is None:
            return JSONResponse(result.model_dump(mode="json"))
        return Response(result, media_type=next(name for name, known in KINDS.items() if known == kind))

    async def _body(self, request: Request) -> bytes:
        """What was sent. Raises HTTPException as soon as it is too much."""
        highest = self._service.allowance.max_bytes
        announced = request.headers.get("content-length", "0")
        body = bytearray()
        if not announced.isdecimal() or int(announced) <= highest:
            async for piece in request.stream():
                body += piece
                if len(body) > highest:
                    break
            else:
                if not body:
                    raise HTTPException(HTTPStatus.BAD_REQUEST, "the request has no body; send a picture")
                return bytes(body)
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request is larger than {highest} bytes; send a smaller file, or its address in S3 (docs/realtime.md)",
        )

    def _picture(self, body: bytes, kind: Kind) -> Callable[[Turn], bytes]:
        return lambda turn: self._service.picture(turn, body, kind)

    def _addressed(self, body: bytes) -> Callable[[Turn], Any]:
        try:
            asked = Addresses.model_validate_json(body)
        except ValidationError as error:
            fields = ", ".join(Addresses.model_fields)
            raise InputError(f"{first_problem(error)}; send a JSON object with {fields}") from None
        return lambda turn: self._service.addressed(turn, asked)


def _wanted(request: Request) -> Kind | None:
    """The kind of file to answer with; None for JSON. Raises HTTPException where the headers ask for another."""
    given = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    if given == _ADDRESSES:
        return None
    if not given.startswith(_PICTURES):
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {given}; send a picture ({', '.join(KINDS)}), or addresses as {_ADDRESSES}",
        )
    accepted = request.headers.get("accept", "*/*")
    for part in sorted(accepted.lower().split(","), key=_weight, reverse=True):
        name = part.partition(";")[0].strip()
        if name in KINDS:
            return KINDS[name]
        if name in ("*/*", "image/*"):
            return next(iter(KINDS.values()))
    raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"Accept is {accepted}; there are {', '.join(KINDS)}")


def _weight(part: str) -> float:
    """The q of one part of an Accept header; what is no number counts for nothing."""
    for parameter in part.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _refusal(error: Exception) -> JSONResponse:
    """What a client is told of an error: one line. Of a defect, the traceback goes to the log."""
    if isinstance(error, HTTPException):
        return _told(HTTPStatus(error.status_code), "InputError", error.detail, retry_helps=False)
    if isinstance(error, SrError):
        status = next((known for kind, known in _STATUS.items() if isinstance(error, kind)), None)
        return _told(
            status or HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__, str(error), retry_helps=error.retry_helps
        )
    traceback.print_exception(error, file=sys.stderr)
    text = "a defect of this program; its log says more"
    return _told(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", text, retry_helps=False)


def _told(status: HTTPStatus, kind: str, message: str, *, retry_helps: bool) -> JSONResponse:
    content = {"kind": kind, "message": " ".join(message.split()), "retry_helps": retry_helps}
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": content}, status_code=status, headers=headers)


def _in_one_line(_request: Request, error: Exception) -> Response:
    return _refusal(error)


def _line(response: Response, turn: Turn | None) -> str:
    """``200: 640×360 in, 512034 bytes of image/png out, 0.21 s``"""
    size = f"{turn.size_px[0]}×{turn.size_px[1]} in, " if turn is not None and turn.size_px is not None else ""
    what = (
        f"{len(response.body)} bytes of {response.media_type} out"
        if response.status_code == HTTPStatus.OK
        else bytes(response.body).decode()
    )
    seconds = "" if turn is None else f", {turn.seconds:.2f} s"
    return f"{response.status_code}: {size}{what}{seconds}"
