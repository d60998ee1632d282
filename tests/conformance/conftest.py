"""The fork server of the pipeline's tests, and a network that copies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.commands import Commands
from tests.pipeline.conftest import fork_server

from .run import make_copying_network

__all__ = ["fork_server"]


@pytest.fixture(scope="session")
def copying_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_copying_network(tmp_path_factory.mktemp("copy") / "copy.safetensors")


@pytest.fixture
def sr(tmp_path: Path, fork_server: None) -> Iterator[Commands]:
    """Runs `sr` commands in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    commands = Commands(folder, tmp_path / "notes")
    yield commands
    commands.end()
