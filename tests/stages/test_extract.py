"""Extract refuses an output that it may not replace before it looks at the source, and can be stopped at any time.

Also while it cuts: to code a chunk losslessly may take minutes.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_core.contract import REPORT_KEY, REQUEST_KEY, TIMESTAMPS_KEY, Stage
from sr_core.errors import InputError, Interrupted
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.stages import extract as extract_stage
from sr_core.stages.extract import extract
from sr_core.storage import OutputExists, open_store, source_version
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


def test_the_first_chunks_time_holds_what_came_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a source of two chunks that takes a while to look at
    manifest = submit(tmp_path / "job", make_clip(tmp_path / "source.mp4"))

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.5)
        return scan_source(*args, **kwargs)

    monkeypatch.setattr(extract_stage, "scan_source", slowly)

    started = time.monotonic()
    extract(manifest, scratch=tmp_path, tier="local", chunk_segments=1)
    seconds = time.monotonic() - started

    # Then that is counted once: the receipts together tell what the stage took
    times = [receipt.timing.total_seconds for receipt in manifest.receipts(Stage.EXTRACT, range(2)).values()]
    assert len(times) == 2
    assert 0.5 < times[0] < seconds
    assert sum(times) < seconds


def extracted(folder: Path, **changes: Any) -> str:
    """What extract refuses of a request whose source is not there, which it sees when it comes to the source."""
    manifest = Manifest(open_store(str(folder)))
    request = builders.request(Settings(model="compact-x2"), input=str(folder / "missing.mp4"), **changes)
    manifest.store.put_bytes(REQUEST_KEY, request.to_json())
    with pytest.raises(InputError) as raised:
        extract(manifest, scratch=folder, tier="local")
    return f"{type(raised.value).__name__}: {raised.value}"


def test_an_output_that_lies_there_is_refused_before_the_source_is_looked_at(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")

    told = extracted(tmp_path / "job", output=str(output))

    assert told.startswith(f"{OutputExists.__name__}: {output} exists and was not made by this job; choose another")
    assert output.read_bytes() == b"precious"


def test_an_output_is_replaced_where_the_request_says_so_or_this_job_put_it_there(tmp_path: Path) -> None:
    # Given an output that the job folder's report speaks of
    output = tmp_path / "out.mp4"
    output.write_bytes(b"upscaled")
    report = builders.report(output=str(output), sha256=hashlib.sha256(b"upscaled").hexdigest())
    Manifest(open_store(str(tmp_path / "own"))).store.put_bytes(REPORT_KEY, report.to_json())

    # Then extract goes on to the source
    assert "missing.mp4 does not exist" in extracted(tmp_path / "own", output=str(output))
    assert "missing.mp4 does not exist" in extracted(tmp_path / "other", output=str(output), overwrite=True)

    # and not when somebody has changed the file
    output.write_bytes(b"upscaled and cut")
    assert extracted(tmp_path / "own", output=str(output)).startswith(OutputExists.__name__)


def test_an_output_that_cannot_be_written_is_refused_before_the_source_is_looked_at(tmp_path: Path) -> None:
    told = extracted(tmp_path / "job", output=str(tmp_path / "nowhere" / "out.mp4"))

    assert "nowhere is not a folder; create it first" in told


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_record_of_frames_that_is_gone_is_made_again(tmp_path: Path, damage: str) -> None:
    # Given an extracted job whose record of frames has expired before its plan, or lost its end
    source = make_clip(tmp_path / "source.mp4", frames=30)
    manifest = submit(tmp_path / "job", source)
    plan = extract(manifest, scratch=tmp_path)
    record = tmp_path / "job" / TIMESTAMPS_KEY
    before = record.read_bytes()
    if damage == "gone":
        record.unlink()
    else:
        record.write_bytes(before[:-20])

    # When it is extracted again
    again = extract(manifest, scratch=tmp_path)

    # Then plan and record are as they were
    assert (again, record.read_bytes()) == (plan, before)
