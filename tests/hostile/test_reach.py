"""What a reader of untrusted media can reach: its source, its output folder, and no secrets."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sr_core.errors import InputError
from sr_core.video import nursery

from . import misbehaviour as does
from .readers import bounds, needs_landlock, run


@pytest.fixture
def own_nursery() -> Iterator[Callable[[], None]]:
    """Starts one in this test's environment; the usual one is back afterwards."""
    before = nursery._Nursery.current
    yield lambda: nursery.start(own=True)
    nursery._Nursery.current = before


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "t0k3n",
    "AWS_PROFILE": "pr0file", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/creds",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "DATABASE_PASSWORD": "hunter2", "GITHUB_TOKEN": "ghp_x", "SSH_AUTH_SOCK": "/tmp/agent", "HOME": "/home/me",
}  # fmt: skip


def test_the_environment_holds_no_credentials(monkeypatch: pytest.MonkeyPatch, own_nursery: Callable[[], None]) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    own_nursery()

    _, environment = run(does.tell_environment)

    seen = "\n".join(environment)
    assert "PATH=" in seen
    assert not [name for name, value in SECRETS.items() if name in seen or value in seen]


@needs_landlock
def test_only_what_is_given_can_be_read(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text("video")
    other.write_text("secret")

    assert run(does.read_file, str(given), bounds=bounds(readable=(given,))) == ([], b"video")
    for path in (other, Path("/etc/passwd"), Path(f"/proc/{os.getpid()}/environ"), Path("/proc/self/environ")):
        with pytest.raises(InputError, match="PermissionError"):
            run(does.read_file, str(path), bounds=bounds(readable=(given,)))
    with pytest.raises(InputError, match="PermissionError"):
        run(does.list_folder, str(Path.home()), bounds=bounds(readable=(given,)))


@needs_landlock
def test_files_are_made_only_where_they_may_be(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    run(does.write_file, str(folder / "made"), bounds=bounds(writable=(folder,)))

    assert (folder / "made").read_text() == "written"
    with pytest.raises(InputError, match="PermissionError"):
        run(does.write_file, str(tmp_path / "beside"), bounds=bounds(writable=(folder,)))


@needs_landlock
def test_no_connection_can_be_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(InputError, match="PermissionError"):
            run(does.connect, server.getsockname()[1])
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@needs_landlock
def test_no_signal_can_be_sent() -> None:
    with pytest.raises(InputError, match="PermissionError"):
        run(does.send_signal, os.getpid())
