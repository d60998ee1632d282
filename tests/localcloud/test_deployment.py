"""What is deployed is what was synthesized, as far as moto can hold it."""

import json
from collections import Counter
from typing import Any

from localcloud import gaps
from localcloud.assembly import CloudAssembly
from localcloud.cloud import LocalCloud
from localcloud.rewrites import REWRITES, rewritten

LEFT_ALONE = {
    "AWS::Batch::JobDefinition",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::StepFunctions::StateMachine",
}
"""What decides what a job may do and when it runs."""


def of_a_function(resource: dict[str, Any]) -> bool:
    """Whether it is the role of a Lambda function, which goes with its function."""
    return "lambda.amazonaws.com" in json.dumps(resource)


def test_stacks_come_after_those_they_depend_on(assembly: CloudAssembly) -> None:
    names = [stack.name for stack in assembly.stacks()]
    assert names == ["sr-trial-storage", "sr-trial-compute", "sr-trial-pipeline", "sr-trial-operations"]


def test_a_rewrite_leaves_the_synthesized_template_alone_and_every_job_role_and_state_machine_in_it(
    assembly: CloudAssembly,
) -> None:
    seen: Counter[str] = Counter()
    for stack in assembly.stacks():
        before = json.dumps(stack.template)
        after = rewritten(stack.template)
        assert json.dumps(stack.template) == before
        for key, body in stack.template["Resources"].items():
            if body["Type"] in LEFT_ALONE and not of_a_function(body):
                left = after["Resources"][key]["Properties"]
                assert {name: left[name] for name in body["Properties"]} == body["Properties"], key
                seen[body["Type"]] += 1
    assert set(seen) == LEFT_ALONE


def test_queues_have_their_environments_in_order_and_their_limits(cloud: LocalCloud) -> None:
    normal, on_demand = cloud.queue("sr-trial-standard"), cloud.queue("sr-trial-standard-on-demand")
    assert [environment.is_spot for environment in normal.environments] == [True, False]
    assert [environment.is_spot for environment in on_demand.environments] == [False]
    assert normal.environments[1] == on_demand.environments[0], "the same On-Demand machines"
    assert on_demand.priority > normal.priority
    assert normal.capacity_reasons[0] == "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    assert normal.environments[0].instance_type == "g4dn.xlarge"


def test_buckets_have_versions_where_the_template_says_so(cloud: LocalCloud) -> None:
    client = cloud.client("s3")
    versioned = {
        name
        for name, bucket in cloud.deployment.buckets.items()
        if client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    }
    assert versioned == {"Output", "Models"}


def test_every_change_of_moto_has_a_reason_and_is_taken_back(cloud: LocalCloud) -> None:
    assert all(rewrite.reason for rewrite in REWRITES)
    assert all(gap.reason for gap in gaps.GAPS)
    before = [getattr(gap.owner, gap.name) for gap in gaps.GAPS]

    with gaps.mended(cloud):
        during = [getattr(gap.owner, gap.name) for gap in gaps.GAPS]
    after = [getattr(gap.owner, gap.name) for gap in gaps.GAPS]

    assert after == before
    assert not [old for old, new in zip(before, during, strict=True) if callable(old) and old is new]
