"""The synthesized `UpscaleVideo` over a video: the same bytes as `sr run`, with jobs that are real processes."""

from pathlib import Path

import pytest

from localcloud.cloud import LocalCloud
from sr_core.contract import REQUEST_KEY, Stage
from sr_core.types import Request
from tests.reference import VIDEO, needs_media

from .conftest import sr_run
from .runs import FRAMES, SEGMENT_FRAMES, Runs


@pytest.mark.slow
def test_the_deployed_pipeline_makes_what_sr_run_makes(plain: LocalCloud, runs: Runs) -> None:
    # When the state machine runs, each job in a new interpreter
    run = runs.finish()

    # Then the result is that of one process
    run.assert_done()

    # and it went the way that is drawn in the state machine's docstring
    states = run.execution.states()
    assert [name for name in states if name in ("ExtractSpot", "Route", "Chunks", "AssembleSpot", "Announce")] == [
        "ExtractSpot",
        "Route",
        "Chunks",
        "AssembleSpot",
        "Announce",
    ]
    assert run.execution.states(chunk=1) == ["Tier", "UpscaleStandardSpot", "NeedsEncode", "ChunkDone"]

    # with one attempt a job, and no frame done twice
    assert [(str(attempt.target.stage), attempt.number) for attempt in run.attempts()] == [
        ("extract", 1),
        ("upscale", 1),
        ("upscale", 1),
        ("assemble", 1),
    ]
    assert [receipt.frame_count for receipt in run.receipts(Stage.UPSCALE)] == list(SEGMENT_FRAMES)
    assert sum(receipt.frame_count for receipt in run.receipts(Stage.UPSCALE)) == FRAMES

    # and neither a job nor the state machine asked for anything that its role does not allow
    assert plain.edge.denied == []
    assert [event for event in run.execution.events() if event["type"] == "TaskFailed"] == []


@needs_media
@pytest.mark.slow
def test_a_real_clip_gives_what_sr_run_gives(cloud: LocalCloud, tmp_path: Path) -> None:
    source = VIDEO / "realshort.mp4"
    runs = Runs(cloud, source, sr_run(source, tmp_path))

    run = runs.finish()

    run.assert_done()
    assert sum(receipt.frame_count for receipt in run.receipts(Stage.UPSCALE)) == 36


def test_a_mezzanine_goes_through_the_encode_fleet_and_gives_the_same_bytes(cloud: LocalCloud, runs: Runs) -> None:
    run = runs.finish(settings={"segment_codec": "mezzanine"})

    run.assert_done()
    for chunk in (0, 1):
        assert run.execution.states(chunk=chunk)[-3:] == ["NeedsEncode", "EncodeSpot", "ChunkDone"]
    assert [receipt.frame_count for receipt in run.receipts(Stage.ENCODE)] == list(SEGMENT_FRAMES)
    assert cloud.edge.denied == []

    # and the report tells machine time of each stage, and dollars: of a GPU's whole machine, of half of the others'
    cost = run.report().cost
    assert cost is not None
    assert [(each.stage, each.instance_type, each.market) for each in cost.used] == [
        (Stage.EXTRACT, "c5.2xlarge", "spot"),
        (Stage.UPSCALE, "g4dn.xlarge", "spot"),
        (Stage.ENCODE, "c5.2xlarge", "spot"),
        (Stage.ASSEMBLE, "c5.2xlarge", "spot"),
    ]
    hourly = [0.071, 0.208, 0.071, 0.071]
    assert [each.usd for each in cost.used] == [
        pytest.approx(each.seconds / 3600 * usd) for each, usd in zip(cost.used, hourly, strict=True)
    ]


@pytest.mark.parametrize(
    "more", [{"crf": 14}, {"setting": {"crf": 14}}, {"critical": "true"}], ids=["misplaced", "misspelt", "no boolean"]
)
def test_what_nobody_would_read_is_refused_before_any_job(cloud: LocalCloud, more: dict[str, object]) -> None:
    execution = cloud.start("UpscaleVideo", {"input": f"s3://{cloud.bucket('Input')}/a.mp4"} | more)

    assert execution.wait() == "FAILED"
    assert execution.describe()["error"] == "InputNotUnderstood"
    assert "input, output, settings, critical, overwrite and no other" in execution.describe()["cause"]
    assert list(execution.submissions()) == []


@pytest.mark.parametrize(("codec", "name"), [("prores", "upscaled.mov"), ("ffv1", "upscaled.mkv")])
def test_a_codec_that_mp4_does_not_hold_needs_no_output(runs: Runs, codec: str, name: str) -> None:
    # Given a job that need not run
    run = runs.finish("exit=64:extract", settings={"codec": codec})

    # Then what it is told to write is what this codec goes into
    request = Request.from_json(run.cloud.read(f"{run.job}/{REQUEST_KEY}"))
    assert request.output == f"{run.source.replace(run.cloud.bucket('Input'), run.cloud.bucket('Output'))}/{name}"


def test_what_is_not_there_is_refused_before_any_job(cloud: LocalCloud) -> None:
    execution = cloud.start("UpscaleVideo", {"input": f"s3://{cloud.bucket('Input')}/missing.mp4"})

    assert execution.wait() == "FAILED"
    assert execution.describe()["error"] == "InputNotFound"
    assert list(execution.submissions()) == []
