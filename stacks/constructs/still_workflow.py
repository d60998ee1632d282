"""The Express state machine `UpscaleStill`: a still in S3, upscaled at once by the endpoint, for whoever waits for it.

Input: ``{"input": "s3://…/still.png", "output": "s3://…/still-x2.png", "overwrite": false}``. Only addresses pass
through its states, which hold 256 KB: the server fetches the picture and puts the result. Whoever started it is told
how it ended (StartSyncExecution), so nothing is announced. Pure, like `video_workflow`.

A refusal by the server (4xx) is final. Everything else, throttling and a full queue above all, is tried again after 2,
4 and 8 seconds: with four times the endpoint's 60 seconds that ends before Express does, after five minutes.
"""

from collections.abc import Sequence

from stacks.constructs.asl import FAILURE, State, choice, fail, named_failure, only_fields, pass_to, starts_with_any

FIELDS: State = {"input": "", "output": "", "overwrite": False}
"""What an execution's input may hold, with the defaults."""
FIRST_WAIT_SECONDS = 2
LAST_WAIT_SECONDS = 8
INVOKE_SECONDS = 65
"""SageMaker gives a container 60."""
CLIENT_ERROR = "*Received client error (4*"
"""How the endpoint's error begins when the server has refused (a ModelError of status 4xx)."""


def still_workflow(*, endpoint_name: str, inputs: Sequence[str], outputs: Sequence[str]) -> State:
    """The whole definition. `inputs` and `outputs` are names of buckets."""
    return {
        "Comment": "One still: refused, or upscaled by the endpoint from S3 to S3.",
        "StartAt": "Start",
        "States": {
            **only_fields(FIELDS, next_state="InputAllowed", on_other="InputNotUnderstood"),
            "InputAllowed": choice(
                starts_with_any("$.request.input", _addresses(inputs), next_state="OutputAllowed"),
                otherwise="InputNotAllowed",
            ),
            "OutputAllowed": choice(
                starts_with_any("$.request.output", _addresses(outputs), next_state="FirstTry"),
                otherwise="OutputNotAllowed",
            ),
            "FirstTry": pass_to("Upscale", {"wait_seconds": FIRST_WAIT_SECONDS}, at="$.next"),
            "Upscale": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint",
                "TimeoutSeconds": INVOKE_SECONDS,
                "Parameters": {
                    "EndpointName": endpoint_name,
                    "ContentType": "application/json",
                    "Accept": "application/json",
                    "Body": {name + ".$": f"$.request.{name}" for name in FIELDS},
                },
                "ResultSelector": {"answer.$": "States.StringToJson($.Body)"},
                "ResultPath": "$.result",
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "WhyNot"}],
                "Next": "Upscaled",
            },
            "WhyNot": choice(
                {"Variable": f"{FAILURE}.Cause", "StringMatches": CLIENT_ERROR, "Next": "StillRefused"},
                {"Variable": "$.next.wait_seconds", "NumericGreaterThan": LAST_WAIT_SECONDS, "Next": "StillFailed"},
                otherwise="Wait",
            ),
            "Wait": {"Type": "Wait", "SecondsPath": "$.next.wait_seconds", "Next": "NextTry"},
            "NextTry": pass_to(
                "Upscale",
                {"wait_seconds.$": "States.MathAdd($.next.wait_seconds, $.next.wait_seconds)"},
                at="$.next",
            ),
            "Upscaled": {"Type": "Succeed", "InputPath": "$.result.answer"},
            "StillRefused": _failed("StillRefused"),
            "StillFailed": _failed("StillFailed"),
            "InputNotUnderstood": _refused(
                "InputNotUnderstood",
                f"an execution's input has the fields {', '.join(FIELDS)} and no other; overwrite is true or false",
            ),
            "InputNotAllowed": _refused(
                "InputNotAllowed",
                "input must be an address s3://bucket/key in a bucket that this deployment reads; "
                "see allowed_input_buckets of its config",
            ),
            "OutputNotAllowed": _refused(
                "OutputNotAllowed",
                "output must be an address s3://bucket/key in a bucket that this deployment writes; "
                "see allowed_output_buckets of its config",
            ),
            "Failed": fail(),
        },
    }


def _addresses(buckets: Sequence[str]) -> list[str]:
    return [f"s3://{bucket}/" for bucket in buckets]


def _refused(name: str, cause: str) -> State:
    return named_failure(name, cause={"Cause": cause}, next_state="Failed")


def _failed(name: str) -> State:
    return named_failure(name, cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="Failed")
