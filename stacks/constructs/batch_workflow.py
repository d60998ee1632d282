"""The state machine `UpscaleBatch`: one execution of `UpscaleVideo` for each entry of a manifest.

A manifest is a JSON list in S3, best written one entry a line; each entry is what an execution of `UpscaleVideo` takes.
One video's failure does not stop the others. Input of an execution: ``{"manifest": "s3://bucket/key.json"}``. What
became of each entry is written under ``batches/<execution>/`` in the work bucket. Pure, like `video_workflow`.
"""

from stacks.constructs.announcements import EVENT_BATCH_FAILED, announce_failure
from stacks.constructs.asl import FAILURE, SERVICE_RETRY, State, choice, named_failure, pass_to, split_address

RESULTS_PREFIX = "batches/"
"""Where the results lie in the work bucket."""


def batch_workflow(*, video_workflow_arn: str, work_bucket: str, concurrency: int, topic: str) -> State:
    """The whole definition."""
    refuse = "ManifestMissing"
    return {
        "Comment": "One execution of UpscaleVideo for each entry of a manifest.",
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
                    "ReaderConfig": {"InputType": "JSON"},
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
                cause={"Cause": "manifest must be an address s3://bucket/key of a JSON list of requests"},
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
    return {
        "StartAt": "Video",
        "States": {
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
