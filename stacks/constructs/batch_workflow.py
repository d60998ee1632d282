"""The state machine `UpscaleBatch`: one execution of `UpscaleVideo` for each line of a manifest.

A manifest is JSON Lines in S3 and nothing else: each line is what an execution of `UpscaleVideo` takes. One video's
failure does not stop the others, nor does a line that is JSON and no request; what is no JSON fails the batch.
Input of an execution: ``{"manifest": "s3://bucket/key.jsonl"}``. What became of each line is written under
``batches/<execution>/`` in the work bucket. Pure, like `video_workflow`.
"""

from stacks.constructs.announcements import EVENT_BATCH_FAILED, announce_failure
from stacks.constructs.asl import FAILURE, SERVICE_RETRY, State, choice, named_failure, pass_to, split_address

RESULTS_PREFIX = "batches/"
"""Where the results lie in the work bucket."""
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
                    "Next": "ManifestSplit",
                },
                otherwise=refuse,
            ),
            **split_address("$.manifest", at="$.list", name="Manifest", next_state="Videos", on_error=refuse),
            "Videos": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Parameters": {"Bucket.$": "$.list.bucket", "Key.$": "$.list.key"},
                },
                "ItemSelector": {
                    "request.$": "$$.Map.Item.Value",
                    "parent": {"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id"},
                },
                "MaxConcurrency": concurrency,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    **_one_video(video_workflow_arn),
                },
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {
                        "Bucket": work_bucket,
                        "Prefix.$": f"States.Format('{RESULTS_PREFIX}{{}}', $$.Execution.Name)",
                    },
                },
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "BatchFailed"}],
                "End": True,
            },
            refuse: named_failure(
                refuse,
                cause={"Cause": f"manifest must be an address s3://bucket/key of {MANIFEST_FORM}"},
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


def _one_video(video_workflow_arn: str) -> State:
    """Waits for one video; its failure is a result like any other."""
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
            "NoRequest": _result(
                {"status": "FAILED", "error": "LineNotUnderstood", "cause": f"a manifest is {MANIFEST_FORM}"}
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
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "VideoFailed"}],
                "ResultSelector": {"output.$": "$.Output"},
                "ResultPath": "$.result",
                "Next": "VideoDone",
            },
            "VideoDone": _result({"status": "SUCCEEDED", "result.$": "$.result.output"}),
            "VideoFailed": _result({"status": "FAILED", "error.$": f"{FAILURE}.Error", "cause.$": f"{FAILURE}.Cause"}),
        },
    }


def _result(values: State) -> State:
    state = pass_to("", {"request.$": "$.request", **values})
    del state["Next"]
    return state | {"End": True}
