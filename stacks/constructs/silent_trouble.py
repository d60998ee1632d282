"""SilentTrouble: telling the topic what no workflow can tell: a queue that is stuck, an execution that was cut off.

A workflow announces its own failure, but it must be running to do so. EventBridge publishes for nobody's role, so the
topic's policy, and its key's where it has one, let the service in. Owns the two rules and their words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk.aws_events as events
import aws_cdk.aws_events_targets as targets
import aws_cdk.aws_sns as sns
from constructs import Construct

from stacks.constructs.asl import State

WHY_BLOCKED = (
    "A job at the head of this queue waits for a machine. CAPACITY passes by itself; if it stays, look at the EC2 "
    "quotas of vCPUs (docs/deploy.md, Before the first time). MISCONFIGURATION needs a change of the config."
)
WHY_CUT_OFF = "It was stopped, or broke off where it could not announce it. Started again, it goes on where it stopped."


class SilentTrouble(Construct):
    """Two rules on the default bus."""

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
        self._topic = topic
        field = events.EventField.from_path
        self._rule(
            "QueueBlocked",
            description="A job cannot be placed and holds up its queue",
            source="aws.batch",
            detail_type="Batch Job Queue Blocked",
            detail={"jobQueue": list(queue_arns)},
            message={
                "event": "Queue blocked",
                "queue": field("$.detail.jobQueue"),
                "job": field("$.detail.jobName"),
                "reason": field("$.detail.statusReason"),
                "help": WHY_BLOCKED,
            },
        )
        announced = sorted({name for definition in definitions.values() for name in announced_failures(definition)})
        self._rule(
            "CutOff",
            description="An execution ended without having announced it",
            source="aws.states",
            detail_type="Step Functions Execution Status Change",
            detail={
                "stateMachineArn": list(definitions),
                "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                # Not every account of the event shows the field; without it, better told twice than not at all.
                "error": [{"anything-but": announced}, {"exists": False}],
            },
            message={
                "event": "Execution cut off",
                "execution": field("$.detail.executionArn"),
                "status": field("$.detail.status"),
                "help": WHY_CUT_OFF,
            },
        )

    def _rule(
        self,
        construct_id: str,
        *,
        description: str,
        source: str,
        detail_type: str,
        detail: dict[str, Any],
        message: dict[str, str],
    ) -> None:
        events.Rule(
            self,
            construct_id,
            description=description,
            event_pattern=events.EventPattern(source=[source], detail_type=[detail_type], detail=detail),
            targets=[targets.SnsTopic(self._topic, message=events.RuleTargetInput.from_object(message))],
        )


def announced_failures(definition: State) -> list[str]:
    """Names under which a definition announces that it failed."""
    return [
        state["Parameters"]["Error"]
        for state in definition["States"].values()
        if state.get("Next") == "AnnounceFailure"
    ]
