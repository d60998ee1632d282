"""`sr submit` brings videos to a deployment and starts each once; what is wrong is told before it costs anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from sr_core import submission
from sr_core.cli import follow
from sr_core.cli import submit as cli
from sr_core.cli.main import main
from sr_core.contract import ExitCode
from sr_core.storage import source_version
from sr_core.types import Request, Settings
from tests.clips import make_clip

from .account import Account, refused, submitted

Capture = pytest.CaptureFixture[str]


def digest(entry: dict[str, Any], **settings: Any) -> str:
    """Of the request that the deployment makes of a submission: what its result will bear."""
    version = source_version(entry["source"])
    request = Request(
        input=entry["source"], input_version=version, output=entry["output"], settings=Settings(**settings)
    )
    return request.digest()


def test_a_file_is_brought_and_an_execution_asked_for_it(account: Account, clip: str, capsys: Capture) -> None:
    assert main(["submit", clip, "--crf", "20", "--critical"]) == ExitCode.OK

    # Then the file lies under its content's name, the execution is told of it and of nothing that is as by default
    (key,) = account.keys("input")
    assert key.startswith("submitted/")
    assert key.endswith("/film one.mp4")
    (asked,) = account.asked()
    source = f"s3://{account.bucket('input')}/{key}"
    assert asked == {"input": source, "settings": {"crf": 20}, "critical": True}
    # and it is said what runs, where the result will be and how to watch
    (execution,) = account.executions()
    assert execution.name.startswith("film-one-")
    text = capsys.readouterr().out
    assert f"{clip}: started" in text
    assert f"  output    s3://{account.bucket('output')}/{key}/upscaled.mp4\n" in text
    assert f"  watch     sr status {execution.execution_arn}\n" in text


def test_an_address_that_the_deployment_reads_is_used_as_it_is(account: Account, capsys: Capture) -> None:
    account.s3.put_object(Bucket="archive", Key="films/a.mkv", Body=b"frames")

    (entry,) = submitted(capsys, "s3://archive/films/a.mkv", "--codec", "prores")

    # Then its default output names the bucket, and is one that the codec goes into
    output = f"s3://{account.bucket('output')}/films/a.mkv/upscaled.archive.mov"
    assert (entry["source"], entry["output"]) == ("s3://archive/films/a.mkv", output)
    assert account.asked() == [{"input": "s3://archive/films/a.mkv", "settings": {"codec": "prores"}}]
    assert account.keys("input") == []


def test_the_same_asked_for_twice_is_neither_brought_nor_paid_for_twice(
    account: Account, clip: str, capsys: Capture
) -> None:
    (first,) = submitted(capsys, clip)
    written = account.s3.list_objects_v2(Bucket=account.bucket("input"))["Contents"]

    # When it is asked for again, in more of a hurry
    (second,) = submitted(capsys, clip, "--critical")

    assert (first["outcome"], second["outcome"]) == ("started", "under way")
    assert first["execution"] == second["execution"]
    assert len(account.executions()) == 1
    assert account.s3.list_objects_v2(Bucket=account.bucket("input"))["Contents"] == written

    # but what is asked for otherwise is something else
    (third,) = submitted(capsys, clip, "--crf", "20")
    assert third["outcome"] == "started"
    assert third["execution"] != first["execution"]


def test_what_is_done_is_not_started_again_unless_it_is_to_be_replaced(
    account: Account, clip: str, capsys: Capture
) -> None:
    # Given a result, whoever made it: an execution by hand, say, which has long been forgotten
    (first,) = submitted(capsys, clip)
    account.end("SUCCEEDED")
    account.publish(first["output"], job=digest(first))

    (second,) = submitted(capsys, clip)
    assert (second["outcome"], second["execution"]) == ("done", None)
    assert len(account.executions()) == 1

    # When it is to be replaced
    (third,) = submitted(capsys, clip, "--overwrite")
    assert third["outcome"] == "started"
    assert account.asked()[-1] == {"input": first["source"], "overwrite": True}


def test_a_result_that_is_gone_is_made_again(account: Account, clip: str, capsys: Capture) -> None:
    (first,) = submitted(capsys, clip)
    account.end("SUCCEEDED")

    (second,) = submitted(capsys, clip)

    assert second["outcome"] == "started"
    assert second["execution"] == f"{first['execution']}-2"


def test_what_failed_before_is_started_again_and_says_so(account: Account, clip: str, capsys: Capture) -> None:
    # Given two executions that have failed
    submitted(capsys, clip)
    account.end("FAILED", error="ChunkFailed", cause="chunk 3: no")
    submitted(capsys, clip)
    account.end("ABORTED")

    assert main(["submit", clip]) == ExitCode.OK

    names = [execution.name for execution in account.executions()]
    assert [name.removeprefix(names[0]) for name in names] == ["", "-2", "-3"]
    assert "  before    ABORTED; it goes on from what that has left\n" in capsys.readouterr().out


def test_another_jobs_result_is_not_replaced(account: Account, clip: str, capsys: Capture) -> None:
    (entry,) = submitted(capsys, clip)
    account.end("SUCCEEDED")
    account.publish(entry["output"], job="another")

    assert "exists and was not made by this job" in refused(capsys, clip)
    assert len(account.executions()) == 1


def test_a_bad_input_holds_back_no_other(account: Account, clip: str, tmp_path: Path, capsys: Capture) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("no video")

    entries = submitted(capsys, "missing.mp4", clip, str(bad), clip, code=ExitCode.INPUT)

    # Then each is told of, once
    assert [entry["input"] for entry in entries] == ["missing.mp4", clip, str(bad)]
    assert [entry["outcome"] for entry in entries] == [None, "started", None]
    assert [entry["error"] and entry["error"]["exit_code"] for entry in entries] == [64, None, 64]
    assert len(account.executions()) == 1


def test_results_in_a_folder_have_the_sources_names_and_none_has_anothers_place(
    account: Account, clip: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "other").mkdir()
    namesake = make_clip(tmp_path / "other" / "film one.mp4", frames=6, seed=1)
    folder = f"s3://{account.bucket('output')}/spring/"

    first, second = submitted(capsys, clip, str(namesake), "-o", folder, "--codec", "ffv1", code=ExitCode.INPUT)

    assert first["output"] == f"{folder}film one-upscaled.mkv"
    assert "would go to" in second["error"]["message"]
    assert [asked["output"] for asked in account.asked()] == [first["output"]]


def test_over_the_budget_nothing_is_brought_and_nothing_started(account: Account, clip: str, capsys: Capture) -> None:
    account.s3.put_object(Bucket="archive", Key="a.mp4", Body=Path(clip).read_bytes())

    told = refused(capsys, clip, "s3://archive/a.mp4", "--budget", "0.0000001")

    # Then the line says how much it would be, and what that leaves out
    assert "over the budget of <0.0001 $" in told
    assert "on Spot (not counted: starting machines, two to four minutes each; " in told
    assert (account.keys("input"), account.executions()) == ([], [])

    # and within it each is started, and tells its estimate
    entries = submitted(capsys, clip, "s3://archive/a.mp4", "--budget", "5")
    assert [entry["outcome"] for entry in entries] == ["started", "started"]
    assert all(entry["estimate"]["tier"] == "standard" for entry in entries)


def test_what_is_done_counts_to_no_budget(account: Account, clip: str, capsys: Capture) -> None:
    (first,) = submitted(capsys, clip)
    account.publish(first["output"], job=digest(first))

    (second,) = submitted(capsys, clip, "--budget", "0.0000001")

    assert second["outcome"] == "done"


def test_with_wait_the_exit_code_is_that_of_the_work(
    account: Account, clip: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an execution that fails between two looks, for want of memory
    job = {"StatusReason": "Essential container in task exited", "Container": {"ExitCode": 71}}
    monkeypatch.setattr(
        follow,
        "sleep",
        lambda _: account.end("FAILED", error="ChunkFailed", cause=f"chunk 0: {json.dumps(job)}"),
    )

    (entry,) = submitted(capsys, clip, "--wait", code=ExitCode.HOST_CAPACITY)

    assert entry["status"] == "FAILED"
    assert "ChunkFailed: chunk 0: Essential container in task exited, exit code 71" in entry["error"]["message"]

    # and where it succeeds, it is 0
    monkeypatch.setattr(follow, "sleep", lambda _: account.end("SUCCEEDED"))
    (entry,) = submitted(capsys, clip, "--wait")
    assert (entry["status"], entry["former"]["error"]) == ("SUCCEEDED", "ChunkFailed")


def test_ctrl_c_stops_watching_and_nothing_else(
    account: Account, clip: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "sleep", interrupt)

    (entry,) = submitted(capsys, clip, "--wait", code=ExitCode.INTERRUPTED)

    assert (entry["outcome"], entry["status"]) == ("started", None)
    assert [execution.status for execution in account.executions()] == ["RUNNING"]


def test_ctrl_c_leaves_running_what_was_submitted(
    account: Account, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given three sources, and somebody who stops at the second
    for name in ("a", "b", "c"):
        account.s3.put_object(Bucket="archive", Key=f"{name}.mp4", Body=name.encode())
    places = [f"s3://archive/{name}.mp4" for name in ("a", "b", "c")]
    real = submission.prepare

    def stopped_at_the_second(place: str, *arguments: Any, **options: Any) -> submission.Prepared:
        if place == places[1]:
            raise KeyboardInterrupt
        return real(place, *arguments, **options)

    monkeypatch.setattr(cli, "prepare", stopped_at_the_second)

    assert main(["submit", *places]) == ExitCode.INTERRUPTED

    assert (
        "stopped when 1 of 3 were submitted, which go on; the same command submits the rest" in capsys.readouterr().err
    )
    assert [execution.status for execution in account.executions()] == ["RUNNING"]

    # and the same command submits the rest
    monkeypatch.setattr(cli, "prepare", real)
    outcomes = [entry["outcome"] for entry in submitted(capsys, *places)]
    assert outcomes == ["under way", "started", "started"]


def test_status_of_an_execution_tells_what_the_workflow_says(account: Account, clip: str, capsys: Capture) -> None:
    (entry,) = submitted(capsys, clip)
    assert main(["status", entry["execution"]]) == ExitCode.OK
    assert " of sr-test-UpscaleVideo: running for " in capsys.readouterr().out

    # When it has failed
    account.end("FAILED", error="ExtractFailed", cause="no\nvideo")
    assert main(["status", entry["execution"]]) == ExitCode.OK
    text = capsys.readouterr().out
    assert " of sr-test-UpscaleVideo: failed after " in text
    assert "  ExtractFailed: no video\n" in text
    assert main(["status", entry["execution"], "--json"]) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    assert (answer["execution"]["status"], answer["execution"]["error"]) == ("FAILED", "ExtractFailed")


def test_status_tells_what_the_workflow_says_though_the_job_folder_may_not_be_seen(
    account: Account, clip: str, capsys: Capture
) -> None:
    (entry,) = submitted(capsys, clip)
    account.end("SUCCEEDED", output={"job": "s3://nobodys-bucket/jobs/ab12"})

    assert main(["status", entry["execution"]]) == ExitCode.OK

    told = capsys.readouterr()
    assert " of sr-test-UpscaleVideo: succeeded after " in told.out
    assert "how far its job is cannot be seen: s3://nobodys-bucket: there is no such bucket" in told.err
