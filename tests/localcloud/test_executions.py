"""Executions among others: aborted, started twice, started again, many in a batch."""

import json
import time
from pathlib import Path

import pytest

from localcloud.cloud import LocalCloud
from localcloud.execution import Execution
from localcloud.processes import WarmFork
from sr_core.contract import Stage
from tests.clips import make_clip

from .conftest import sr_run
from .runs import SETTINGS, Runs


def test_an_aborted_execution_takes_its_jobs_with_it(plain: LocalCloud, warm: WarmFork, runs: Runs) -> None:
    # Given an execution whose two upscale jobs have begun: their interpreters take seconds to start
    run = runs.start()
    deadline = time.monotonic() + 120
    while len(run.attempts(Stage.UPSCALE)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    # When it is aborted
    run.execution.abort()
    assert run.execution.wait() == "ABORTED"

    # Then its jobs end, and no other begins
    jobs = [job for job in plain.jobs() if run.job.rpartition("/")[2] in job.job_name]
    for job in jobs:
        job.join(120)
    ended = [(job.status, job.job_stopped_reason) for job in jobs if "upscale" in job.job_name]
    assert ended == [("FAILED", "Terminated by the execution that started it")] * 2
    assert len(run.attempts(Stage.UPSCALE)) == 2
    assert plain.survivors() == []
    assert run.published() == []

    # and the next start goes on
    plain.launcher = warm
    run.again().assert_done()


def test_the_same_input_twice_at_once_gives_one_result_and_afterwards_costs_no_work(runs: Runs) -> None:
    # When the same request is started twice at once
    first = runs.start()
    second = first.again()

    # Then both are done, with one job folder and one result
    first.assert_done()
    second.assert_done()
    assert first.job == second.job
    assert [receipt.index for receipt in first.receipts(Stage.UPSCALE)] == [0, 1, 2, 3]

    # And when it is started once more, then nothing is upscaled
    before = len(first.attempts(Stage.UPSCALE))
    third = second.again()
    third.assert_done()
    attempts = third.attempts(Stage.UPSCALE)[before:]
    assert len(attempts) == 2
    assert [request for attempt in attempts for request, _ in attempt.requests if request.is_write] == []


def test_a_batch_of_five_in_which_one_fails(cloud: LocalCloud, clip: Path, expected: bytes, tmp_path: Path) -> None:
    # Given a manifest of four clips, of two different contents, one address where nothing lies, and a line that is no
    # request
    other = make_clip(tmp_path / "other.mp4", seed=1)
    wanted: dict[str, bytes] = {}
    lines: list[object] = []
    for number, (content, result) in enumerate([(clip, expected), (other, sr_run(other, tmp_path))] * 2):
        source = cloud.upload(content, f"batch/{number}.mp4")
        wanted[source] = result
        lines.append({"input": source, "settings": SETTINGS})
    lines.insert(3, {"input": f"s3://{cloud.bucket('Input')}/batch/missing.mp4"})
    lines.append("s3://a/string.mp4")

    # When it is run
    execution = start_batch(cloud, tmp_path, *map(json.dumps, lines))

    # Then the four are there, and of the other two is told
    assert execution.wait(seconds=300) == "SUCCEEDED", execution.describe()
    results = [json.loads(child.events[-1]["stateExitedEventDetails"]["output"]) for child in execution.children()]
    told = [result.get("cause") for result in results]
    states = [result["status"] for result in results]
    assert states == ["SUCCEEDED"] * 3 + ["FAILED", "SUCCEEDED", "FAILED"], told
    assert results[3]["error"] == "States.TaskFailed"
    assert "InputNotFound" in results[3]["cause"]
    assert (results[5]["error"], results[5]["request"]) == ("LineNotUnderstood", "s3://a/string.mp4")
    outcome = json.loads(execution.describe()["output"])
    assert (outcome["failed"], outcome["and_more"]) == (2, False)
    records = [json.loads(cloud.read(f"{outcome['results']}failed/{line}.json")) for line in (3, 5)]
    assert [record["error"] for record in records] == ["States.TaskFailed", "LineNotUnderstood"]
    for result in results:
        if result["status"] == "SUCCEEDED":
            assert cloud.read(result["result"]["output"]) == wanted[result["request"]["input"]]


def start_batch(cloud: LocalCloud, folder: Path, *lines: str) -> Execution:
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(f"{line}\n" for line in lines))
    return cloud.start("UpscaleBatch", {"manifest": cloud.upload(manifest)})


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (['{"input": "s3://input/a.mp4"}', "", '{"input": "s3://input/b.mp4"}'], "line 2 is blank"),
        (['{"input": "s3://input/a.mp4"}', "a.mp4"], "line 2 is not JSON"),
        (["[", '{"input": "s3://input/a.mp4"}', "]"], "line 1 is not JSON"),
    ],
    ids=["a blank line", "no JSON", "a JSON list over several lines"],
)
def test_a_manifest_of_anything_but_json_lines_fails_the_batch_before_any_video(
    cloud: LocalCloud, tmp_path: Path, lines: list[str], cause: str
) -> None:
    execution = start_batch(cloud, tmp_path, *lines)

    assert execution.wait() == "FAILED"
    assert execution.describe()["error"] == "BatchFailed"
    assert cause in execution.describe()["cause"]
    assert execution.children() == []


def test_a_json_list_on_a_line_is_no_request(cloud: LocalCloud, tmp_path: Path) -> None:
    execution = start_batch(cloud, tmp_path, '[{"input": "s3://input/a.mp4"}]')

    assert execution.wait() == "SUCCEEDED"
    (child,) = execution.children()
    result = json.loads(child.events[-1]["stateExitedEventDetails"]["output"])
    assert (result["status"], result["error"]) == ("FAILED", "LineNotUnderstood")


def test_settings_that_no_line_would_get_fail_the_batch_before_any_video(cloud: LocalCloud) -> None:
    manifest = f"s3://{cloud.bucket('Input')}/missing.jsonl"
    execution = cloud.start("UpscaleBatch", {"manifest": manifest, "settings": {"crf": 14}, "overwrite": True})

    assert execution.wait() == "FAILED"
    assert execution.describe()["error"] == "InputNotUnderstood"
    assert "the field manifest and no other" in execution.describe()["cause"]
    assert execution.children() == []


def test_a_manifest_that_is_not_there_fails_the_batch(cloud: LocalCloud) -> None:
    execution = cloud.start("UpscaleBatch", {"manifest": f"s3://{cloud.bucket('Input')}/missing.jsonl"})

    assert execution.wait() == "FAILED"
    assert execution.describe()["error"] == "BatchFailed"
    assert "NoSuchKey" in execution.describe()["cause"]
