"""The state machine of a batch: a manifest of videos, of which each may fail by itself."""

import pytest

from .reading import Assembly, Json, follow, states


@pytest.fixture
def batch(production: Assembly) -> Json:
    """Every state of `UpscaleBatch`, by name."""
    return dict(states(production.definition("UpscaleBatch")))


def test_one_video_of_a_batch_may_fail_without_the_others(batch: Json) -> None:
    assert batch["Video"]["Catch"][0]["ErrorEquals"] == ["States.ALL"]
    assert batch["Video"]["Catch"][0]["Next"] == "RecordFailure"
    assert batch["RecordFailure"]["Next"] == "VideoFailed"
    assert [entry["Next"] for entry in batch["RecordFailure"]["Catch"]] == ["VideoFailed"]
    assert batch["VideoFailed"]["End"] is True
    assert batch["Videos"]["MaxConcurrency"] == 20
    assert batch["Videos"]["ResultWriter"]["Parameters"]["Bucket"] == "Work"


@pytest.mark.parametrize(
    ("line", "next_state"),
    [
        ({"input": "s3://input/a.mp4"}, "Video"),
        ({"input": "s3://input/a.mp4", "settings": {"crf": 20}}, "Video"),
        ({"input": 7}, "NoRequest"),
        ({"inputs": "s3://input/a.mp4"}, "NoRequest"),
        ([{"input": "s3://input/a.mp4"}], "NoRequest"),
        ("s3://input/a.mp4", "NoRequest"),
        (None, "NoRequest"),
    ],
)
def test_a_manifest_is_json_lines_and_a_line_that_is_no_request_fails_by_itself(
    batch: Json, line: object, next_state: str
) -> None:
    assert batch["Videos"]["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
    assert batch["Videos"]["ItemProcessor"]["StartAt"] == "IsRequest"
    assert follow(batch["IsRequest"], {"request": line}) == next_state
    refused = batch["NoRequest"]
    assert refused["Parameters"]["Error"] == "LineNotUnderstood"
    assert refused["Next"] == "RecordFailure"


def test_a_batch_tells_how_many_of_its_videos_failed(batch: Json) -> None:
    # given that it succeeds even if all of them fail
    assert batch["Videos"]["Next"] == "CountFailed"
    assert batch["CountFailed"]["Parameters"]["Prefix.$"] == "States.Format('batches/{}/failed/', $$.Execution.Name)"
    (entry,) = batch["Announce"]["Parameters"]["Entries"]
    assert entry["DetailType"] == batch["Notify"]["Parameters"]["Subject"] == "Batch finished"
    assert entry["Detail"] == batch["Notify"]["Parameters"]["Message"]
    assert entry["Detail"]["failed.$"] == "$.failed.count"
    assert entry["Detail"]["results.$"] == "States.Format('s3://Work/batches/{}/', $$.Execution.Name)"
    for name in ("CountFailed", "Announce", "Notify"):
        (caught,) = batch[name]["Catch"]
        assert caught["Next"] in (batch[name]["Next"], "Uncounted"), "no deafness makes a finished batch fail"


@pytest.mark.parametrize(
    ("given", "following"),
    [
        ({}, "ManifestSplit"),
        ({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"}, "ManifestSplit"),
        ({"settings": {"crf": 14}}, "InputNotUnderstood"),
        ({"overwrite": True}, "InputNotUnderstood"),
    ],
)
def test_what_a_batch_would_pass_over_it_refuses(batch: Json, given: Json, following: str) -> None:
    # Given a manifest and perhaps more, as it is merged into what is known
    request = {"manifest": "s3://Input/films.jsonl"} | given
    assert follow(batch["HasManifest"], request) == "Start"
    merged = batch["Start"]["Parameters"]["defaults"] | request

    # Then a thousand films are not made with other settings than were asked for
    assert follow(batch["FieldsKnown"], {"request": merged, "fields": {"values": list(merged.values())}}) == following
    assert batch["ManifestSplit"]["Parameters"]["parts.$"] == "States.StringSplit($.request.manifest, '/')"
    assert "the field manifest and no other" in batch["InputNotUnderstood"]["Parameters"]["Cause"]


@pytest.mark.parametrize("failure", ["ManifestMissing", "InputNotUnderstood", "BatchFailed"])
def test_a_batch_that_cannot_run_is_announced_as_such(batch: Json, failure: str) -> None:
    assert batch[failure]["Next"] == "AnnounceFailure"
    (entry,) = batch["AnnounceFailure"]["Parameters"]["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("sr-pipeline", "Batch failed")
    assert batch["NotifyFailure"]["Parameters"]["TopicArn"] == "Announcements"
