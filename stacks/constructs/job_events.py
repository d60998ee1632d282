"""JobEvents: what Batch says of its jobs, kept as a log, and the questions to it.

Batch publishes no metric of a queue. It tells EventBridge each change of a job's state: how long a job has waited, on
which machine it ran and why it failed. Owns the log group, the rule that fills it, and the questions. Costs by the
byte: some 20 KB a job, 0.01 $ for a thousand jobs.
"""

from collections.abc import Sequence

import aws_cdk.aws_events as events
import aws_cdk.aws_iam as iam
import aws_cdk.aws_logs as logs
from aws_cdk import RemovalPolicy, Stack
from constructs import Construct

_QUEUE = "parse detail.jobQueue 'job-queue/*' as queue"

JOBS_NOW = (
    _QUEUE,
    "stats latest(detail.status) as status, latest(@timestamp) as since by detail.jobId, queue",
    "filter status not in ['SUCCEEDED', 'FAILED']",
    "stats count(*) as jobs, min(since) as longest_since by queue, status",
    "sort queue, status",
)
"""What runs and what waits, since when: the last word on each job."""
WAITED = (
    "filter detail.status = 'RUNNING'",
    _QUEUE,
    "fields (detail.startedAt - detail.createdAt) / 60000 as minutes",
    "stats count(*) as started, pct(minutes, 50) as median_minutes, max(minutes) as longest_minutes by queue",
    "sort longest_minutes desc",
)
"""From a job's submission to its start, earlier attempts included."""
MARKETS = (
    "filter detail.status in ['SUCCEEDED', 'FAILED'] and ispresent(detail.startedAt)",
    # Batch names the ECS cluster after the environment: AWSBatch-<environment>-<uuid>
    "parse detail.container.containerInstanceArn 'container-instance/AWSBatch-*/*' as environment, machine",
    "fields (detail.stoppedAt - detail.startedAt) / 3600000 as hours",
    "stats count(*) as jobs, sum(hours) as job_hours by environment",
    "sort job_hours desc",
)
"""Spot or On-Demand, by the name of the environment that a job's last attempt ran in."""
FAILED_JOBS = (
    "filter detail.status = 'FAILED'",
    "fields @timestamp, detail.jobName as job, detail.container.exitCode as exit, detail.container.reason as reason",
    "fields detail.statusReason as status_reason, detail.container.logStreamName as log_stream",
    "sort @timestamp desc",
    "limit 20",
)
"""Jobs that Batch gave up; the workflow may have gone on with them on another machine."""


class JobEvents(Construct):
    """The log group `log_group` and the rule `rule`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        queue_arns: Sequence[str],
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        group_name = f"/aws/events/{name}/jobs"
        self.log_group = logs.LogGroup(
            self, "Logs", log_group_name=group_name, retention=log_retention, removal_policy=RemovalPolicy.DESTROY
        )
        # Not CDK's own target for log groups, for whose policy it deploys a Lambda function.
        self.log_group.add_to_resource_policy(
            iam.PolicyStatement(
                sid="KeepJobEvents",
                principals=[
                    iam.ServicePrincipal("events.amazonaws.com"),
                    iam.ServicePrincipal("delivery.logs.amazonaws.com"),
                ],
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[self.log_group.log_group_arn],
            )
        )
        self.rule = events.CfnRule(
            self,
            "Rule",
            description="Every change of a job's state, for the dashboard",
            event_pattern={
                "source": ["aws.batch"],
                "detail-type": ["Batch Job State Change"],
                "detail": {"jobQueue": list(queue_arns)},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Log", arn=f"arn:{Stack.of(self).partition}:logs:{_place(self)}:log-group:{group_name}"
                )
            ],
        )
        self.rule.node.add_dependency(self.log_group)


def _place(construct: Construct) -> str:
    stack = Stack.of(construct)
    return f"{stack.region}:{stack.account}"
