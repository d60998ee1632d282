"""Puts the stacks of a cloud assembly into moto, and finds again what the local cloud needs to know of them.

Expects moto to be active. Resources are found through moto's CloudFormation, that is as they were deployed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.models import stepfunctions_backends

from localcloud.assembly import CloudAssembly, Stack
from localcloud.machines import Environment, Queue
from localcloud.rewrites import SERVICE_ROLE, rewritten

BOOTSTRAP_VERSION = "30"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What was deployed."""

    region: str
    buckets: dict[str, str]
    """Name of each bucket by its construct: ``Input``, ``Work``, ``Output``, ``Models``."""
    queues: dict[str, Queue]
    """By name."""
    state_machines: dict[str, str]
    """ARN by construct: ``UpscaleVideo``, ``UpscaleBatch``."""


def deploy(assembly: CloudAssembly, region: str) -> Deployment:
    """Deploys every stack, in order."""
    _bootstrap(region)
    formation = boto3.client("cloudformation", region_name=region)
    stacks = list(assembly.stacks())
    ids: dict[tuple[str, str], str] = {}
    for stack in stacks:
        body = json.dumps(rewritten(stack.template))
        formation.create_stack(StackName=stack.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        for page in formation.get_paginator("list_stack_resources").paginate(StackName=stack.name):
            for found in page["StackResourceSummaries"]:
                ids[stack.name, found["LogicalResourceId"]] = found["PhysicalResourceId"]
    buckets = {name: ids[stack, key] for stack, key, name, _ in _resources(stacks, "AWS::S3::Bucket")}
    _keep_versions(stacks, buckets, region)
    _start_interpreting(region)
    return Deployment(
        region=region,
        buckets=buckets,
        queues=_queues(stacks, region),
        state_machines={
            name.split("/")[0]: ids[stack, key]
            for stack, key, name, _ in _resources(stacks, "AWS::StepFunctions::StateMachine")
        },
    )


def _bootstrap(region: str) -> None:
    """What an account has before the first stack: CDK's bootstrap version and Batch's service-linked role."""
    boto3.client("ssm", region_name=region).put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value=BOOTSTRAP_VERSION, Type="String"
    )
    boto3.client("iam", region_name=region).create_role(RoleName=SERVICE_ROLE, AssumeRolePolicyDocument="{}")


def _keep_versions(stacks: list[Stack], buckets: dict[str, str], region: str) -> None:
    """moto's CloudFormation forgets that a bucket has versions: it is told again."""
    client = boto3.client("s3", region_name=region)
    for _, _, name, properties in _resources(stacks, "AWS::S3::Bucket"):
        if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
            client.put_bucket_versioning(Bucket=buckets[name], VersioningConfiguration={"Status": "Enabled"})


def _start_interpreting(region: str) -> None:
    """moto's CloudFormation gives state machines to the backend that only pretends; the other is given the same."""
    interpreter = boto3.client("stepfunctions", region_name=region)
    for machine in stepfunctions_backends[DEFAULT_ACCOUNT_ID][region].state_machines:
        interpreter.create_state_machine(name=machine.name, definition=machine.definition, roleArn=machine.roleArn)


def _resources(stacks: list[Stack], kind: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Stack, logical id, construct's name in its stack and properties of every resource of a kind."""
    for stack in stacks:
        for key, body in stack.template["Resources"].items():
            if body["Type"] == kind:
                path = body["Metadata"]["aws:cdk:path"].split("/", 1)[1].removesuffix("/Resource")
                yield stack.name, key, path, body["Properties"]


def _queues(stacks: list[Stack], region: str) -> dict[str, Queue]:
    client = boto3.client("batch", region_name=region)
    environments = {
        found["computeEnvironmentArn"]: Environment(
            name=found["computeEnvironmentName"],
            is_spot=found["computeResources"]["type"] == "SPOT",
            max_vcpus=found["computeResources"]["maxvCpus"],
            instance_type=found["computeResources"]["instanceTypes"][0],
        )
        for found in client.describe_compute_environments()["computeEnvironments"]
    }
    # moto forgets a queue's time limits: they are read from the template.
    limits = {
        properties["JobQueueName"]: [limit["Reason"] for limit in properties.get("JobStateTimeLimitActions", ())]
        for _, _, _, properties in _resources(stacks, "AWS::Batch::JobQueue")
    }
    return {
        found["jobQueueName"]: Queue(
            name=found["jobQueueName"],
            priority=int(found["priority"]),
            environments=[
                environments[entry["computeEnvironment"]]
                for entry in sorted(found["computeEnvironmentOrder"], key=lambda entry: entry["order"])
            ],
            capacity_reasons=limits[found["jobQueueName"]],
        )
        for found in client.describe_job_queues()["jobQueues"]
    }
