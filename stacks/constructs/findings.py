"""How a security finding is acknowledged: beside the resource it is about, with the reason.

cdk-nag runs as a plugin of the app's validations; what nobody acknowledged makes synthesis fail. A right with a
wildcard is one finding for each resource, so `allow` is the one way to grant anything: whoever uses a wildcard must
say why, there and then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk.aws_iam as iam
from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

ANY_RESOURCE = "AwsSolutions-IAM5[Resource::*]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One statement of a policy. Actions never hold a wildcard."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    because: str | None = None
    """Why a resource has a wildcard; required where one has."""
    conditions: Mapping[str, Any] | None = None


def accept(construct: IConstruct, finding: str, *, because: str) -> None:
    """Waives `finding` for `construct` and what is below it. `because` is for whoever reviews the account."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=because))


def allow(role: iam.IRole, right: Right) -> None:
    """Grants `right` to `role` and acknowledges its wildcards. Raises ValueError where one has no reason."""
    if any("*" in action for action in right.actions):
        raise ValueError(f"{right.sid}: an action has a wildcard")
    stack = Stack.of(role)
    wide = [flat for flat in (flatten(stack.resolve(resource)) for resource in right.resources) if "*" in flat]
    if wide and not right.because:
        raise ValueError(f"{right.sid}: {wide[0]} has a wildcard and no reason")
    for resource in dict.fromkeys(wide):
        accept(role, f"AwsSolutions-IAM5[Resource::{resource}]", because=f"{right.sid}: {right.because}")
    role.add_to_principal_policy(
        iam.PolicyStatement(
            sid=right.sid,
            actions=list(right.actions),
            resources=list(right.resources),
            conditions=dict(right.conditions or {}) or None,
        )
    )


def flatten(value: Any) -> str:
    """A resolved ARN as cdk-nag writes it: references in angle brackets."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    match function:
        case "Fn::Join":
            return str(argument[0]).join(flatten(part) for part in argument[1])
        case "Ref":
            return f"<{argument}>"
        case "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        case _:
            return flatten(argument)
