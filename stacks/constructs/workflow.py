"""Workflow: a state machine made of a definition in data, with its log group and a role that has nothing by default."""

import json
from typing import Any

import aws_cdk.aws_logs as logs
import aws_cdk.aws_stepfunctions as sfn
from aws_cdk import Aws, RemovalPolicy, Stack
from constructs import Construct

from stacks.constructs.findings import ANY_RESOURCE, Right, accept, allow


class Workflow(Construct):
    """A state machine, Standard unless it is `express`. Rights are added by whoever knows what its definition calls.

    `arn_by_name` and `log_group_name` are for another stack: they refer to nothing, so that this workflow can go though
    the other still knows of it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        definition: dict[str, Any],
        log_retention: logs.RetentionDays,
        express: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.definition = definition
        self.arn_by_name = self._arn("states", f"stateMachine:{name}")
        # This start keeps the log's resource policy short, however many state machines there are.
        self.log_group_name = f"/aws/vendedlogs/states/{name}"
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=self.log_group_name,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=name,
            state_machine_type=sfn.StateMachineType.EXPRESS if express else sfn.StateMachineType.STANDARD,
            # Not Stack.to_json_string, which drops nulls: `"ResultPath": null` would become its opposite. References
            # are strings without quotes in them, so they survive inside the JSON text.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            logs=sfn.LogOptions(destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
            tracing_enabled=True,
        )
        accept(self.machine.role, ANY_RESOURCE, because="log delivery, X-Ray and batch:DescribeJobs take no resource")

    def allow(self, *rights: Right) -> None:
        """Adds rights to the role."""
        for right in rights:
            allow(self.machine.role, right)

    def allow_waiting(self, rule: str) -> None:
        """What a `.sync` task needs to hear of the end of what it started: the rule that Step Functions manages."""
        actions = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
        self.allow(Right(sid="HearOfTheEnd", actions=actions, resources=[self._arn("events", f"rule/{rule}")]))

    def allow_running(self, name: str, *, sid: str) -> None:
        """What starting executions of the state machine `name`, following them and stopping them takes.

        By name, since the role of a state machine with a Distributed Map cannot refer to the state machine itself. The
        children of such a map are executions of ``<state machine>/<map run>``.
        """
        execution = self._arn("states", f"execution:{name}")
        self.allow(
            Right(
                sid=f"Start{sid}",
                actions=["states:StartExecution"],
                resources=[self._arn("states", f"stateMachine:{name}")],
            ),
            Right(
                sid=f"Follow{sid}",
                actions=["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
                resources=[f"{execution}:*", f"{execution}/*"],
                because="names of executions are not known at deploy time",
            ),
        )

    def _arn(self, service: str, resource: str) -> str:
        stack = Stack.of(self)
        return f"arn:{Aws.PARTITION}:{service}:{stack.region}:{stack.account}:{resource}"
