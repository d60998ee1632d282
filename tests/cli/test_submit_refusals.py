"""What `sr submit` and `sr status ARN` refuse: in one line, with what to do, before anything is written."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sr_core.aws.deployment import find_deployment
from sr_core.aws.executions import Executions
from sr_core.aws.session import new_session
from sr_core.cli.main import main
from sr_core.contract import ExitCode
from sr_core.errors import InputError, SrError, TransientError

from .account import REGION, Account, refused
from .conftest import find_nothing_else, share_a_client

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Account]:
    """One for all: nothing here changes it."""
    with pytest.MonkeyPatch.context() as patch:
        find_nothing_else(patch)
        share_a_client(patch)
        with mock_aws():
            yield Account()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["s3://elsewhere/a.mp4"],
            "s3://elsewhere/a.mp4 is in a bucket that sr-test does not read; it reads sr-test-i",
        ),
        (["s3://archive/missing.mp4"], "s3://archive/missing.mp4 does not exist"),
        (["s3://archive/films//a.mp4"], "the workflow finds no key with an empty part"),
        (["missing.mp4"], "missing.mp4 does not exist"),
        ([__file__], "is not a video file that can be read"),
        (["CLIP", "-o", "out.mp4"], "out.mp4 is not in S3; a deployment writes to s3://sr-test-output/"),
        (["CLIP", "-o", "s3://elsewhere/out.mp4"], "s3://elsewhere/out.mp4 is in a bucket that sr-test does not write"),
        (["CLIP", "-o", "s3://sr-test-output/out.webm"], "a .webm file is not made with H.264"),
        (["CLIP", "s3://archive/a.mp4", "-o", "s3://sr-test-output/out.mp4"], "end it in a slash"),
        (["CLIP", "--codec", "av1", "--crf", "64"], "--crf"),
        (["CLIP", "--tile", "8"], "--tile"),
        (["CLIP", "--model", "no-such-network"], "there is no network no-such-network in s3://sr-test-models"),
        (["CLIP", "--model", "realesrgan-x4plus"], "SR_MODELS=s3://sr-test-models sr models pull realesrgan-x4plus"),
        (["CLIP", "--scale", "4", "--model", "compact-x2"], "compact-x2 is a ×2 network, not ×4"),
        (["CLIP", "--precision", "bf16", "--tier", "memory"], "the GPU of tier memory does not compute in bf16"),
        (
            ["s3://archive/a.mp4", "--device", "cuda", "--tier", "cpu"],
            "tier cpu has no GPU; leave out --device, or choose",
        ),
        (
            ["s3://archive/a.mp4", "--kernels", "winograd", "--tier", "standard"],
            "are for a CPU (--device cpu), and this",
        ),
        (["CLIP", "--budget", "free"], "'free' is not an amount in dollars"),
        (["CLIP", "--stack", "other"], "there is no stack other-storage in us-east-1; check the deployment's name"),
        (["CLIP", "--state-machine", "UpscaleVideo"], "UpscaleVideo is not the ARN of a state machine"),
        (
            ["CLIP", "--state-machine", "arn:aws:states:us-east-1:999999999999:stateMachine:sr-test-UpscaleVideo"],
            "is not the UpscaleVideo of sr-test-pipeline; check the account",
        ),
        (["CLIP", "--stack", "a", "--state-machine", "b"], "not allowed with"),
        ([], "INPUT"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_before_anything_is_written(
    deployed: Account, clip: str, arguments: list[str], told: str, capsys: Capture
) -> None:
    assert told in refused(capsys, *(clip if argument == "CLIP" else argument for argument in arguments))
    assert deployed.executions() == []
    assert deployed.keys("input") == []


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        ("arn:aws:states:us-east-1:123456789012:stateMachine:a", "is not the ARN of an execution"),
        ("arn:aws:states:us-east-1:123456789012:execution:sr-test-UpscaleVideo:gone", "there is no execution"),
    ],
)
def test_status_of_no_execution_is_refused_in_a_line(deployed: Account, arn: str, told: str, capsys: Capture) -> None:
    assert main(["status", arn]) == ExitCode.INPUT
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("deployed")
def test_without_a_region_the_way_to_set_one_is_told(
    clip: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "the deployment: no AWS region is set; set AWS_REGION" in refused(capsys, clip)


def test_without_credentials_the_way_to_get_them_is_told(
    clip: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    find_nothing_else(monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "no usable AWS credentials (Unable to locate credentials); run 'aws configure'" in refused(capsys, clip)


@pytest.mark.parametrize(
    ("code", "status", "kind", "told"),
    [
        ("AccessDenied", 403, InputError, "the credentials in use need cloudformation:DescribeStacks on it"),
        ("ExpiredToken", 403, InputError, "the AWS credentials are not valid (ExpiredToken); renew them"),
        ("InvalidClientTokenId", 403, InputError, "are not valid (InvalidClientTokenId); renew them"),
        ("Throttling", 400, TransientError, "CloudFormation asks for fewer requests (Throttling); try again later"),
        ("InternalFailure", 500, TransientError, "CloudFormation failed (InternalFailure, status 500); try again"),
    ],
)
def test_what_cloudformation_refuses_is_told_with_what_to_do(
    code: str, status: int, kind: type[SrError], told: str
) -> None:
    client = _unasked("cloudformation")
    with Stubber(client) as stub:
        stub.add_client_error("describe_stacks", code, "so\nit is", http_status_code=status)

        with pytest.raises(kind) as raised:
            find_deployment(name="sr-test", client=client)

    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("AccessDeniedException", "the credentials in use need states:StartExecution on it"),
        ("UnrecognizedClientException", "the AWS credentials are not valid"),
        ("StateMachineDoesNotExist", "is gone; deploy it again"),
        ("ExecutionLimitExceeded", "Step Functions refused the request (ExecutionLimitExceeded): so it is"),
    ],
)
def test_what_step_functions_refuses_is_told_with_what_to_do(code: str, told: str) -> None:
    client = _unasked("stepfunctions")
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", code, "so it is", http_status_code=400)

        with pytest.raises(InputError) as raised:
            Executions(REGION, client).start("arn", "film", {})

    assert told in str(raised.value)


def _unasked(service: Any) -> Any:
    """A client whose answers a test gives."""
    return new_session().client(
        service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
    )
