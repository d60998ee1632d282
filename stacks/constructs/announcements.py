"""Telling EventBridge and SNS how it ended. Nobody's deafness makes a finished video fail.

Pure: names in, Amazon States Language out.
"""

from stacks.constructs.asl import FAILURE, State, States, fail

EVENT_SOURCE = "sr-pipeline"
EVENT_DONE = "Video upscaled"
EVENT_FAILED = "Video failed"
EVENT_BATCH_DONE = "Batch finished"
"""Every line has had its turn, however it ended."""
EVENT_BATCH_FAILED = "Batch failed"
"""The batch itself, say for want of a manifest. A video of a batch is announced as any other."""


LOOK = (
    "States.Format('https://console.aws.amazon.com/states/home?region={}#/v2/executions/details/{}', "
    "States.ArrayGetItem(States.StringSplit($$.Execution.Id, ':'), 3), $$.Execution.Id)"
)
"""Address of the execution in the console, whose region is the fourth part of its ARN."""


def announce_failure(topic: str, *, event: str = EVENT_FAILED) -> States:
    """From `AnnounceFailure` to the execution's end, with the name and the cause that lie at `FAILURE`."""
    failed = {
        "execution.$": "$$.Execution.Id",
        "request.$": "$$.Execution.Input",
        "error.$": f"{FAILURE}.Error",
        "cause.$": f"{FAILURE}.Cause",
        "look.$": LOOK,
        "help": "what the name of an error means and what to do: docs/deploy.md, At night",
    }
    return {
        "AnnounceFailure": tell_bus(event, failed, next_state="NotifyFailure"),
        "NotifyFailure": tell_topic(topic, event, failed, next_state="Failed"),
        "Failed": fail(),
    }


def tell_bus(detail_type: str, detail: State, *, next_state: str) -> State:
    """Puts an event on the account's default bus."""
    entry = {"Source": EVENT_SOURCE, "DetailType": detail_type, "Detail": detail}
    return _tell("arn:aws:states:::events:putEvents", {"Entries": [entry]}, next_state)


def tell_topic(topic: str, subject: str, message: State, *, next_state: str) -> State:
    """Publishes a message."""
    return _tell(
        "arn:aws:states:::sns:publish", {"TopicArn": topic, "Subject": subject, "Message": message}, next_state
    )


def _tell(resource: str, parameters: State, next_state: str) -> State:
    return {
        "Type": "Task",
        "Resource": resource,
        "Parameters": parameters,
        "ResultPath": None,
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.unheard", "Next": next_state}],
        "Next": next_state,
    }
