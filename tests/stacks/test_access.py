"""Which job may touch what: the roles that were synthesized, asked one request at a time, against a table.

The table is written out here and not taken from the stacks, so that a change of a right is a change of this file.
"""

import pytest

from localcloud.policy import Policy

from .reading import Assembly, Json

READ, WRITE, DELETE = "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
JOB = "jobs/0a1b"

ROLES = {
    "extract": "Extract/Role",
    "upscale": "Upscale/Role",
    "encode": "Encode/Role",
    "assemble": "Assemble/Role",
    "workflow": "UpscaleVideo/StateMachine/Role",
    "batch": "UpscaleBatch/StateMachine/Role",
    "upload": "OnUpload/StateMachine/Role",
    "machine": "Machine/Role",
}

# r read, w write, d delete; a dot: nothing
#                                                        extract upscale encode assemble workflow batch upload machine
TABLE = {
    ("Input", "films/one.mp4"):                         ("r",    ".",    ".",   "r",     "r",     "r",  ".",   "."),
    ("Input", "films/one.mp4.json"):                    ("r",    ".",    ".",   "r",     "r",     "r",  "r",   "."),
    ("Output", "films/one.mp4"):                        ("rw",   ".",    ".",   "rw",    ".",     ".",  ".",   "."),
    ("Models", "net.safetensors"):                      ("r",    ".",    ".",   ".",     ".",     ".",  ".",   "."),
    ("Logs", "access/input/1"):                         (".",    ".",    ".",   ".",     ".",     ".",  ".",   "."),
    ("another-bucket", "films/one.mp4"):                (".",    ".",    ".",   ".",     ".",     ".",  ".",   "."),
    ("Work", "batches/one/result.json"):                (".",    ".",    ".",   ".",     ".",     "rw", ".",   "."),
    ("Work", f"{JOB}/request.json"):                    ("r",    "r",    "r",   "r",     "w",     ".",  ".",   "."),
    ("Work", f"{JOB}/plan.json"):                       ("rw",   "r",    "r",   "r",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/timestamps.json"):                 ("rw",   "r",    "r",   "r",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/route.json"):                      ("rw",   ".",    ".",   ".",     "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/chunks.json"):                     ("rw",   ".",    ".",   ".",     "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/models/00ff"):                     ("rw",   "r",    ".",   ".",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/chunks/00007-ab.nut"):             ("rwd",  "r",    ".",   ".",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/segments/00007-ab.mkv"):           (".",    "rwd",  "r",   "r",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/delivery/00007-ab.mkv"):           (".",    ".",    "rwd", "r",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/receipts/extract/00007.json"):     ("rwd",  "rd",   ".",   "rd",    ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/receipts/upscale/00007.json"):     (".",    "rwd",  "rd",  "rd",    ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/receipts/encode/00007.json"):      (".",    ".",    "rwd", "rd",    ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/receipts/assemble/00000.json"):    (".",    ".",    ".",   "rwd",   ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/set-aside/extract/00007-ab.json"): ("w",    "w",    ".",   "w",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/set-aside/upscale/00007-ab.json"): (".",    "w",    "w",   "w",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/set-aside/encode/00007-ab.json"):  (".",    ".",    "w",   "w",     ".",     ".",  ".",   "."),
    ("Work", f"{JOB}/failures/00007.json"):             (".",    ".",    ".",   ".",     "rwd",   ".",  ".",   "."),
    ("Work", f"{JOB}/errors/extract/0.json"):           ("rwd",  ".",    ".",   ".",     "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/errors/upscale/7.json"):           (".",    "rwd",  ".",   ".",     "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/errors/encode/7.json"):            (".",    ".",    "rwd", ".",     "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/errors/assemble/0.json"):          (".",    ".",    ".",   "rwd",   "r",     ".",  ".",   "."),
    ("Work", f"{JOB}/report.json"):                     ("r",    ".",    ".",   "rw",    ".",     ".",  ".",   "."),
    ("Work", "elsewhere/plan.json"):                    (".",    ".",    ".",   ".",     ".",     ".",  ".",   "."),
}  # fmt: skip

NO_RESOURCE = {
    "ecs:DiscoverPollEndpoint",
    "ecr:GetAuthorizationToken",
    "ec2:DescribeTags",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
}
"""Actions for which AWS knows no resource (Service Authorization Reference, 2026-11)."""


def as_list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def may(statements: list[Json], action: str, resource: str) -> bool:
    """Whether they allow it, by the evaluation that the local cloud holds its jobs to."""
    return Policy(statements).allows(action, resource)


@pytest.mark.parametrize("column", range(len(ROLES)), ids=list(ROLES))
def test_a_role_may_touch_what_its_stage_needs_and_nothing_else(production: Assembly, column: int) -> None:
    statements = production.statements(list(ROLES.values())[column])
    assert statements
    for (bucket, key), cells in TABLE.items():
        arn = f"arn:aws:s3:::{bucket}/{key}"
        granted = "".join(
            letter for letter, action in (("r", READ), ("w", WRITE), ("d", DELETE)) if may(statements, action, arn)
        )
        assert (granted or ".") == cells[column], f"{bucket}/{key}"


def test_the_stages_roles_hold_rights_on_stored_objects_only(assembly: Assembly) -> None:
    for name in ("extract", "upscale", "encode", "assemble"):
        for statement in assembly.statements(ROLES[name]):
            for action in as_list(statement["Action"]):
                assert action.startswith(("s3:", "kms:")), f"{name}: {action}"


def test_each_job_has_a_role_of_its_own(assembly: Assembly) -> None:
    roles = [job.properties["ContainerProperties"]["JobRoleArn"] for job in assembly.of("Batch::JobDefinition")]
    assert sorted(roles) == [f"{job}/Role" for job in ("Assemble", "Encode", "Extract", "Upscale", "UpscaleOnCpu")]


def test_other_buckets_are_open_only_where_the_config_says_so(assemblies: dict[str, Assembly]) -> None:
    isolated = assemblies["isolated"]
    archive, delivery = "arn:aws:s3:::example-archive/a.mp4", "arn:aws:s3:::example-delivery/a.mp4"
    assert may(isolated.statements(ROLES["extract"]), READ, archive)
    assert may(isolated.statements(ROLES["assemble"]), WRITE, delivery)
    assert not may(isolated.statements(ROLES["upscale"]), READ, delivery)
    for stage in ("extract", "assemble"):
        # without the right to list, a place that is free looks like one that may not be seen
        assert may(isolated.statements(ROLES[stage]), "s3:ListBucket", "arn:aws:s3:::example-delivery"), stage
    assert not may(isolated.statements(ROLES["assemble"]), WRITE, archive)


def test_a_key_of_our_own_may_be_used_by_whoever_stores(assemblies: dict[str, Assembly]) -> None:
    for name in ("extract", "upscale", "encode", "assemble", "workflow", "batch"):
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert may(assemblies["isolated"].statements(ROLES[name]), action, "Key"), name


def test_no_action_has_a_wildcard_and_any_resource_is_granted_only_where_there_is_no_choice(assembly: Assembly) -> None:
    for policy in assembly.of("IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            actions = as_list(statement["Action"])
            if policy.name.startswith("Custom::"):
                continue  # CDK's own deploy-time function
            assert not [action for action in actions if "*" in action and not _is_asset_download(policy.name)]
            if "*" in as_list(statement["Resource"]):
                assert set(actions) <= NO_RESOURCE, policy.name


def _is_asset_download(name: str) -> bool:
    return name.startswith("CDKBucketDeployment")


def test_the_workflow_may_end_what_it_starts(assembly: Assembly) -> None:
    # without TerminateJob, an aborted execution leaves jobs that go on costing money
    statements, region = assembly.statements(ROLES["workflow"]), region_of(assembly)
    for action in ("batch:TerminateJob", "batch:TagResource", "batch:DescribeJobs"):
        assert may(statements, action, f"arn:aws:batch:{region}:111122223333:job/0a1b"), action
    for queue in assembly.of("Batch::JobQueue"):
        assert may(statements, "batch:SubmitJob", queue.name)
    for job in assembly.of("Batch::JobDefinition"):
        assert may(statements, "batch:SubmitJob", job.name)
    assert not may(statements, "batch:SubmitJob", "arn:aws:batch:us-east-1:111122223333:job-queue/another")


def region_of(assembly: Assembly) -> str:
    """The region that the config names, as it stands in an ARN of the workflow's policy."""
    (arn,) = [
        resource
        for statement in assembly.statements(ROLES["workflow"])
        if statement.get("Sid") == "EndJobs"
        for resource in as_list(statement["Resource"])
    ]
    return arn.split(":")[3]


@pytest.mark.parametrize("workflow", ["workflow", "batch", "upload"])
def test_every_workflow_may_tell_of_its_failure(production: Assembly, workflow: str) -> None:
    statements = production.statements(ROLES[workflow])
    assert may(statements, "sns:Publish", "Announcements")
    assert may(statements, "events:PutEvents", "arn:aws:events:us-east-1:111122223333:event-bus/default")


def test_a_batch_may_run_and_stop_videos(production: Assembly) -> None:
    statements = production.statements(ROLES["batch"])
    account = "us-east-1:111122223333"
    assert may(statements, "states:StartExecution", f"arn:aws:states:{account}:stateMachine:sr-UpscaleVideo")
    assert may(statements, "states:StopExecution", f"arn:aws:states:{account}:execution:sr-UpscaleVideo:one")
    assert not may(statements, "states:StartExecution", f"arn:aws:states:{account}:stateMachine:another")


def test_a_batch_may_write_results_of_many_parts_and_list_nothing_else(production: Assembly) -> None:
    # what Step Functions' documentation asks for of a map that writes its results to S3
    statements = production.statements(ROLES["batch"])
    for action in ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"):
        assert may(statements, action, "arn:aws:s3:::Work/batches/one/manifest.json"), action
    (listing,) = [found for found in statements if "s3:ListBucket" in as_list(found["Action"])]
    assert as_list(listing["Condition"]["StringLike"]["s3:prefix"]) == ["batches/*"]


def test_the_machines_role_has_no_data_and_no_compute_rights(assembly: Assembly) -> None:
    # given that a process in a container can reach the machine's role through the metadata service
    for statement in assembly.statements(ROLES["machine"]):
        for action in as_list(statement["Action"]):
            assert action.split(":")[0] in ("ecs", "ecr", "logs") or action == "ec2:DescribeTags"
            assert action not in ("ecs:RunTask", "ecs:StartTask", "ecs:CreateCluster", "ecr:PutImage")
