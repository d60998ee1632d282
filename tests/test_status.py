"""How far a job is, told by what its folder lists; nothing in it is changed."""

import hashlib
import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from sr_core import layout
from sr_core.contract import REPORT_KEY, REQUEST_KEY, Stage
from sr_core.errors import InputError
from sr_core.manifest import Manifest
from sr_core.planning import make_plan
from sr_core.status import JobStatus, State, job_status
from sr_core.storage import open_store, publish
from sr_core.timestamps import FrameTable
from sr_core.types import Failure, Settings
from tests import builders

SEGMENT_FRAMES = (100, 100, 50)
BEGAN = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(open_store(str(tmp_path / "job")))


def requested(manifest: Manifest, settings: Settings | None = None, output: str = "out.mp4") -> None:
    manifest.store.put_bytes(REQUEST_KEY, builders.request(settings, output=output).to_json())


def planned(manifest: Manifest) -> None:
    """Two chunks: one of two segments, one of the last."""
    table = FrameTable(time_base=Fraction(1, 25))
    for index in range(sum(SEGMENT_FRAMES)):
        table.append(index, checksum=index)
    plan = make_plan(manifest.request(), builders.model(), builders.video(), tier="local", chunk_segments=2)
    assert tuple(segment.frame_count for segment in plan.segments) == SEGMENT_FRAMES
    manifest.write_plan(plan, table)


def receipt(manifest: Manifest, stage: Stage, index: int, *, after_seconds: float = 0) -> None:
    """Status looks at what is listed alone, so that an empty object will do."""
    key = layout.receipt_key(stage, index)
    manifest.store.put_bytes(key, b"")
    at = BEGAN.timestamp() + after_seconds
    os.utime(Path(manifest.store.uri) / key, (at, at))


def extracted(manifest: Manifest) -> None:
    planned(manifest)
    for index in range(2):
        receipt(manifest, Stage.EXTRACT, index)
    manifest.write_route(manifest.plan())


def counts(status: JobStatus) -> dict[str, tuple[int, int, int]]:
    return {each.stage: (each.done_units, each.total_units, each.done_frames) for each in status.stages}


def test_an_address_without_a_job_is_refused(manifest: Manifest) -> None:
    with pytest.raises(InputError, match="is it a job folder"):
        job_status(manifest)


def test_a_job_is_extracting_until_all_that_follows_can_begin(manifest: Manifest) -> None:
    requested(manifest)
    assert job_status(manifest).state == State.EXTRACTING

    planned(manifest)
    receipt(manifest, Stage.EXTRACT, 0)

    status = job_status(manifest)
    assert status.state == State.EXTRACTING
    assert counts(status) == {"extract": (1, 2, 200), "upscale": (0, 3, 0)}


def test_what_has_a_receipt_counts_and_time_left_follows_from_when_they_came(manifest: Manifest) -> None:
    requested(manifest)
    extracted(manifest)

    # When two segments were upscaled, ten seconds apart: a hundred frames in that time
    receipt(manifest, Stage.UPSCALE, 1)
    receipt(manifest, Stage.UPSCALE, 0, after_seconds=10)

    status = job_status(manifest)
    upscale = status.stages[1]
    assert (status.state, counts(status)["upscale"]) == (State.UPSCALING, (2, 3, 200))
    assert upscale.seconds_left == pytest.approx(5)
    assert upscale.last_receipt_at == datetime.fromtimestamp(BEGAN.timestamp() + 10, UTC)


def test_only_a_job_with_a_mezzanine_is_encoded(manifest: Manifest) -> None:
    requested(manifest, Settings(segment_codec="mezzanine"))
    extracted(manifest)
    for index in range(3):
        receipt(manifest, Stage.UPSCALE, index)
    receipt(manifest, Stage.ENCODE, 2)

    status = job_status(manifest)

    assert status.state == State.ENCODING
    assert counts(status)["encode"] == (1, 3, 50)


def test_a_job_is_done_when_its_result_lies_where_it_was_asked_for(manifest: Manifest, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    requested(manifest, output=str(output))
    extracted(manifest)
    for index in range(3):
        receipt(manifest, Stage.UPSCALE, index)
    assert job_status(manifest).state == State.ASSEMBLING

    # When the report is written, but the result is not there yet
    made = tmp_path / "made.mp4"
    made.write_bytes(b"upscaled")
    report = builders.report(output=str(output), sha256=hashlib.sha256(b"upscaled").hexdigest())
    manifest.store.put_bytes(REPORT_KEY, report.to_json())
    assert job_status(manifest).state == State.ASSEMBLING

    # and then it is
    publish(made, str(output), overwrite=False)
    status = job_status(manifest)
    assert (status.state, status.report) == (State.DONE, report)


def test_chunks_that_were_given_up_are_named_and_what_is_no_record_is_not(manifest: Manifest) -> None:
    requested(manifest)
    extracted(manifest)
    gone = Failure(chunk=1, error="UpscaleFailed", cause="no such luck")
    manifest.store.put_bytes("failures/00001.json", gone.to_json())
    manifest.store.put_bytes("failures/note.txt", b"call Anna")

    assert job_status(manifest).failures == (gone,)


def test_looking_changes_nothing(manifest: Manifest) -> None:
    # Given a receipt that does not hold, which a stage would set aside
    requested(manifest)
    extracted(manifest)
    receipt(manifest, Stage.UPSCALE, 0)
    before = [(info.key, info.modified_at) for info in manifest.store.list()]

    job_status(manifest)

    assert [(info.key, info.modified_at) for info in manifest.store.list()] == before
