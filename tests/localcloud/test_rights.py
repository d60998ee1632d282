"""What a job touches in S3 is checked against its role, as deployed: a right that is missing stops it."""

import json
from collections.abc import Callable, Iterator

import pytest

from localcloud.cloud import LocalCloud
from sr_core.contract import Stage

from .runs import Runs

TakeAway = Callable[[str, str], None]


@pytest.fixture
def take_away(cloud: LocalCloud) -> Iterator[TakeAway]:
    """Removes a statement from a deployed role, named by its owner's construct, until the test's end."""
    iam = cloud.client("iam")
    before = []

    def take(owner: str, sid: str) -> None:
        (role,) = [
            role["RoleName"]
            for role in iam.list_roles()["Roles"]
            if role["RoleName"].startswith((f"sr-trial-pipeline-{owner}Role", f"sr-trial-operations-{owner}Role"))
        ]
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        kept = [statement for statement in document["Statement"] if statement.get("Sid") != sid]
        assert len(kept) == len(document["Statement"]) - 1
        before.append((role, name, document))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document | {"Statement": kept}))

    yield take
    for role, name, document in before:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    cloud.edge.denied.clear()


@pytest.mark.parametrize(
    ("stage", "sid", "action"),
    [
        (Stage.UPSCALE, "WriteJobFolder", "s3:PutObject"),
        (Stage.EXTRACT, "ListJobFolder", "s3:ListBucket"),
        (Stage.EXTRACT, "PublishOutput", "s3:GetObject"),
    ],
)
def test_without_a_right_the_job_is_refused_and_ends_at_once(
    cloud: LocalCloud, runs: Runs, take_away: TakeAway, stage: Stage, sid: str, action: str
) -> None:
    take_away(stage.capitalize(), sid)

    run = runs.finish()

    assert run.execution.status == "FAILED"
    attempt = run.attempts(stage)[0]
    assert "access denied" in attempt.log.read_text()
    # and the failure tells it in the job's own words, if it may write them down, else in Batch's
    cause = run.failure()[1]
    assert ('"ExitCode":64' if sid == "WriteJobFolder" else "access denied") in cause.replace('": ', '":')
    assert run.published() == []
    if sid != "ListJobFolder":  # there it is a missing object that may not be looked for
        assert (attempt, action) in [(who, request.action) for who, request in cloud.edge.denied]


def test_the_state_machine_too_may_do_only_what_its_role_says(
    cloud: LocalCloud, runs: Runs, take_away: TakeAway
) -> None:
    take_away("UpscaleVideoStateMachine", "SubmitJobs")

    run = runs.finish()

    assert run.execution.status == "FAILED"
    error, cause = run.failure()
    assert error == "ExtractFailed"
    assert "not authorized to perform: batch:SubmitJob" in cause
    assert run.attempts() == []


def test_credentials_that_nobody_was_given_open_nothing(cloud: LocalCloud) -> None:
    keys = {attempt.access_key for attempt in cloud.attempts}

    assert len(keys) == len(cloud.attempts), "each attempt has its own"
    assert cloud.attempt_of("ASIAUNKNOWN") is None
    assert all(cloud.attempt_of(attempt.access_key) is attempt for attempt in cloud.attempts)
