"""The local cloud's metadata service, made to refuse."""

from collections.abc import Iterator
from email.message import Message

import pytest

from localcloud.metadata import MetadataService


class MetadataServer(MetadataService):
    """Of one machine, whoever that is."""

    status: int | None = None
    """What every question is answered with, if that is not what it asks for."""

    def __init__(self) -> None:
        super().__init__("i-0abc", "g4dn.xlarge")

    def answer(self, method: str, path: str, headers: Message) -> tuple[int, str]:
        status, text = super().answer(method, path, headers)
        return self.status or status, text


@pytest.fixture
def machine() -> Iterator[MetadataServer]:
    """The metadata service of a machine that nobody takes back yet."""
    server = MetadataServer()
    yield server
    server.close()
