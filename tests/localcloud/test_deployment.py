"""What is deployed is what was synthesized, as far as moto can hold it."""

import json

from localcloud import gaps
from localcloud.assembly import CloudAssembly
from localcloud.cloud import LocalCloud
from localcloud.rewrites import REWRITES, rewritten


def test_stacks_come_after_those_they_depend_on(assembly: CloudAssembly) -> None:
    names = [stack.name for stack in assembly.stacks()]
    assert names == ["sr-trial-storage", "sr-trial-compute", "sr-trial-pipeline"]


def test_a_rewrite_leaves_the_synthesized_template_alone_and_every_job_role_and_state_machine_in_it(
    assembly: CloudAssembly,
) -> None:
    for stack in assembly.stacks():
        before = json.dumps(stack.template)
        after = rewritten(stack.template)
        assert json.dumps(stack.template) == before
        for kind in ("AWS::StepFunctions::StateMachine", "AWS::IAM::Policy"):
            kept = {key: body for key, body in after["Resources"].items() if body["Type"] == kind}
            for key, body in kept.items():
                assert body["Properties"] == stack.template["Resources"][key]["Properties"], key


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
