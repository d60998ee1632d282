"""Where the pipeline is deployed: found by the outputs of its stacks, which CloudFormation tells.

It knows of names and addresses, and looks into none of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sr_core.aws.failures import aws_errors, error_code
from sr_core.aws.session import configured, new_session
from sr_core.contract import PIPELINE_STACK, STORAGE_STACK, StackOutput
from sr_core.errors import InputError
from sr_core.tiers import CLOUD_TIERS, tiers_of
from sr_core.types import CloudTier

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

_SERVICE = "CloudFormation"
_RIGHT = "cloudformation:DescribeStacks"
_SUFFIX = PIPELINE_STACK.format("")
_STATE_MACHINE = re.compile(r"arn:[a-z-]+:states:([a-z0-9-]+):\d{12}:stateMachine:([^:/]+)")
_VIDEO_WORKFLOW = "-UpscaleVideo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What has to be known of a deployment to ask something of it."""

    name: str
    """That of its config, with which the names of its stacks begin."""
    region: str
    video_workflow_arn: str
    input_buckets: tuple[str, ...]
    """Those that it reads; the first is its own."""
    output_buckets: tuple[str, ...]
    """Those that it writes; the first is its own."""
    models: str
    """Address of its model store."""
    tiers: tuple[CloudTier, ...] = CLOUD_TIERS
    """Those that its plans choose among."""


def find_deployment(
    *, name: str | None = None, state_machine: str | None = None, client: "CloudFormationClient | None" = None
) -> Deployment:
    """The deployment of that name, that of a state machine, or else the only one in the region of the environment.

    Args:
        name: its config's, or its pipeline stack's.
        state_machine: ARN of its `UpscaleVideo`; the region is then that of the ARN.

    Raises InputError: there is none, more than one to choose from, no credentials, no region, no right;
    TransientError.
    """
    region = None
    if state_machine is not None:
        region, name = _told_by(state_machine)
    with aws_errors(_SERVICE, "the deployment", right=_RIGHT):
        client = client or new_session().client("cloudformation", region_name=region, config=configured())
        region = client.meta.region_name
    name, outputs = _only(client, region) if name is None else _named(client, name.removesuffix(_SUFFIX), region)
    deployment = _deployment(name, region, outputs)
    if state_machine not in (None, deployment.video_workflow_arn):
        raise InputError(f"{state_machine} is not the UpscaleVideo of {deployment.name}{_SUFFIX}; check the account")
    return deployment


def _told_by(state_machine: str) -> tuple[str, str]:
    """Region and name of the deployment."""
    match = _STATE_MACHINE.fullmatch(state_machine)
    if match is None or not match[2].endswith(_VIDEO_WORKFLOW):
        raise InputError(
            f"{state_machine} is not the ARN of a state machine UpscaleVideo; take the output "
            f"{StackOutput.VIDEO_WORKFLOW} of the deployment, or name it with --stack"
        )
    return match[1], match[2].removesuffix(_VIDEO_WORKFLOW)


def _named(client: "CloudFormationClient", name: str, region: str) -> tuple[str, Mapping[str, str]]:
    """The name, and the outputs of the stacks of that deployment."""
    storage, pipeline = (_outputs_of(client, each.format(name), region) for each in (STORAGE_STACK, PIPELINE_STACK))
    return name, storage | pipeline


def _outputs_of(client: "CloudFormationClient", stack: str, region: str) -> dict[str, str]:
    with aws_errors(_SERVICE, f"stack {stack}", right=f"{_RIGHT} on it"):
        try:
            answer = client.describe_stacks(StackName=stack)
        except ClientError as error:
            if error_code(error) == "ValidationError":  # so it says that there is no such stack
                raise InputError(
                    f"there is no stack {stack} in {region}; check the deployment's name, "
                    "and set AWS_REGION to where it is"
                ) from error
            raise
    return _outputs(answer["Stacks"][0])


def _only(client: "CloudFormationClient", region: str) -> tuple[str, Mapping[str, str]]:
    """The same of the only deployment in the region."""
    with aws_errors(_SERVICE, f"the stacks in {region}", right=f"{_RIGHT} on all stacks, or on one that --stack names"):
        pages = client.get_paginator("describe_stacks").paginate()
        stacks = {stack["StackName"]: _outputs(stack) for page in pages for stack in page["Stacks"]}
    found = {
        stack.removesuffix(_SUFFIX): outputs
        for stack, outputs in stacks.items()
        if stack.endswith(_SUFFIX) and StackOutput.VIDEO_WORKFLOW in outputs
    }
    if not found:
        raise InputError(
            f"nothing is deployed in {region}; deploy it (docs/deploy.md), or set AWS_REGION to where it is"
        )
    if len(found) > 1:
        raise InputError(
            f"there are several deployments in {region}: {', '.join(sorted(found))}; choose one with --stack"
        )
    ((name, outputs),) = found.items()
    return name, stacks.get(STORAGE_STACK.format(name), {}) | outputs


def _outputs(stack: "StackTypeDef") -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _deployment(name: str, region: str, outputs: Mapping[str, str]) -> Deployment:
    missing = [output for output in StackOutput if output not in outputs]
    if missing:
        raise InputError(
            f"the stacks of {name} have no output {missing[0]}: it is not a deployment of this program, or one of an "
            "earlier version; deploy it again (docs/deploy.md)"
        )
    return Deployment(
        name=name,
        region=region,
        video_workflow_arn=outputs[StackOutput.VIDEO_WORKFLOW],
        input_buckets=_buckets(outputs[StackOutput.INPUTS]),
        output_buckets=_buckets(outputs[StackOutput.OUTPUTS]),
        models=outputs[StackOutput.MODELS],
        tiers=tiers_of(outputs[StackOutput.TIERS], place=f"output {StackOutput.TIERS} of {name}{_SUFFIX}"),
    )


def _buckets(addresses: str) -> tuple[str, ...]:
    return tuple(address.removeprefix("s3://") for address in addresses.split())
