"""`sr serve`: stills over HTTP, as a container of SageMaker's does it."""

import argparse
import socket
from importlib.util import find_spec

from sr_core.cli.imports import import_uncollected
from sr_core.cli.output import note
from sr_core.cli.scratch import scratch_folder
from sr_core.cli.settings import settings_from
from sr_core.contract import PROGRAM
from sr_core.errors import InputError
from sr_core.model_files import find

_NEEDS = ("PIL", "starlette", "uvicorn", "torch")


def run(options: argparse.Namespace) -> None:
    if missing := [name for name in _NEEDS if find_spec(name) is None]:
        raise InputError(f"serving needs {', '.join(missing)}; pip install '.[inference,serve]', or make serve")
    settings = settings_from(options)
    listening = _listening(options.host, options.port)
    import_uncollected("sr_core.inference.stills")
    from sr_core.inference.stills import StillUpscaler
    from sr_core.serving.http import serve
    from sr_core.serving.service import Allowance, Service

    allowance = Allowance(
        max_bytes=options.max_bytes,
        max_px=options.max_pixels,
        queue=options.queue,
        timeout_seconds=options.timeout,
        input_buckets=tuple(options.input_bucket),
        output_buckets=tuple(options.output_bucket),
    )
    with listening, scratch_folder() as scratch:
        found = find(settings, scratch)
        upscaler = StillUpscaler(found.spec, found.path, settings, max_px=allowance.max_px)
        host, port = listening.getsockname()[:2]
        _tell(f"{upscaler.description}, http://{host}:{port}")
        serve(Service(upscaler, allowance, scratch=scratch), listening, tell=_tell)


def _tell(line: str) -> None:
    note(f"{PROGRAM} serve: {line}")


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound to that address. Raises InputError where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"http://{host}:{port} cannot be served ({error}); choose another --port, or --host"
        ) from error
