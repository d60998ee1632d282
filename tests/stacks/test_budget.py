"""A month's budget: who is told of it, and, only where it is asked for, what it stops."""

import pytest

from localcloud.policy import Policy

from .conftest import Synthesize
from .reading import Assembly, Json
from .test_access import ROLES, may
from .test_operations import everything
from .test_trouble import matches

__all__ = ["everything"]


@pytest.fixture(scope="session")
def told(synthesize: Synthesize) -> Assembly:
    """A budget that tells and stops nothing."""
    return synthesize({"budget": {"monthly_usd": 500, "forecast_percent": 90, "spent_percent": 50}})


def notifications(assembly: Assembly) -> list[tuple[str, float, str]]:
    (budget,) = assembly.of("Budgets::Budget")
    return [
        (entry["Notification"]["NotificationType"], entry["Notification"]["Threshold"], subscriber["Address"])
        for entry in budget.properties["NotificationsWithSubscribers"]
        for subscriber in entry["Subscribers"]
        if (entry["Notification"]["ThresholdType"], entry["Notification"]["ComparisonOperator"])
        == ("PERCENTAGE", "GREATER_THAN")
    ]


def test_it_counts_what_bears_the_deployments_tag_in_dollars_before_credits(told: Assembly) -> None:
    (budget,) = told.of("Budgets::Budget")
    data = budget.properties["Budget"]
    assert data["CostFilters"] == {"TagKeyValue": ["user:application$sr"]}
    assert data["BudgetLimit"] == {"Amount": 500, "Unit": "USD"}
    assert (data["BudgetType"], data["TimeUnit"]) == ("COST", "MONTHLY")
    assert data["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
    for bucket in told.of("S3::Bucket"):
        assert {"Key": "application", "Value": "sr"} in bucket.properties["Tags"]


def test_it_can_change_whom_it_tells(told: Assembly) -> None:
    # given that CloudFormation replaces a budget for that, and cannot replace what has a name of its own
    (budget,) = told.of("Budgets::Budget")
    assert "BudgetName" not in budget.properties["Budget"]


def test_the_topic_is_told_of_the_forecast_of_a_part_and_of_all_of_it(told: Assembly) -> None:
    assert notifications(told) == [
        ("FORECASTED", 90, "Announcements"),
        ("ACTUAL", 50, "Announcements"),
        ("ACTUAL", 100, "Announcements"),
    ]


def test_by_default_four_fifths_are_told(production: Assembly) -> None:
    assert [percent for _, percent, _ in notifications(production)] == [80, 80, 100]


def test_nothing_is_stopped_unless_that_is_asked_for(told: Assembly) -> None:
    assert not told.of("Budgets::BudgetsAction")
    assert not told.of("IAM::ManagedPolicy")
    assert not [rule for rule in told.of("Events::Rule") if "StopWork/StateMachine" in str(rule.properties["Targets"])]


def test_the_brake_denies_submitting_to_exactly_the_roles_that_may(everything: Assembly) -> None:
    # Given what the budget's action attaches, and to whom
    (action,) = everything.of("Budgets::BudgetsAction")
    definition = action.properties["Definition"]["IamActionDefinition"]
    (policy,) = everything.of("IAM::ManagedPolicy")
    assert definition["PolicyArn"] == policy.name
    denied = policy.properties["PolicyDocument"]["Statement"]
    queue, job = everything.of("Batch::JobQueue")[0].name, everything.of("Batch::JobDefinition")[0].name
    roles = {**ROLES, "stop": "StopWork/StateMachine/Role"}.values()

    # When every role's rights are evaluated, with and without it
    submitters = {role for role in roles if may(everything.statements(role), "batch:SubmitJob", queue)}
    braked = set(definition["Roles"])

    # Then those that could submit no longer can, and nothing else is taken from them
    assert submitters == braked == {"UpscaleVideo/StateMachine/Role"}
    for role in braked:
        before = everything.statements(role)
        after = Policy([*before, *denied])
        for target in (queue, job):
            assert Policy(before).allows("batch:SubmitJob", target)
            assert not after.allows("batch:SubmitJob", target)
        assert after.allows("batch:TerminateJob", "arn:aws:batch:us-east-1:111122223333:job/0a1b")
        assert after.allows("sns:Publish", "Announcements")
        assert after.allows("s3:GetObject", "arn:aws:s3:::Work/jobs/0a1b/route.json")


def test_it_brakes_by_itself_when_all_of_it_is_spent_and_tells_so(everything: Assembly) -> None:
    (action,) = everything.of("Budgets::BudgetsAction")
    assert action.properties["ApprovalModel"] == "AUTOMATIC"
    assert action.properties["ActionType"] == "APPLY_IAM_POLICY"
    assert (action.properties["NotificationType"], action.properties["ActionThreshold"]) == (
        "ACTUAL",
        {"Type": "PERCENTAGE", "Value": 100},
    )
    assert action.properties["Subscribers"] == [{"Type": "SNS", "Address": "Announcements"}]
    (budget,) = everything.of("Budgets::Budget")
    assert action.properties["BudgetName"] == budget.name


def test_budgets_may_attach_that_one_policy_to_those_roles_and_no_more(everything: Assembly) -> None:
    (action,) = everything.of("Budgets::BudgetsAction")
    role = everything.one("IAM::Role", action.properties["ExecutionRoleArn"].removesuffix(".Arn")).properties
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "budgets.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    (statement,) = everything.statements("Guard/Role")
    assert set(statement["Action"]) == {"iam:AttachRolePolicy", "iam:DetachRolePolicy"}
    assert statement["Resource"] == "UpscaleVideo/StateMachine/Role"
    assert statement["Condition"] == {"ArnEquals": {"iam:PolicyARN": "Guard/StopNewJobs"}}


def alarm_went(state: str, alarm: str) -> Json:
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": alarm,
        "detail": {"state": {"value": state}},
    }


def test_what_runs_is_stopped_by_a_message_that_no_other_service_may_send(everything: Assembly) -> None:
    # Given that all of it is told to a topic of its own
    (reached,) = [address for kind, percent, address in notifications(everything) if percent == 100]
    assert reached == "Guard/Reached"
    (policy,) = [found for found in everything.of("SNS::TopicPolicy") if found.name == "Guard/Reached/Policy"]
    allowed = [found for found in policy.properties["PolicyDocument"]["Statement"] if found["Effect"] == "Allow"]
    assert [found["Principal"] for found in allowed] == [{"Service": "budgets.amazonaws.com"}]

    assert any("ReachedTopicArn" in name for name in everything.templates["operations"]["Outputs"]), "to try it with"

    # Then one message on it sets off an alarm
    alarm = everything.one("CloudWatch::Alarm", "Guard/BudgetReached").properties
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SNS", "NumberOfMessagesPublished")
    assert alarm["Dimensions"] == [{"Name": "TopicName", "Value": "Guard/Reached"}]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Sum", 1, 1)
    assert alarm["TreatMissingData"] == "notBreaching"

    # and that alarm, going off, starts StopWork
    rule = everything.one("Events::Rule", "Guard/Stop").properties
    assert matches(rule["EventPattern"], alarm_went("ALARM", "Guard/BudgetReached"))
    assert not matches(rule["EventPattern"], alarm_went("OK", "Guard/BudgetReached"))
    assert not matches(rule["EventPattern"], alarm_went("ALARM", "Alarms/MostVideosFail"))
    (target,) = rule["Targets"]
    assert target["Arn"] == "StopWork/StateMachine"
    (start,) = everything.statements(target["RoleArn"])
    assert (start["Action"], start["Resource"]) == ("states:StartExecution", "StopWork/StateMachine")
