"""Dashboard and alarms: there where they are asked for, about what is deployed, in words that one can act on."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Synthesize
from .reading import Assembly, Json

PUBLISHED = {
    "AWS/States": {
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionThrottled",
    },
    "AWS/Usage": {"ResourceCount"},
    "AWS/Events": {"FailedInvocations"},
    "AWS/SNS": {"NumberOfNotificationsFailed", "NumberOfMessagesPublished"},
    "AWS/S3": {"BucketSizeBytes"},
    "AWS/Billing": {"EstimatedCharges"},
}
"""Metrics that AWS publishes by itself (each service's guide, 2026-11): no other is asked for."""
WHOLE_ACCOUNT = {"AWS/Usage", "AWS/Billing"}
"""Those that are of no resource."""
FREE_METRICS, FREE_DASHBOARDS, FREE_ALARM_METRICS = 50, 3, 10
"""What CloudWatch charges no account for (CloudWatch pricing, 2026-11)."""
EVERYTHING = {
    "dashboard": True,
    "alarms": True,
    "upload_trigger": True,
    "notify_email": "someone@example.com",
    "encryption": "kms",
    "budget": {"monthly_usd": 500, "stops_work": True},
}


@pytest.fixture(scope="session")
def everything(synthesize: Synthesize) -> Assembly:
    """Whatever a config can ask for."""
    return synthesize(EVERYTHING)


@pytest.fixture
def page(everything: Assembly) -> list[Json]:
    """The dashboard's widgets."""
    return widgets(everything)


def widgets(assembly: Assembly) -> list[Json]:
    (dashboard,) = assembly.of("CloudWatch::Dashboard")
    found: list[Json] = json.loads(dashboard.properties["DashboardBody"])["widgets"]
    return found


def metrics(page: list[Json]) -> Iterator[tuple[str, str, dict[str, str], Json]]:
    """Namespace, name, dimensions and widget of each metric that is shown."""
    for widget in page:
        for entry in widget["properties"].get("metrics", []):
            if isinstance(entry[0], str):
                words = [word for word in entry if isinstance(word, str)]
                yield words[0], words[1], dict(zip(words[2::2], words[3::2], strict=True)), widget


def named(assembly: Assembly) -> set[str]:
    """Every name by which another resource can refer to one of the deployment."""
    machines = [found.name.split("/")[0] for found in assembly.of("StepFunctions::StateMachine")]
    given = {rule.properties["Name"] for rule in assembly.of("Events::Rule") if "Name" in rule.properties}
    return {resource.name for resource in assembly.resources} | given | {*map(assembly.machine_arn, machines)}


def test_what_may_cost_by_the_month_is_there_only_where_it_is_asked_for(assemblies: dict[str, Assembly]) -> None:
    asked = {"trial": (1, True), "production": (1, True), "isolated": (0, False), "existing-vpc": (0, False)}
    for example, (pages, alarms) in asked.items():
        assembly = assemblies[example]
        assert len(assembly.of("CloudWatch::Dashboard")) == pages
        assert bool(assembly.of("CloudWatch::Alarm")) is alarms
        assert len(assembly.of("Budgets::Budget")) == (1 if example == "production" else 0)
        assert not assembly.of("Budgets::BudgetsAction"), "no example takes the brake without being asked"


def test_all_of_it_together_is_within_what_is_free_in_an_account(everything: Assembly, page: list[Json]) -> None:
    assert len(everything.of("CloudWatch::Dashboard")) <= FREE_DASHBOARDS
    assert len(list(metrics(page))) <= FREE_METRICS
    watched = [
        metric
        for alarm in everything.of("CloudWatch::Alarm")
        for metric in alarm.properties.get("Metrics", [{"MetricStat": True}])
        if "MetricStat" in metric
    ]
    assert len(watched) <= FREE_ALARM_METRICS


def test_every_metric_is_one_that_aws_publishes_about_a_resource_that_is_deployed(
    everything: Assembly, page: list[Json]
) -> None:
    shown = list(metrics(page))
    assert {namespace for namespace, *_ in shown} == set(PUBLISHED)
    for namespace, name, dimensions, _ in shown:
        assert name in PUBLISHED[namespace]
        for key, value in dimensions.items():
            if namespace not in WHOLE_ACCOUNT and key != "StorageType":
                assert value.removesuffix(".TopicName") in named(everything), (namespace, name, value)
    assert {dimensions["StateMachineArn"] for namespace, _, dimensions, _ in shown if namespace == "AWS/States"} == {
        everything.machine_arn(name) for name in ("UpscaleVideo", "UpscaleBatch", "OnUpload")
    }


def test_markets_are_told_apart_by_the_classes_of_the_quotas(page: list[Json]) -> None:
    classes = {dimensions["Class"] for namespace, _, dimensions, _ in metrics(page) if namespace == "AWS/Usage"}
    assert classes == {"G/Spot", "G/OnDemand", "Standard/Spot", "Standard/OnDemand"}
    (widget,) = {id(found): found for namespace, *_, found in metrics(page) if namespace == "AWS/Usage"}.values()
    expressions = [entry[0]["expression"] for entry in widget["properties"]["metrics"] if isinstance(entry[0], dict)]
    assert len(expressions) == len(classes)
    assert all(re.fullmatch(r"SERVICE_QUOTA\(\w+\)", expression) for expression in expressions)


def test_what_is_of_the_whole_account_says_so(page: list[Json]) -> None:
    for namespace, _, _, widget in metrics(page):
        assert (namespace in WHOLE_ACCOUNT) is ("whole account" in widget["properties"]["title"])


def test_every_question_is_asked_of_a_log_that_is_deployed(everything: Assembly, page: list[Json]) -> None:
    groups = {group.name: group.properties["LogGroupName"] for group in everything.of("Logs::LogGroup")}
    asked = set()
    for widget in page:
        if widget["type"] == "log":
            sources = re.findall(r"SOURCE '([^']+)'", widget["properties"]["query"])
            assert sources
            asked |= set(sources)
    known = set(groups) | set(groups.values())
    assert asked <= known, asked - known
    assert {"/sr/jobs", "JobEvents/Logs", "/aws/vendedlogs/states/sr-UpscaleVideo"} <= asked


def test_every_change_of_every_job_is_kept_for_the_questions(everything: Assembly) -> None:
    (rule,) = [found for found in everything.of("Events::Rule") if found.name == "JobEvents/Rule"]
    pattern = rule.properties["EventPattern"]
    assert pattern["detail-type"] == ["Batch Job State Change"]
    assert set(pattern["detail"]["jobQueue"]) == {queue.name for queue in everything.of("Batch::JobQueue")}
    group = everything.one("Logs::LogGroup", "JobEvents/Logs").properties["LogGroupName"]
    (target,) = rule.properties["Targets"]
    assert target["Arn"].endswith(f":log-group:{group}")
    # and EventBridge, which has no role there, is let in
    (policy,) = everything.of("Logs::ResourcePolicy")
    (statement,) = json.loads(policy.properties["PolicyDocument"])["Statement"]
    assert "events.amazonaws.com" in statement["Principal"]["Service"]
    assert set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_page_says_how_to_stop_and_where_to_read(page: list[Json]) -> None:
    (text,) = [widget["properties"]["markdown"] for widget in page if widget["type"] == "text"]
    assert "start-execution --state-machine-arn StopWork/StateMachine" in text
    assert "docs/deploy.md" in text
    assert text.count("https://us-east-1.console.aws.amazon.com/") >= 6


def test_the_page_shows_the_alarms_if_there_are_any(everything: Assembly, page: list[Json]) -> None:
    (status,) = [widget for widget in page if widget["type"] == "alarm"]
    shown = {name.removesuffix(".Arn") for name in status["properties"]["alarms"]}
    assert shown == {"Alarms/MostVideosFail", "Alarms/EventsUndelivered"}


@pytest.mark.parametrize("part", ["Means:", "Do:", "Look: https://"])
def test_every_mail_of_an_alarm_says_what_it_means_what_to_do_and_where_to_look(
    everything: Assembly, part: str
) -> None:
    alarms = everything.of("CloudWatch::Alarm")
    assert len(alarms) == 3
    for alarm in alarms:
        said = alarm.properties["AlarmDescription"]
        # ARNs are longer than the names that stand for them here; CloudWatch takes 1,024 characters
        assert len(said) < 900
        if alarm.properties.get("AlarmActions"):
            assert part in said, alarm.name
            assert alarm.properties["AlarmActions"] == ["Announcements"]


def alarm(assembly: Assembly, name: str) -> dict[str, Any]:
    properties = assembly.one("CloudWatch::Alarm", f"Alarms/{name}").properties
    by_id = {metric["Id"]: metric for metric in properties["Metrics"]}
    (expression,) = [metric["Expression"] for metric in by_id.values() if "Expression" in metric]
    return {"expression": expression, "metrics": by_id, **properties}


@pytest.mark.parametrize(
    ("failed", "done", "rings"),
    [(4, 0, False), (5, 0, True), (5, 4, True), (5, 5, False), (20, 1000, False), (0, 0, False)],
)
def test_a_few_failed_videos_ring_no_bell_but_most_of_them_do(
    everything: Assembly, failed: int, done: int, rings: bool
) -> None:
    found = alarm(everything, "MostVideosFail")
    # given the language of metric math, as far as this expression uses it, in the words of Python
    said = found["expression"].replace("AND", "and").replace("SUM(", "sum(").replace("IF(", "when(")
    value = eval(
        said, {"when": lambda holds, yes, no: yes if holds else no, "failed": failed, "done": done, "sum": sum}
    )
    assert (value > found["Threshold"]) is rings
    assert found["ComparisonOperator"] == "GreaterThanThreshold"
    watched = {
        key: metric["MetricStat"]["Metric"]["MetricName"]
        for key, metric in found["metrics"].items()
        if "MetricStat" in metric
    }
    assert watched == {"failed": "ExecutionsFailed", "done": "ExecutionsSucceeded"}


def test_every_rule_on_which_a_start_or_a_message_hangs_is_watched(everything: Assembly) -> None:
    watched = {
        dimension["Value"]
        for metric in alarm(everything, "EventsUndelivered")["metrics"].values()
        if "MetricStat" in metric
        for dimension in metric["MetricStat"]["Metric"]["Dimensions"]
    }
    rules = {rule.properties.get("Name", rule.name) for rule in everything.of("Events::Rule")}
    assert watched == rules - {"JobEvents/Rule"}, "that one feeds the dashboard alone"


def test_what_a_config_asks_for_it_can_do_without_again(synthesize: Synthesize, everything: Assembly) -> None:
    # given that CloudFormation does not take away what another stack imports: that other is updated after it
    assert everything.imported("operations")
    least = {resource.name for resource in synthesize({}).resources}
    wanted = {name.split(".")[0] for name in everything.imported("operations")}
    assert wanted - {"Key"} <= least, "a key of one's own stays, the pipeline's stack imports it, too"


@pytest.mark.parametrize("service", ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"])
def test_who_tells_the_topic_is_let_in_for_this_account_alone(everything: Assembly, service: str) -> None:
    (policy,) = [found for found in everything.of("SNS::TopicPolicy") if found.stack == "pipeline"]
    (statement,) = [
        found
        for found in policy.properties["PolicyDocument"]["Statement"]
        if found["Principal"] == {"Service": service}
    ]
    assert statement["Action"] == "sns:Publish"
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    # and may use the topic's key
    (key,) = everything.of("KMS::Key")
    (use,) = [found for found in key.properties["KeyPolicy"]["Statement"] if found["Principal"] == {"Service": service}]
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(use["Action"])
