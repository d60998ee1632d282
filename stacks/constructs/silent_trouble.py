"""SilentTrouble: telling the topic what no workflow can tell: a queue that is stuck, an execution that was cut off.

A workflow announces its own failure, but it must be running to do so. EventBridge publishes for nobody's role, so the
topic's policy, and its key's where it has one, let the service in. Owns the rules and their words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk.aws_events as events
import aws_cdk.aws_events_targets as targets
import aws_cdk.aws_sns as sns
from aws_cdk import Stack
from constructs import Construct

from stacks.constructs import console
from stacks.constructs.asl import State
from stacks.constructs.stop_workflow import WORK_STOPPED

WHY_BLOCKED = (
    "A job at the head of this queue waits for a machine. CAPACITY passes by itself; if it stays, look at the EC2 "
    "quotas of vCPUs (docs/deploy.md, Before the first time). MISCONFIGURATION needs a change of the config."
)
WHY_CUT_OFF = "It was stopped, or broke off where it could not announce it. Started again, it goes on where it stopped."


class SilentTrouble(Construct):
    """Two rules on the default bus. `rules` holds them by name."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        queue_arns: Sequence[str],
        definitions: Mapping[str, State],
    ) -> None:
        """`definitions` holds each state machine's definition by its ARN."""
        super().__init__(scope, construct_id)
        field = events.EventField.from_path
        blocked = _rule(
            self,
            "QueueBlocked",
            topic=topic,
            description="A job cannot be placed and holds up its queue",
            source="aws.batch",
            detail_type="Batch Job Queue Blocked",
            detail={"jobQueue": list(queue_arns)},
            message={
                "event": "Queue blocked",
                "queue": field("$.detail.jobQueue"),
                "job": field("$.detail.jobName"),
                "reason": field("$.detail.statusReason"),
                "look": console.job_queues(Stack.of(self).region),
                "help": WHY_BLOCKED,
            },
        )
        self.rules = {"QueueBlocked": blocked, "CutOff": cut_off(self, topic=topic, definitions=definitions)}


def cut_off(
    scope: Construct, *, topic: sns.ITopic, definitions: Mapping[str, State], why: str = WHY_CUT_OFF
) -> events.Rule:
    """The rule `CutOff`: tells of executions that ended without having announced it.

    `definitions` holds each state machine's definition by its ARN; `why` is what the reader is told to make of it.
    """
    field = events.EventField.from_path
    announced = {name for definition in definitions.values() for name in announced_failures(definition)}
    return _rule(
        scope,
        "CutOff",
        topic=topic,
        description="An execution ended without having announced it",
        source="aws.states",
        detail_type="Step Functions Execution Status Change",
        detail={
            "stateMachineArn": list(definitions),
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
            # What StopWork has stopped, it tells itself, all in one. Not every account of the event shows the field;
            # without it, better told twice than not at all.
            "error": [{"anything-but": sorted({*announced, WORK_STOPPED})}, {"exists": False}],
        },
        message={
            "event": "Execution cut off",
            "execution": field("$.detail.executionArn"),
            "status": field("$.detail.status"),
            "look": console.execution(Stack.of(scope).region, field("$.detail.executionArn")),
            "help": why,
        },
    )


def _rule(
    scope: Construct,
    construct_id: str,
    *,
    topic: sns.ITopic,
    description: str,
    source: str,
    detail_type: str,
    detail: dict[str, Any],
    message: dict[str, str],
) -> events.Rule:
    return events.Rule(
        scope,
        construct_id,
        description=description,
        event_pattern=events.EventPattern(source=[source], detail_type=[detail_type], detail=detail),
        targets=[targets.SnsTopic(topic, message=events.RuleTargetInput.from_object(message))],
    )


def announced_failures(definition: State) -> list[str]:
    """Names under which a definition announces that it failed."""
    return [
        state["Parameters"]["Error"]
        for state in definition["States"].values()
        if state.get("Next") == "AnnounceFailure"
    ]
