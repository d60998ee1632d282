"""What a test does when a request of the SDK is about to be sent."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@contextmanager
def before(client: "S3Client", operation: str, act: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Calls `act` with the parameters of every `operation` before it is sent; what it raises, the request raises."""
    event = f"before-parameter-build.s3.{operation}"
    handler_id = secrets.token_hex(4)

    def handle(params: dict[str, Any], **kwargs: object) -> None:
        act(params)

    client.meta.events.register(event, handle, unique_id=handler_id)
    try:
        yield
    finally:
        client.meta.events.unregister(event, unique_id=handler_id)
