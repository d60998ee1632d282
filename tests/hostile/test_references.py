"""No source makes the pipeline open another file or call an address, whatever it names and however it is called."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pytest

from sr_core.contract import ExitCode
from sr_core.errors import InputError
from sr_core.video.probe import probe
from sr_core.video.scan import scan
from tests.clips import make_clip
from tests.pipeline.commands import Commands
from tests.pipeline.conftest import fork_server, network, sr
from tests.pipeline.job import OUTPUT

from .referring import KINDS
from .watched import Canary, Listener

__all__ = ["fork_server", "network", "sr"]

FOLLOWED: dict[str, dict[str, Any]] = {
    "HLS, a file": {},
    "HLS, a neighbour": {},
    "HLS, an address": {"options": {"protocol_whitelist": "file,http,tcp"}},
    "concat, a file": {"options": {"safe": "0"}},
    "concat, a neighbour": {},
    "concat, an address": {"options": {"safe": "0", "protocol_whitelist": "file,http,tcp"}},
    "VobSub": {},
    "QuickTime, an alias": {"options": {"enable_drefs": "1", "use_absolute_path": "1"}},
}
"""What FFmpeg itself follows when it is opened with these options: else the test would prove little."""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    """A healthy video, so that whoever opens it also gets something."""
    folder = tmp_path / "source"
    folder.mkdir()
    canary = Canary(make_clip(folder / "canary.mp4", frames=12, audio=None))
    canary.was_opened()
    yield canary
    canary.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.mark.parametrize("kind", FOLLOWED)
def test_the_canary_sings(kind: str, tmp_path: Path, canary: Canary, listener: Listener) -> None:
    path = KINDS[kind](tmp_path / "source" / "hostile", canary.path, listener.port)

    with suppress(av.FFmpegError, OSError), av.open(str(path), timeout=5, **FOLLOWED[kind]) as container:
        for _ in container.demux():
            break

    assert canary.was_opened() or listener.was_called()


@pytest.mark.parametrize("kind", KINDS)
def test_opening_follows_nothing(kind: str, tmp_path: Path, canary: Canary, listener: Listener) -> None:
    """By its lists alone, in this very process, without whatever the kernel forbids readers."""
    path = KINDS[kind](tmp_path / "source" / "hostile", canary.path, listener.port)

    with suppress(InputError, av.FFmpegError):
        scan(path, probe(path))

    assert not canary.was_opened()
    assert not listener.was_called()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_followed_nor_shown(
    kind: str, tmp_path: Path, canary: Canary, listener: Listener, sr: Commands, network: Path
) -> None:
    path = KINDS[kind](tmp_path / "source" / "hostile", canary.path, listener.port)
    beside = set(path.parent.iterdir())

    ended = sr.run("run", path, "-o", "out.mkv", "--model", network, "--preset", "ultrafast")

    assert not canary.was_opened()
    assert not listener.was_called()
    assert ended.code in (ExitCode.OK, ExitCode.INPUT), ended.stderr
    if ended.code == ExitCode.INPUT:
        assert ended.stderr.count("\n") == 1
        assert path.name in ended.stderr
        assert not (sr.folder / OUTPUT).exists()
    assert set(path.parent.iterdir()) == beside
