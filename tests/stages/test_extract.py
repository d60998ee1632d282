"""Extract can be stopped at any time, also while it cuts: to code a chunk losslessly may take minutes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_core.contract import REQUEST_KEY
from sr_core.errors import Interrupted
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.stages import extract as extract_stage
from sr_core.stages.extract import extract
from sr_core.storage import open_store, source_version
from sr_core.types import Settings
from sr_core.video import isolation
from sr_core.video.cut import CutChunk
from sr_core.video.source import cut_source, scan_source
from tests import builders
from tests.clips import make_clip


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that says nothing is waited for no time before it is asked whether to go on."""
    monkeypatch.setattr(isolation, "_POLL_SECONDS", 0.0)


def submit(folder: Path, source: Path) -> Manifest:
    manifest = Manifest(open_store(str(folder)))
    settings = Settings(model="compact-x2")
    request = builders.request(settings, input=str(source), input_version=source_version(str(source)))
    manifest.store.put_bytes(REQUEST_KEY, request.to_json())
    return manifest


def test_asked_to_stop_while_a_chunk_is_cut_it_does_not_wait_for_the_chunk(
    tmp_path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a source that has to be coded losslessly, as one chunk of many frames
    source = make_clip(
        tmp_path / "source.mov", codec="prores_ks", pixel_format="yuv422p10le", frames=96, size=(320, 240), audio=None
    )
    manifest, interruption = submit(tmp_path / "job", source), Interruption()
    made: list[CutChunk] = []

    def asked_to_stop(*args: Any, **kwargs: Any) -> Iterator[CutChunk]:
        interruption.request("Ctrl-C", grace_seconds=0)
        for chunk in cut_source(*args, **kwargs):
            made.append(chunk)
            yield chunk

    monkeypatch.setattr(extract_stage, "cut_source", asked_to_stop)

    # When it is asked to stop as cutting begins
    with pytest.raises(Interrupted):
        extract(manifest, scratch=tmp_path, tier="local", interruption=interruption)

    # Then it has not waited for the chunk's end
    assert made == []


def test_asked_to_stop_while_the_source_is_scanned_it_does_not_wait_for_a_frame(
    tmp_path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a source
    manifest, interruption = submit(tmp_path / "job", make_clip(tmp_path / "source.mp4")), Interruption()
    counts: list[int] = []

    def asked_to_stop(*args: Any, **kwargs: Any) -> Any:
        interruption.request("Ctrl-C", grace_seconds=0)
        return scan_source(*args, **kwargs | {"on_frame": counts.append})

    monkeypatch.setattr(extract_stage, "scan_source", asked_to_stop)

    # When it is asked to stop before the first frame is decoded
    with pytest.raises(Interrupted):
        extract(manifest, scratch=tmp_path, tier="local", interruption=interruption)

    # Then it has not waited for one
    assert counts == []
