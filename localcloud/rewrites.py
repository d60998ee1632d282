"""Every rewrite of a synthesized template that moto needs, each with its reason. Nothing else changes a template.

What changes moto instead is listed in `gaps`; what its CloudFormation forgets (versions of buckets, time limits of
queues, the interpreter's copy of state machines) is made good in `deployment`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SERVICE_ROLE = "AWSServiceRoleForBatch"
"""What AWS makes by itself and moto wants to be named."""

Json = dict[str, Any]
Resources = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One rewrite. `apply` changes a template's resources in place."""

    reason: str
    apply: Callable[[Resources], None]


def rewritten(template: Json) -> Json:
    """A copy of `template` that moto can deploy."""
    copied = copy.deepcopy(template)
    for rewrite in REWRITES:
        rewrite.apply(copied["Resources"])
    found: Json = _plain_references(copied, copied["Resources"])
    return found


def _of(resources: Resources, *kinds: str) -> list[Json]:
    return [body for body in resources.values() if body["Type"] in kinds]


def _drop_deploy_time_functions(resources: Resources) -> None:
    """Custom resources, their functions, and the roles of those."""
    dropped = {
        key
        for key, body in resources.items()
        if body["Type"].startswith("Custom::") or body["Type"] == "AWS::Lambda::Function"
    }
    roles = {body["Properties"]["Role"]["Fn::GetAtt"][0] for body in _of(resources, "AWS::Lambda::Function")}
    for key in dropped | roles:
        del resources[key]


def _drop(*kinds: str) -> Callable[[Resources], None]:
    def apply(resources: Resources) -> None:
        for key in [key for key, body in resources.items() if body["Type"] in kinds]:
            del resources[key]

    return apply


def _drop_what_watches(resources: Resources) -> None:
    """Alarms, what shows them or listens to them, and budgets."""
    _drop(
        "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Budgets::Budget", "AWS::Budgets::BudgetsAction"
    )(resources)
    for key, body in list(resources.items()):
        if body["Type"] == "AWS::Events::Rule" and body["Properties"]["EventPattern"]["source"] == ["aws.cloudwatch"]:
            del resources[key]


def _complete_environments(resources: Resources) -> None:
    for body in _of(resources, "AWS::Batch::ComputeEnvironment"):
        body["Properties"]["Type"] = body["Properties"]["Type"].upper()
        body["Properties"].setdefault("ServiceRole", {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/" + SERVICE_ROLE})


def _name_timeouts_as_moto_does(resources: Resources) -> None:
    for body in _of(resources, "AWS::Batch::JobDefinition"):
        body["Properties"]["timeout"] = body["Properties"]["Timeout"]


def _forget_removed(resources: Resources) -> None:
    for body in resources.values():
        needed = body.get("DependsOn", [])
        body["DependsOn"] = [key for key in ([needed] if isinstance(needed, str) else needed) if key in resources]


def _plain_references(value: Any, resources: Resources) -> Any:
    """GetAtt of an ARN that is also the resource's Ref: Ref."""
    if isinstance(value, list):
        return [_plain_references(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["Fn::GetAtt"] and value["Fn::GetAtt"][1] in ("ComputeEnvironmentArn", "JobQueueArn"):
        return {"Ref": value["Fn::GetAtt"][0]}
    return {key: _plain_references(item, resources) for key, item in value.items()}


REWRITES = (
    Rewrite(
        reason="Lambda functions run at deploy time and at tear-down only; moto would need Docker for them",
        apply=_drop_deploy_time_functions,
    ),
    Rewrite(
        reason="moto's CloudFormation has no bucket and topic policies; these demand TLS, which loopback does not have",
        apply=_drop("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"),
    ),
    Rewrite(
        reason="moto's CloudFormation has no alarms and no budgets, and no metrics here that would set one off",
        apply=_drop_what_watches,
    ),
    Rewrite(
        reason="moto wants `MANAGED` in capitals and a service role, where AWS takes its service-linked one",
        apply=_complete_environments,
    ),
    Rewrite(
        reason="moto reads a job definition's `timeout`, not the `Timeout` of the specification, and would know none",
        apply=_name_timeouts_as_moto_does,
    ),
    Rewrite(
        reason="what was removed above can no longer be waited for",
        apply=_forget_removed,
    ),
)
"""In this order; then, since moto knows no such attributes, GetAtt of ComputeEnvironmentArn and JobQueueArn is Ref."""
