"""The state machine `OnUpload`: starts `UpscaleVideo` for an object that was put into the input bucket.

The settings are those of the sidecar ``<key>.json``, put there before the video; without one, the defaults. S3 may
announce an upload twice: the execution's name is made of the upload's sequence number, so the second start is refused
and that is well. What `sr submit` puts there is no upload: it is asked for already. Another upload of the same key
replaces the result of the former one (decision 0840). Nobody waits for this execution, so what it cannot start is
announced as a failed video is. Pure, like `video_workflow`. Input: the event of S3.
"""

from sr_core.contract import SUBMITTED_PREFIX
from stacks.constructs.announcements import announce_failure
from stacks.constructs.asl import (
    FAILURE,
    PARENT_EXECUTION,
    SERVICE_RETRY,
    State,
    choice,
    named_failure,
    pass_to,
    sdk_task,
    starts_with_any,
)

SIDECAR_SUFFIX = ".json"


def upload_workflow(*, video_workflow_arn: str, topic: str) -> State:
    """The whole definition."""
    bucket, key = "$.detail.bucket.name", "$.detail.object.key"
    return {
        "Comment": "Starts UpscaleVideo for an uploaded video, with the settings of its sidecar.",
        "StartAt": "IsSubmitted",
        "States": {
            "IsSubmitted": choice(
                starts_with_any(key, [SUBMITTED_PREFIX], next_state="Submitted"), otherwise="NameSidecar"
            ),
            "Submitted": {"Type": "Succeed"},
            "NameSidecar": pass_to(
                "FindSidecar", {"key.$": f"States.Format('{{}}{SIDECAR_SUFFIX}', {key})"}, at="$.sidecar"
            ),
            # Looked for before it is read: what a missing object's error is called is nowhere promised.
            "FindSidecar": sdk_task(
                "s3:listObjectsV2",
                {"Bucket.$": bucket, "Prefix.$": "$.sidecar.key", "MaxKeys": 1},
                next_state="HasSidecar",
                on_error="SidecarUnreadable",
                ResultPath="$.found",
            ),
            "HasSidecar": choice(
                {"Variable": "$.found.Contents", "IsPresent": True, "Next": "FirstFound"}, otherwise="NoSidecar"
            ),
            # A prefix also finds film.mp4.json.bak; the key itself would come first.
            "FirstFound": pass_to("IsSidecar", {"first.$": "States.ArrayGetItem($.found.Contents, 0)"}, at="$.found"),
            "IsSidecar": choice(
                {"Variable": "$.found.first.Key", "StringEqualsPath": "$.sidecar.key", "Next": "ReadSidecar"},
                otherwise="NoSidecar",
            ),
            "ReadSidecar": sdk_task(
                "s3:getObject",
                {"Bucket.$": bucket, "Key.$": "$.sidecar.key"},
                next_state="StartVideo",
                on_error="SidecarUnreadable",
                ResultSelector={"settings.$": "States.StringToJson($.Body)"},
                ResultPath="$.sidecar",
            ),
            "NoSidecar": pass_to("StartVideo", {"settings": {}}, at="$.sidecar"),
            "StartVideo": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution",
                "Parameters": {
                    "StateMachineArn": video_workflow_arn,
                    "Name.$": f"States.Hash(States.Format('{{}}/{{}} {{}}', {bucket}, {key}, "
                    "$.detail.object.sequencer), 'SHA-256')",
                    "Input": {
                        "input.$": f"States.Format('s3://{{}}/{{}}', {bucket}, {key})",
                        "settings.$": "$.sidecar.settings",
                        "overwrite": True,
                        f"{PARENT_EXECUTION}.$": "$$.Execution.Id",
                    },
                },
                "Retry": [SERVICE_RETRY | {"ErrorEquals": ["StepFunctions.SdkClientException"]}],
                "ResultSelector": {"execution.$": "$.ExecutionArn"},
                "ResultPath": "$.started",
                "Catch": [
                    {"ErrorEquals": ["StepFunctions.ExecutionAlreadyExistsException"], "Next": "AlreadyStarted"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "StartFailed"},
                ],
                "Next": "Started",
            },
            "Started": {"Type": "Pass", "Parameters": {"execution.$": "$.started.execution"}, "End": True},
            "AlreadyStarted": {"Type": "Succeed"},
            "SidecarUnreadable": named_failure(
                "SidecarUnreadable", cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="AnnounceFailure"
            ),
            "StartFailed": named_failure(
                "StartFailed", cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="AnnounceFailure"
            ),
            **announce_failure(topic),
        },
    }
