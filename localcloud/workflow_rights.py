"""Which rights a state machine's task takes, by the call that it makes: checked against the machine's own role.

Owns the table of the calls that the definitions make; a call that is not in it is refused, so that a new one gets its
line here. (Service Authorization Reference; Step Functions Developer Guide, "IAM policies for integrated services".)
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from localcloud.policy import Policy

Need = tuple[str, str, Mapping[str, str]]
"""Action, ARN of the resource, condition keys."""
Parameters = Mapping[str, Any]


def _object(action: str) -> Callable[[Parameters], Iterable[Need]]:
    return lambda given: [(action, f"arn:aws:s3:::{given['Bucket']}/{given['Key']}", {})]


NEEDS: dict[tuple[str, str], Callable[[Parameters], Iterable[Need]]] = {
    ("s3", "head_object"): _object("s3:GetObject"),
    ("s3", "get_object"): _object("s3:GetObject"),
    ("s3", "put_object"): _object("s3:PutObject"),
    ("s3", "delete_object"): _object("s3:DeleteObject"),
    ("s3", "list_objects_v2"): lambda given: [
        ("s3:ListBucket", f"arn:aws:s3:::{given['Bucket']}", {"s3:prefix": given.get("Prefix", "")})
    ],
    ("batch", "submit_job"): lambda given: [
        ("batch:SubmitJob", given["jobQueue"], {}),
        ("batch:SubmitJob", given["jobDefinition"], {}),
    ],
    ("stepfunctions", "start_execution"): lambda given: [("states:StartExecution", given["stateMachineArn"], {})],
    ("stepfunctions", "list_executions"): lambda given: [("states:ListExecutions", given["stateMachineArn"], {})],
    ("stepfunctions", "stop_execution"): lambda given: [("states:StopExecution", given["executionArn"], {})],
    ("batch", "describe_jobs"): lambda _: [("batch:DescribeJobs", "*", {})],
    ("batch", "list_jobs"): lambda _: [("batch:ListJobs", "*", {})],
    ("batch", "terminate_job"): lambda given: [
        ("batch:TerminateJob", f"arn:aws:batch:us-east-1:123456789012:job/{given['jobId']}", {})
    ],
    ("sns", "publish"): lambda given: [("sns:Publish", given["TopicArn"], {})],
    ("events", "put_events"): lambda given: [
        ("events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/default", {}) for _ in given["Entries"]
    ],
}


def check(policy: Policy, service: str, operation: str, parameters: Parameters) -> None:
    """Raises ClientError, as the service does, when `policy` lacks a right that the call takes.

    `service`, `operation` and the names of `parameters` are boto3's.
    """
    needs = NEEDS.get((service, operation))
    missing = (
        [(f"{service}:{operation}", "*")]
        if needs is None
        else [
            (action, resource)
            for action, resource, context in needs(parameters)
            if not policy.allows(action, resource, context)
        ]
    )
    if missing:
        action, resource = missing[0]
        message = f"the state machine's role is not authorized to perform: {action} on resource: {resource}"
        answer: Any = {
            "Error": {"Code": "AccessDeniedException", "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "local"},
        }
        raise ClientError(answer, operation)
