"""The state machine `UpscaleBatch`: one execution of `UpscaleVideo` for each line of a manifest.

A manifest is JSON Lines in S3 and nothing else: each line is what an execution of `UpscaleVideo` takes. One video's
failure does not stop the others, nor does a line that is JSON and no request; what is no JSON fails the batch.
Input of an execution: ``{"manifest": "s3://bucket/key.jsonl"}`` and no other field. What became of each line is
written under ``batches/<execution>/`` in the work bucket, and once more under ``failed/`` there if it failed. Pure,
like `video_workflow`.
"""

from stacks.constructs.announcements import (
    EVENT_BATCH_DONE,
    EVENT_BATCH_FAILED,
    announce_failure,
    tell_bus,
    tell_topic,
)
from stacks.constructs.asl import (
    FAILURE,
    PARENT_EXECUTION,
    SERVICE_RETRY,
    State,
    States,
    choice,
    named_failure,
    only_fields,
    pass_to,
    sdk_task,
    split_address,
)

RESULTS_PREFIX = "batches/"
"""Where the results lie in the work bucket."""
COUNTED = 200
"""Failures that are counted at most: a state holds 256 KB, and a listing's entry up to a kilobyte."""
MANIFEST_FORM = 'JSON Lines: a request such as {"input": "s3://bucket/key"} on each line'


def batch_workflow(*, video_workflow_arn: str, work_bucket: str, concurrency: int, topic: str) -> State:
    """The whole definition."""
    refuse = "ManifestMissing"
    return {
        "Comment": "One execution of UpscaleVideo for each line of a manifest.",
        "StartAt": "HasManifest",
        "States": {
            "HasManifest": choice(
                {
                    "And": [{"Variable": "$.manifest", "IsPresent": True}, _is_address("$.manifest")],
                    "Next": "Start",
                },
                otherwise=refuse,
            ),
            **only_fields({"manifest": ""}, next_state="ManifestSplit", on_other="InputNotUnderstood"),
            **split_address("$.request.manifest", at="$.list", name="Manifest", next_state="Videos", on_error=refuse),
            "Videos": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Parameters": {"Bucket.$": "$.list.bucket", "Key.$": "$.list.key"},
                },
                "ItemSelector": {
                    "request.$": "$$.Map.Item.Value",
                    "batch.$": "$$.Execution.Name",
                    "line.$": "$$.Map.Item.Index",
                    "parent": {f"{PARENT_EXECUTION}.$": "$$.Execution.Id"},
                },
                "MaxConcurrency": concurrency,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    **_one_video(video_workflow_arn, work_bucket),
                },
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {
                        "Bucket": work_bucket,
                        "Prefix.$": f"States.Format('{RESULTS_PREFIX}{{}}', $$.Execution.Name)",
                    },
                },
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "BatchFailed"}],
                "ResultPath": None,
                "Next": "CountFailed",
            },
            **_announce_done(work_bucket, topic),
            refuse: named_failure(
                refuse,
                cause={"Cause": f"manifest must be an address s3://bucket/key of {MANIFEST_FORM}"},
                next_state="AnnounceFailure",
            ),
            "InputNotUnderstood": named_failure(
                "InputNotUnderstood",
                cause={
                    "Cause": "a batch's input has the field manifest and no other; settings, output, critical and "
                    "overwrite go into the manifest's lines, for each video its own"
                },
                next_state="AnnounceFailure",
            ),
            "BatchFailed": named_failure(
                "BatchFailed", cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="AnnounceFailure"
            ),
            **announce_failure(topic, event=EVENT_BATCH_FAILED),
        },
    }


def _is_address(variable: str) -> State:
    return {"Variable": variable, "StringMatches": "s3://*/*"}


def _announce_done(work_bucket: str, topic: str) -> States:
    """A batch succeeds however its videos ended, so it must be told how many failed."""
    results = f"States.Format('s3://{work_bucket}/{RESULTS_PREFIX}{{}}/', $$.Execution.Name)"
    outcome = {"failed.$": "$.failed.count", "and_more.$": "$.failed.and_more", "results.$": results}
    done = {"execution.$": "$$.Execution.Id", "manifest.$": "$.request.manifest", **outcome}
    return {
        "CountFailed": sdk_task(
            "s3:listObjectsV2",
            {
                "Bucket": work_bucket,
                "Prefix.$": f"States.Format('{RESULTS_PREFIX}{{}}/failed/', $$.Execution.Name)",
                "MaxKeys": COUNTED,
            },
            next_state="Announce",
            on_error="Uncounted",
            ResultSelector={"count.$": "$.KeyCount", "and_more.$": "$.IsTruncated"},
            ResultPath="$.failed",
        ),
        "Uncounted": pass_to("Announce", {"count": "unknown", "and_more": False}, at="$.failed"),
        "Announce": tell_bus(EVENT_BATCH_DONE, done, next_state="Notify"),
        "Notify": tell_topic(topic, EVENT_BATCH_DONE, done, next_state="Done"),
        "Done": {"Type": "Pass", "Parameters": outcome, "End": True},
    }


def _one_video(video_workflow_arn: str, work_bucket: str) -> State:
    """Waits for one video; its failure is a result like any other, and leaves a record to be counted."""
    request_input = "$.request.input"
    return {
        "StartAt": "IsRequest",
        "States": {
            "IsRequest": choice(
                {
                    "And": [
                        {"Variable": request_input, "IsPresent": True},
                        {"Variable": request_input, "IsString": True},
                    ],
                    "Next": "Video",
                },
                otherwise="NoRequest",
            ),
            "NoRequest": named_failure(
                "LineNotUnderstood", cause={"Cause": f"a manifest is {MANIFEST_FORM}"}, next_state="RecordFailure"
            ),
            "Video": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution.sync:2",
                "Parameters": {
                    "StateMachineArn": video_workflow_arn,
                    "Input.$": "States.JsonMerge($.request, $.parent, false)",
                },
                # Not States.TaskFailed: that is a video which failed, and it has had its retries.
                "Retry": [SERVICE_RETRY | {"ErrorEquals": ["StepFunctions.ExecutionLimitExceededException"]}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "RecordFailure"}],
                "ResultSelector": {"output.$": "$.Output"},
                "ResultPath": "$.result",
                "Next": "VideoDone",
            },
            "VideoDone": _result({"status": "SUCCEEDED", "result.$": "$.result.output"}),
            "RecordFailure": sdk_task(
                "s3:putObject",
                {
                    "Bucket": work_bucket,
                    "Key.$": f"States.Format('{RESULTS_PREFIX}{{}}/failed/{{}}.json', $.batch, $.line)",
                    "ContentType": "application/json",
                    "Body": {"request.$": "$.request", "error.$": f"{FAILURE}.Error", "cause.$": f"{FAILURE}.Cause"},
                },
                next_state="VideoFailed",
                on_error="VideoFailed",
                ResultPath=None,
                Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.unrecorded", "Next": "VideoFailed"}],
            ),
            "VideoFailed": _result({"status": "FAILED", "error.$": f"{FAILURE}.Error", "cause.$": f"{FAILURE}.Cause"}),
        },
    }


def _result(values: State) -> State:
    state = pass_to("", {"request.$": "$.request", **values})
    del state["Next"]
    return state | {"End": True}
