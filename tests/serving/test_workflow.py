"""`UpscaleStill` walked by an interpreter of its language, with a real server behind the endpoint and S3 in memory."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk as moto_sdk
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService

from localcloud import task_words
from stacks.constructs.still_workflow import still_workflow

from .stills import ask, file_of, image, opened
from .test_queue import Running

INPUT, OUTPUT = "pictures", "results"
ENDPOINT = "sr-stills"
Execute = Callable[..., dict[str, Any]]


class Endpoint:
    """SageMaker's part: hands a request to the server, and says of its refusals what SageMaker says of them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.statuses: list[int] = []
        self.throttled = 0

    def invoke_endpoint(self, *, EndpointName: str, Body: bytes, ContentType: str, Accept: str) -> dict[str, Any]:  # noqa: N803
        assert EndpointName == ENDPOINT
        assert len(Body) < 1000, "a picture does not fit through a state"
        if self.throttled:
            self.throttled -= 1
            raise _error("ThrottlingException", "Rate exceeded", 400)
        answer = ask(f"{self.address}/invocations", Body, content_type=ContentType, Accept=Accept)
        self.statuses.append(answer.status)
        if answer.status == 200:
            return {"Body": answer.body, "ContentType": answer.headers["Content-Type"]}
        side = "client" if answer.status < 500 else "server"
        text = (
            f'Received {side} error ({answer.status}) from primary with message "{answer.body.decode()}". See https://…'
        )
        raise _error("ModelError", text, 424)


def _error(code: str, message: str, status: int) -> ClientError:
    told: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "1"},
    }
    return ClientError(told, "InvokeEndpoint")


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def cloud(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 and Step Functions, whose interpreter lacks the translation between its names and the SDK's."""
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setattr(StateTaskService, "_normalise_parameters", task_words.parameters(None, None))  # type: ignore[arg-type]
    patch.setattr(StateTaskService, "_normalise_response", task_words.answer(None, None))  # type: ignore[arg-type]
    patch.setattr(
        moto_sdk.StateTaskServiceAwsSdk, "_get_boto_service_name", lambda *_: "sagemaker-runtime", raising=False
    )
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        s3 = boto3.client("s3")
        for bucket in (INPUT, OUTPUT):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=INPUT, Key="a still.png", Body=file_of(image()))
        yield


@pytest.fixture(scope="module")
def served(cloud: None, patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    running = Running(tmp_path_factory.mktemp("scratch"), buckets=((INPUT,), (OUTPUT,)))
    running.service.warm_up()
    made = Endpoint(running.address)
    patch.setattr(moto_sdk, "boto_client_for", lambda **_: made)
    yield made
    running.stop()


@pytest.fixture
def endpoint(served: Endpoint) -> Endpoint:
    """That nobody has asked for anything."""
    served.statuses.clear()
    return served


@pytest.fixture(scope="module")
def execute(served: Endpoint) -> Execute:
    """Starts an execution and waits for its end, without the waits between its tries."""
    definition = still_workflow(endpoint_name=ENDPOINT, inputs=[INPUT], outputs=[OUTPUT])
    definition["States"]["Wait"] = {"Type": "Pass", "Next": definition["States"]["Wait"]["Next"]}
    client = boto3.client("stepfunctions")
    machine = client.create_state_machine(
        name="still", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/still"
    )["stateMachineArn"]

    def run(**request: object) -> dict[str, Any]:
        started = client.start_execution(stateMachineArn=machine, name=uuid.uuid4().hex, input=json.dumps(request))
        execution = started["executionArn"]
        while (told := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.02)
        return dict(told)

    return run


ASKED = {"input": f"s3://{INPUT}/a still.png", "output": f"s3://{OUTPUT}/large.webp"}


def test_a_still_goes_from_bucket_to_bucket_and_what_came_out_is_told(execute: Execute) -> None:
    told = execute(**ASKED)

    assert told["status"] == "SUCCEEDED", told
    output = json.loads(told["output"])
    assert (output["output"], output["width_px"], output["height_px"]) == (ASKED["output"], 72, 40)
    result = boto3.client("s3").get_object(Bucket=OUTPUT, Key="large.webp")["Body"].read()
    assert (opened(result).format, opened(result).size) == ("WEBP", (72, 40))


def test_a_result_belongs_to_the_request_that_made_it(execute: Execute, endpoint: Endpoint) -> None:
    # Given a result, made twice by the same request, as a retry does
    put = partial(boto3.client("s3").put_object, Bucket=INPUT, Key="own.png")
    put(Body=file_of(image()))
    asked = {"input": f"s3://{INPUT}/own.png", "output": f"s3://{OUTPUT}/own.png"}
    assert [execute(**asked)["status"] for _ in range(2)] == ["SUCCEEDED"] * 2

    # When another picture lies at the input
    put(Body=file_of(image(seed=3)))

    # Then its result does not replace the other, unless that is asked for
    told = execute(**asked)
    assert told["error"] == "StillRefused"
    assert "exists and was not made by this job" in told["cause"]
    assert execute(**asked, overwrite=True)["status"] == "SUCCEEDED"


def test_throttling_and_a_full_queue_are_tried_again_a_few_times(execute: Execute, endpoint: Endpoint) -> None:
    # Given an endpoint that is throttled three times
    endpoint.throttled = 3
    assert execute(**ASKED)["status"] == "SUCCEEDED"
    assert endpoint.statuses == [200]

    # When it is once more
    endpoint.throttled = 4
    told = execute(**ASKED)

    # Then that is the end, with its cause
    assert (told["status"], told["error"]) == ("FAILED", "StillFailed")
    assert "Rate exceeded" in told["cause"]


def test_what_the_server_refuses_is_not_tried_again(execute: Execute, endpoint: Endpoint) -> None:
    told = execute(**{**ASKED, "input": f"s3://{INPUT}/none.png"})

    assert (told["status"], told["error"]) == ("FAILED", "StillRefused")
    assert f"s3://{INPUT}/none.png does not exist" in told["cause"]
    assert endpoint.statuses == [400]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"input": "s3://elsewhere/a.png"}, "InputNotAllowed"),
        ({"input": f"s3://{INPUT}-of-others/a.png"}, "InputNotAllowed"),
        ({"output": f"s3://{INPUT}/a.png"}, "OutputNotAllowed"),
        ({"overwrite": "yes"}, "InputNotUnderstood"),
        ({"settings": {}}, "InputNotUnderstood"),
    ],
)
def test_what_cannot_be_is_refused_before_the_endpoint_is_asked(
    execute: Execute, endpoint: Endpoint, changes: dict[str, object], error: str
) -> None:
    told = execute(**{**ASKED, **changes})

    assert (told["status"], told["error"], endpoint.statuses) == ("FAILED", error, [])
