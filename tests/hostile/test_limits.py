"""Files that ask for too much are refused by name, and whatever they ask for is not given to them first."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sr_core.contract import ENV_LIMITS, ExitCode
from sr_core.errors import InputError
from sr_core.media_limits import Limits
from sr_core.video import limits, source
from sr_core.video.isolation import isolated
from sr_core.video.open import open_source
from sr_core.video.probe import probe
from sr_core.video.reader import Outcome
from sr_core.video.source import probe_source, scan_source
from tests.clips import make_clip
from tests.pipeline.commands import Commands
from tests.pipeline.conftest import fork_server, network, sr
from tests.pipeline.job import names

from .bombs import BOMBS

__all__ = ["fork_server", "network", "sr"]

MB = 1 << 20
MEMORY_BYTES = 512 * MB
SHARED_BYTES = 64 * MB
"""The interpreter and its libraries: files mapped into every process, which do not count towards the limit."""


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_and_its_memory_never_taken(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a small file that asks for gigabytes, and half of one to read it with
    write, said = BOMBS[kind]
    path = write(tmp_path / "bomb")
    assert path.stat().st_size < 6 * MB
    ended: list[Outcome] = []
    monkeypatch.setattr(source, "isolated", partial(isolated, on_end=ended.append))
    monkeypatch.setenv(ENV_LIMITS, f"memory_bytes={MEMORY_BYTES} silence_seconds=30")

    # When it is looked at, and read if it was let through so far
    with pytest.raises(InputError) as refused:
        scan_source(path, probe_source(path))

    # Then it is refused in one line, and what was taken stayed within the limit
    assert said in str(refused.value)
    assert path.name in str(refused.value)
    assert "\n" not in str(refused.value)
    assert ended
    assert all(outcome.peak_memory_bytes < MEMORY_BYTES + SHARED_BYTES for outcome in ended)
    assert all(outcome.cpu_seconds < 30 for outcome in ended)


LOWERED = {
    "picture_px": ("3071", "declares 3072 pixels"),
    "side_px": ("63", "declares 64 pixels in a row"),
    "streams": ("1", "declares 2 streams"),
    "sample_rate_hz": ("8000", "declares 16000 samples a second"),
    "duration_seconds": ("5", "declares 6 seconds"),
}


@pytest.mark.parametrize("name", LOWERED)
def test_every_limit_says_its_name_and_is_changed_in_one_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    value, said = LOWERED[name]
    monkeypatch.setenv(ENV_LIMITS, f"{name}={value}")

    with pytest.raises(InputError, match=f"clip.mp4 {said}, over the limit of {value}; .*{ENV_LIMITS}={name}="):
        probe(path)

    monkeypatch.setenv(ENV_LIMITS, f"{name}={int(value) + 10_000}")
    assert probe(path).frame_count == 36


@pytest.mark.parametrize("ask", [probe_source, lambda path: scan_source(path, probe(path))], ids=["probe", "scan"])
def test_more_frames_than_the_limit_are_refused(
    ask: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    monkeypatch.setenv(ENV_LIMITS, "frames=35")

    with pytest.raises(InputError, match=r"clip.mp4 .* 36 frames, over the limit of 35; .*SR_LIMITS=frames"):
        ask(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("frames=many", "frames"), ("frames=0", "frames"), ("pictures=3", "pictures"), ("memory_bytes=5", "memory_bytes")],
)
def test_limits_that_make_no_sense_are_refused(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_LIMITS, text)

    with pytest.raises(InputError, match=f"{ENV_LIMITS}: {said}: .*; known are picture_px, "):
        limits.current()


def test_limits_are_numbers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_LIMITS, "frames=7, streams=3\nside_px=100")

    assert limits.current() == Limits(frames=7, streams=3, side_px=100)


@pytest.mark.parametrize("changed", [{}, {"frames": 7}, {"picture_px": 200_000_000, "silence_seconds": 0.5}])
def test_limits_are_read_as_they_are_written(changed: dict[str, float]) -> None:
    stated = Limits.model_validate(changed)

    assert Limits.parse(stated.to_text()) == stated
    assert bool(stated.to_text()) == bool(changed)


def test_a_file_that_is_still_being_written_is_refused(tmp_path: Path) -> None:
    """Reading it might never end."""
    path = make_clip(tmp_path / "clip.ts", frames=200, audio="mp2")
    info = probe_source(path)
    data = path.read_bytes()
    stopped = threading.Event()

    def write() -> None:
        with path.open("ab") as file:
            while not stopped.wait(0.01):
                file.write(data)
                file.flush()

    writer = threading.Thread(target=write)

    def on_frame(count: int) -> None:
        if not writer.ident:
            writer.start()
        time.sleep(0.05)

    try:
        with pytest.raises(InputError, match=r"clip.ts grows while it is read; wait until it is complete"):
            scan_source(path, info, on_frame=on_frame)
    finally:
        stopped.set()
        writer.join()


def test_a_file_that_is_taken_away_while_it_is_read_is_named(tmp_path: Path) -> None:
    """A drive that is unplugged, a share that is gone: no defect of the program."""
    path = make_clip(tmp_path / "clip.ts", frames=24, audio="mp2")
    info = probe_source(path)

    with pytest.raises(InputError, match=r"clip.ts cannot be looked at any more \(No such file or directory\); "):
        scan_source(path, info, on_frame=lambda _count: path.unlink(missing_ok=True))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_what_never_ends_is_not_begun(device: str, sr: Commands, network: Path) -> None:
    (sr.folder.parent / "endless.mp4").symlink_to(device)

    ended = sr.run("run", "../endless.mp4", "-o", "out.mp4", "--model", network)

    assert ended.code == ExitCode.INPUT
    assert "endless.mp4 is not a file but a device" in ended.stderr
    assert names(sr.folder) == []


@pytest.mark.parametrize("codec", ["sanm", "cinepak"])
def test_codecs_are_decoded_from_a_list(codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the list is made shorter, for there are no encoders for what is really not on it."""
    from sr_core.video import open as opening

    path = make_clip(tmp_path / "clip.mp4")
    monkeypatch.setattr(opening, "VIDEO_DECODERS", frozenset({codec}))

    with pytest.raises(InputError, match=r"clip.mp4: video of the codec h264 is not decoded; convert it"):
        probe(path)


def test_containers_are_read_from_a_list(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.rl2.mkv")
    path.write_bytes(b"FORM\0\0\0\0RLV2" + bytes(2000))

    with pytest.raises(InputError, match="is not a video file that can be read"), open_source(path):
        pass
