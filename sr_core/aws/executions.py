"""Executions of the deployed state machines: started, described, and where their jobs are.

It speaks with Step Functions and knows nothing of what an execution does, but for the names of what it tells.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sr_core.aws.failures import aws_errors, error_code
from sr_core.aws.session import configured, new_session
from sr_core.errors import InputError
from sr_core.frozen import canonical_json

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
ABORTED = "ABORTED"
"""Statuses, in the words of Step Functions. There are others, such as FAILED and TIMED_OUT."""

NAME_LENGTH = 80
"""The longest name that an execution may have."""

_SERVICE = "Step Functions"
_EXECUTION = re.compile(r"arn:[a-z-]+:states:([a-z0-9-]+):\d{12}:execution:[^:]+:[^:]+")
_FIRST_EVENTS = 100
"""Of an execution, among which it makes up its job folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What Step Functions knows of one."""

    arn: str
    status: str
    request: Mapping[str, Any]
    """What it was given."""
    output: Mapping[str, Any]
    """What it ended with; empty unless it has succeeded."""
    error: str | None
    cause: str | None
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def workflow(self) -> str:
        """Name of its state machine."""
        return self.arn.split(":")[6]


class Executions:
    """The executions in one region. Every method raises InputError (no credentials, no right) or TransientError."""

    def __init__(self, region: str, client: "SFNClient | None" = None) -> None:
        with aws_errors(_SERVICE, "the executions", right="states:DescribeExecution"):
            self._client = client or new_session().client("stepfunctions", region_name=region, config=configured())

    @classmethod
    def of(cls, arn: str) -> "Executions":
        """Those of the region in which that one is. Raises InputError for what is no execution's ARN."""
        match = _EXECUTION.fullmatch(arn)
        if match is None:
            raise InputError(f"{arn} is not the ARN of an execution; take it from what started it, or from the console")
        return cls(match[1])

    def find(self, arn: str) -> Execution | None:
        """None where there is none, or none any more: Step Functions forgets an execution 90 days after its end."""
        with aws_errors(_SERVICE, arn, right="states:DescribeExecution on it"):
            try:
                found = self._client.describe_execution(executionArn=arn)
            except ClientError as error:
                if error_code(error) == "ExecutionDoesNotExist":
                    return None
                raise
        return Execution(
            arn=arn,
            status=found["status"],
            request=_object(found.get("input")),
            output=_object(found.get("output")),
            error=found.get("error"),
            cause=found.get("cause"),
            started_at=found["startDate"],
            ended_at=found.get("stopDate"),
        )

    def start(self, state_machine: str, name: str, request: Mapping[str, Any]) -> bool:
        """Starts one, unless there is one of that name; returns whether there is now one of that name and request.

        While one runs, starting it again with the same request does nothing. False: it has ended, or its request is
        another.
        """
        with aws_errors(_SERVICE, state_machine, right="states:StartExecution on it"):
            try:
                text = canonical_json(request).decode()
                self._client.start_execution(stateMachineArn=state_machine, name=name, input=text)
            except ClientError as error:
                match error_code(error):
                    case "ExecutionAlreadyExists":
                        return False
                    case "StateMachineDoesNotExist" | "StateMachineDeleting":
                        raise InputError(f"{state_machine} is gone; deploy it again (docs/deploy.md)") from error
                raise
        return True

    def job(self, execution: Execution) -> str | None:
        """Address of its job folder; None where it has none, or none yet."""
        if "job" in execution.output:
            return str(execution.output["job"])
        with aws_errors(_SERVICE, execution.arn, right="states:GetExecutionHistory on it"):
            events = self._client.get_execution_history(executionArn=execution.arn, maxResults=_FIRST_EVENTS)["events"]
        for event in events:
            job = _object(event.get("stateEnteredEventDetails", {}).get("input")).get("job")
            if isinstance(job, dict) and "uri" in job:
                return str(job["uri"])
        return None


def execution_arn(state_machine: str, name: str) -> str:
    """Of the execution of that name."""
    return f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"


def _object(text: str | None) -> Mapping[str, Any]:
    """Empty where it is not one, or too long to be told."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
