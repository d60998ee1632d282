"""The state machine that stops everything: what it looks at, in which order, and when it may say that nothing runs.

That it does so is shown by running it: tests/localcloud/test_stop.py.
"""

import pytest

from .reading import Assembly, Json, follow, states
from .test_access import may, region_of

ACCOUNT = "111122223333"


@pytest.fixture
def stop(production: Assembly) -> Json:
    """Every state of `StopWork`, by name."""
    return dict(states(production.definition("StopWork")))


def test_it_is_there_in_every_deployment_since_it_costs_nothing_until_it_is_used(assembly: Assembly) -> None:
    assert assembly.definition("StopWork")
    (output,) = [value for key, value in assembly.templates["operations"]["Outputs"].items() if key == "StopWorkArn"]
    assert output


def test_what_starts_executions_is_stopped_before_what_it_starts(production: Assembly, stop: Json) -> None:
    assert stop["Begin"]["Parameters"]["machines"] == [
        production.machine_arn(name) for name in ("UpscaleBatch", "OnUpload", "UpscaleVideo")
    ]
    assert stop["StopExecutions"]["MaxConcurrency"] == 1
    assert stop["StopExecutions"]["Next"] == "Settle"
    assert stop["Settle"]["Next"] == "EndJobs"
    assert stop["Settle"]["Seconds"] > 30, "a job may take as long to end itself"


def test_every_queue_is_swept_in_the_order_in_which_jobs_move(production: Assembly, stop: Json) -> None:
    places = [(place["queue"], place["status"]) for place in stop["Begin"]["Parameters"]["places"]]
    queues = {queue.name for queue in production.of("Batch::JobQueue")}
    order = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"]
    assert len(queues) == 14
    assert {queue for queue, _ in places} == queues
    for queue in queues:
        assert [status for place, status in places if place == queue] == order
    assert [status for _, status in places] == sorted((status for _, status in places), key=order.index)
    assert stop["EndJobs"]["MaxConcurrency"] == 1


def test_whoever_was_stopped_is_known_by_a_name_that_no_other_rule_tells(production: Assembly, stop: Json) -> None:
    error = stop["StopExecution"]["Parameters"]["Error"]
    pattern = production.one("Events::Rule", "SilentTrouble/CutOff").properties["EventPattern"]
    assert error in pattern["detail"]["error"][0]["anything-but"]


def round_found(executions: str, jobs: str, *, number: int = 1) -> Json:
    return {"round": number, "summary": {"executions": executions, "jobs": jobs}}


@pytest.mark.parametrize(
    ("found", "following"),
    [
        (round_found("[0]", "[0]"), "Stopped"),
        (round_found("[0]", "[0]", number=8), "Stopped"),
        (round_found("[3,0]", "[0]"), "NextRound"),
        (round_found("[0]", "[0,1]", number=7), "NextRound"),
        (round_found("[1]", "[0]", number=8), "StillRuns"),
        (round_found("[0]", "[2]", number=9), "StillRuns"),
    ],
)
def test_it_says_that_nothing_runs_only_after_a_round_that_found_nothing(
    stop: Json, found: Json, following: str
) -> None:
    for name in ("executions", "jobs"):
        assert stop["Summary"]["Parameters"][f"{name}.$"] == (
            f"States.JsonToString(States.ArrayUnique($.found.{name}))"
        )
    assert follow(stop["IsQuiet"], found) == following
    assert stop["NextRound"]["Next"] == "StopExecutions"
    assert stop["NextRound"]["Parameters"]["round.$"] == "States.MathAdd($.round, 1)"


def test_what_cannot_be_listed_counts_as_something_that_runs(stop: Json) -> None:
    for listing, unknown in (("ListExecutions", "ExecutionsUnknown"), ("ListJobs", "JobsUnknown")):
        (caught,) = stop[listing]["Catch"]
        assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], unknown)
        assert stop[unknown]["Result"] == 1
    for call in ("StopExecution", "TerminateJob"):
        (caught,) = stop[call]["Catch"]
        assert stop[caught["Next"]] == {"Type": "Pass", "End": True}, "the others are stopped all the same"


def test_it_tells_of_its_end_whatever_that_is(production: Assembly, stop: Json) -> None:
    assert stop["Notify"]["Parameters"]["Subject"] == "Work stopped"
    assert "docs/deploy.md" in stop["Notify"]["Parameters"]["Message"]["help"]
    assert stop["StillRuns"]["Next"] == "AnnounceFailure"
    assert stop["NotifyFailure"]["Parameters"]["Subject"] == "Work still runs"
    # and where it cannot, a rule does
    rule = production.one("Events::Rule", "CutOff").properties
    assert rule["EventPattern"]["detail"]["stateMachineArn"] == ["StopWork/StateMachine"]
    assert [target["Arn"] for target in rule["Targets"]] == ["Announcements"]


def test_it_may_stop_this_deployments_work_and_start_none(assembly: Assembly) -> None:
    statements, region = assembly.statements("StopWork/StateMachine/Role"), region_of(assembly)
    name = assembly.one("StepFunctions::StateMachine", "UpscaleVideo/StateMachine").properties["StateMachineName"]
    machine, job = f"arn:aws:states:{region}:{ACCOUNT}:execution:{name}", f"arn:aws:batch:{region}:{ACCOUNT}:job/0a1b"

    assert may(statements, "states:ListExecutions", assembly.machine_arn("UpscaleVideo", region=region))
    assert may(statements, "states:StopExecution", f"{machine}:one")
    assert may(statements, "batch:ListJobs", "*")
    assert may(statements, "batch:TerminateJob", job)
    assert may(statements, "sns:Publish", "Announcements")
    assert not may(statements, "states:StopExecution", f"arn:aws:states:{region}:{ACCOUNT}:execution:another:one")
    for action in ("states:StartExecution", "batch:SubmitJob", "s3:GetObject"):
        assert not may(statements, action, "*"), action
