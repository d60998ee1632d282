"""Executions among others: aborted, started twice, started again, many in a batch."""

import json
import time
from pathlib import Path

from localcloud.cloud import LocalCloud
from sr_core.contract import Stage
from tests.clips import make_clip

from .conftest import sr_run
from .runs import SETTINGS, Runs


def test_an_aborted_execution_takes_its_jobs_with_it(plain: LocalCloud, runs: Runs) -> None:
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
    # Given a manifest of four clips, of two different contents, and one address where nothing lies
    other = make_clip(tmp_path / "other.mp4", seed=1)
    wanted: dict[str, bytes] = {}
    entries = []
    for number, (content, result) in enumerate([(clip, expected), (other, sr_run(other, tmp_path))] * 2):
        source = cloud.upload(content, f"batch/{number}.mp4")
        wanted[source] = result
        entries.append({"input": source, "settings": SETTINGS})
    entries.insert(3, {"input": f"s3://{cloud.bucket('Input')}/batch/missing.mp4"})
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(entries))

    # When it is run
    execution = cloud.start("UpscaleBatch", {"manifest": cloud.upload(manifest)})

    # Then the four are there, and the fifth is told of
    assert execution.wait(seconds=300) == "SUCCEEDED", execution.describe()
    results = [json.loads(child.events[-1]["stateExitedEventDetails"]["output"]) for child in execution.children()]
    told = [result.get("cause") for result in results]
    assert [result["status"] for result in results] == ["SUCCEEDED"] * 3 + ["FAILED", "SUCCEEDED"], told
    assert results[3]["error"] == "States.TaskFailed"
    assert "InputNotFound" in results[3]["cause"]
    for result in results:
        if result["status"] == "SUCCEEDED":
            assert cloud.read(result["result"]["output"]) == wanted[result["request"]["input"]]
