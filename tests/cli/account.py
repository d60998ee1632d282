"""An AWS account in moto with what `sr submit` meets of a deployment: stacks' outputs, buckets, a state machine.

The state machine is not interpreted: its executions run until a test says how they end.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.models import stepfunctions_backends

from sr_core.cli.main import main
from sr_core.contract import ExitCode

REGION = "us-east-1"
_ANYTHING: dict[str, Any] = {"Any": {"Type": "AWS::SNS::Topic"}}


@dataclass
class Account:
    """One deployment, and whatever a test adds."""

    name: str = "sr-test"
    other_inputs: tuple[str, ...] = ("archive",)
    tiers: str = "cpu standard premium memory"
    """Those that its plans choose among."""
    s3: Any = field(init=False)
    workflow: str = field(init=False)
    """ARN of its `UpscaleVideo`."""

    def __post_init__(self) -> None:
        self.s3 = client_of("s3")
        for bucket in (*map(self.bucket, ("input", "output", "models")), *self.other_inputs):
            self.s3.create_bucket(Bucket=bucket)
        self.workflow = self.deploy(self.name)

    def bucket(self, which: str) -> str:
        return f"{self.name}-{which}"

    def deploy(self, name: str, *, is_of_today: bool = True) -> str:
        """Makes stacks that tell of a deployment; returns the ARN of its `UpscaleVideo`."""
        states = client_of("stepfunctions")
        arn: str = states.create_state_machine(
            name=f"{name}-UpscaleVideo",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
            roleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/any",
        )["stateMachineArn"]
        addresses = {
            "InputAddresses": " ".join(f"s3://{each}" for each in (self.bucket("input"), *self.other_inputs)),
            "OutputAddresses": f"s3://{self.bucket('output')}",
            "ModelsAddress": f"s3://{self.bucket('models')}",
        }
        self._stack(f"{name}-storage", addresses if is_of_today else {"InputBucketName": "any"})
        self._stack(f"{name}-pipeline", {"UpscaleVideoArn": arn, "Tiers": self.tiers})
        return arn

    def _stack(self, name: str, outputs: dict[str, str]) -> None:
        body = {"Resources": _ANYTHING, "Outputs": {key: {"Value": value} for key, value in outputs.items()}}
        client_of("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(body))

    def executions(self) -> list[Any]:
        """All that were started, in order."""
        machines = stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION].state_machines
        (machine,) = [each for each in machines if each.arn == self.workflow]
        return list(machine.executions)

    def asked(self) -> list[dict[str, Any]]:
        """What they were given."""
        return [json.loads(each.execution_input) for each in self.executions()]

    def end(
        self, status: str, *, error: str | None = None, cause: str | None = None, output: dict[str, Any] | None = None
    ) -> None:
        """Ends the one that was started last."""
        last = self.executions()[-1]
        last.status, last.error, last.cause, last.stop_date = status, error, cause, datetime.now(UTC)
        if status == "SUCCEEDED":
            last.output = json.dumps(output or {})

    def publish(self, uri: str, *, job: str) -> None:
        """Puts the result of a job where it goes."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=key, Body=b"result", Metadata={"job": job})

    def keys(self, which: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket(which))
        return [item["Key"] for item in listed.get("Contents", [])]


@cache
def client_of(service: Any) -> Any:
    """With credentials of its own; to make one takes longer than most tests."""
    session = boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)
    return session.client(service)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The line that says why nothing was submitted."""
    assert main(["submit", *arguments]) == ExitCode.INPUT
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    return told.err


def submitted(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: ExitCode = ExitCode.OK
) -> list[dict[str, Any]]:
    """What became of each INPUT."""
    assert main(["submit", *arguments, "--json"]) == code
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["submissions"]
    return found
