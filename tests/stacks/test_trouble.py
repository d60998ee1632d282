"""Trouble that no workflow can tell of: it reaches the topic all the same."""

import json
import re
from typing import Any

import pytest

from .reading import Assembly, Json, states


def rule(assembly: Assembly, name: str) -> Json:
    found: Json = assembly.one("Events::Rule", f"SilentTrouble/{name}").properties
    return found


def matches(pattern: Any, value: Any, *, present: bool = True) -> bool:
    """Whether an event fits a pattern, for the matchers that are used here (EventBridge User Guide, event patterns)."""
    if isinstance(pattern, dict):
        return all(matches(inner, value.get(key), present=key in value) for key, inner in pattern.items())
    return any(
        (present is entry["exists"] if "exists" in entry else present and value not in entry["anything-but"])
        if isinstance(entry, dict)
        else value == entry
        for entry in pattern
    )


def blocked(queue: str) -> Json:
    return {"source": "aws.batch", "detail-type": "Batch Job Queue Blocked", "detail": {"jobQueue": queue}}


def ended(status: str, machine: str = "UpscaleVideo/StateMachine", **more: str | None) -> Json:
    detail = {"stateMachineArn": machine, "status": status, **more}
    return {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}


def test_a_blocked_queue_is_told_with_its_reason(assembly: Assembly) -> None:
    pattern = rule(assembly, "QueueBlocked")["EventPattern"]
    for queue in assembly.of("Batch::JobQueue"):
        assert matches(pattern, blocked(queue.name))
    assert not matches(pattern, blocked("another"))
    (target,) = rule(assembly, "QueueBlocked")["Targets"]
    assert "$.detail.statusReason" in target["InputTransformer"]["InputPathsMap"].values()
    template = json.loads(re.sub(r"<(\w|-)+>(?!\")", "0", target["InputTransformer"]["InputTemplate"]))
    assert "quotas" in template["help"]
    assert re.fullmatch(r"https://[\w.-]*console\.aws\.amazon\.com/batch/home\?region=[\w-]+#queues", template["look"])


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (ended("ABORTED"), True),
        (ended("TIMED_OUT", error="States.Timeout"), True),
        (ended("FAILED", error="States.Runtime"), True),
        (ended("FAILED"), True),
        (ended("FAILED", error=None), True),
        (ended("FAILED", "OnUpload/StateMachine", error="States.Runtime"), True),
        (ended("ABORTED", error="WorkStopped"), False),
        (ended("FAILED", error="ChunkFailed"), False),
        (ended("FAILED", "UpscaleBatch/StateMachine", error="BatchFailed"), False),
        (ended("FAILED", "OnUpload/StateMachine", error="SidecarUnreadable"), False),
        (ended("SUCCEEDED"), False),
        (ended("ABORTED", "another"), False),
    ],
)
def test_an_execution_that_was_cut_off_is_told_but_none_is_told_twice(
    production: Assembly, event: Json, told: bool
) -> None:
    assert matches(rule(production, "CutOff")["EventPattern"], event) is told


def test_every_failure_that_a_workflow_announces_is_left_to_it(production: Assembly) -> None:
    left, _ = rule(production, "CutOff")["EventPattern"]["detail"]["error"]
    announced = {
        state["Parameters"]["Error"]
        for machine in ("UpscaleVideo", "UpscaleBatch", "OnUpload")
        for _, state in states(production.definition(machine))
        if state.get("Next") == "AnnounceFailure"
    }
    assert set(left["anything-but"]) == announced | {"WorkStopped"}, "what StopWork stops, it tells itself"


def test_patterns_are_within_eventbridges_limit(assembly: Assembly) -> None:
    # 2,048 characters; the stand-ins for ARNs here are 60 to 90 characters shorter than those
    for name in ("QueueBlocked", "CutOff"):
        pattern = rule(assembly, name)["EventPattern"]
        arns = len(pattern["detail"].get("jobQueue", [])) + len(pattern["detail"].get("stateMachineArn", []))
        assert len(str(pattern)) + 90 * arns < 2_048


def test_eventbridge_may_publish(assembly: Assembly) -> None:
    for name in ("QueueBlocked", "CutOff"):
        assert [target["Arn"] for target in rule(assembly, name)["Targets"]] == ["Announcements"]
    (policy,) = assembly.of("SNS::TopicPolicy")
    allowed = [found for found in policy.properties["PolicyDocument"]["Statement"] if found["Effect"] == "Allow"]
    assert {found["Action"] for found in allowed} == {"sns:Publish"}
    assert {"Service": "events.amazonaws.com"} in [found["Principal"] for found in allowed]
    # and under no key that it may not use: AWS's own for SNS is one
    (topic,) = assembly.of("SNS::Topic")
    keys = assembly.of("KMS::Key")
    assert topic.properties.get("KmsMasterKeyId") == (keys[0].name if keys else None)
    for key in keys:
        (service,) = [
            found
            for found in key.properties["KeyPolicy"]["Statement"]
            if found["Principal"] == {"Service": "events.amazonaws.com"}
        ]
        assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(service["Action"])


def test_a_job_that_timed_out_names_the_quota(production: Assembly) -> None:
    video = dict(states(production.definition("UpscaleVideo")))
    assert "EC2 quota" in video["UpscaleStandardTimedOut"]["Parameters"]["Cause"]


def test_a_mail_of_what_was_cut_off_has_a_link_to_it(production: Assembly) -> None:
    (target,) = rule(production, "CutOff")["Targets"]
    variables = target["InputTransformer"]["InputPathsMap"]
    (name,) = [name for name, path in variables.items() if path == "$.detail.executionArn"]
    page = "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/"
    assert f'"look":"{page}<{name}>"' in target["InputTransformer"]["InputTemplate"]
