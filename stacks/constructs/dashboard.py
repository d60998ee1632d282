"""Dashboard: one page for whoever was woken: what runs, waits, fails, is lost, lies in S3 and costs.

Every metric on it is one that AWS publishes by itself; what Batch publishes none of is asked of its events
(`job_events`). Fewer than fifty metrics, so that the page is among the three that are free (CloudWatch pricing).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk.aws_cloudwatch as cloudwatch
from aws_cdk import Duration
from constructs import Construct

from stacks.constructs import console, job_events
from stacks.constructs.alarms import executions, undelivered

WIDE, HALF, THIRD = 24, 12, 8
HOUR = Duration.hours(1)
BILLING_REGION = "us-east-1"
LAST_ERRORS = (
    "filter @message like /^error: |Traceback|stopped by the Spot notice/",
    "fields @timestamp, @logStream as job, @message as says",
    "sort @timestamp desc",
    "limit 25",
)
"""What the stages said when they gave up (sr_core/cli/main.py)."""
FAILED_EXECUTIONS = (
    "filter type in ['ExecutionFailed', 'ExecutionTimedOut', 'ExecutionAborted']",
    "fields @timestamp, execution_arn, details.error as error, details.cause as cause",
    "sort @timestamp desc",
    "limit 20",
)
"""Of videos, their chunks, batches and uploads: each workflow's log."""
VCPUS = {
    "GPU, Spot": "G/Spot",
    "GPU, On-Demand": "G/OnDemand",
    "CPU, Spot": "Standard/Spot",
    "CPU, On-Demand": "Standard/OnDemand",
}
"""Classes of AWS/Usage (EC2 User Guide, "Usage metrics"), which are those of the quotas."""
STORED = {
    "Input": ("StandardStorage",),
    "Work": ("StandardStorage",),
    "Output": ("IntelligentTieringFAStorage", "IntelligentTieringIAStorage", "IntelligentTieringAIAStorage"),
}
"""Storage types that each bucket's objects come to lie in (S3 User Guide, "Amazon S3 daily storage metrics")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """What the page is about: names of resources."""

    region: str
    state_machines: Mapping[str, str]
    """ARN by name."""
    stop_workflow_arn: str
    buckets: Mapping[str, str]
    """Name by what it is called here: those of `STORED`."""
    rule_names: Mapping[str, str]
    topic_name: str
    workflow_logs: Sequence[str]
    job_log: str
    job_event_log: str
    application: str
    """Value of the tag by which Cost Explorer finds the deployment's cost."""
    alarms: Sequence[cloudwatch.IAlarm]


class Dashboard(Construct):
    """The page."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, subjects: Subjects) -> None:
        super().__init__(scope, construct_id)
        self._about = subjects
        cloudwatch.Dashboard(
            self,
            "Page",
            dashboard_name=name,
            default_interval=Duration.days(1),
            widgets=[
                self._what_to_do(),
                [
                    self._jobs("Jobs under way, by their last change in this page's time", job_events.JOBS_NOW),
                    self._jobs("Waited in a queue", job_events.WAITED),
                ],
                self._executions(),
                [self._vcpus(), self._jobs("Spot or On-Demand: hours by environment", job_events.MARKETS, width=HALF)],
                [self._jobs("Jobs that failed", job_events.FAILED_JOBS, width=WIDE)],
                [
                    self._query("Last errors in the jobs' logs", [subjects.job_log], LAST_ERRORS),
                    self._query("Executions that failed", subjects.workflow_logs, FAILED_EXECUTIONS),
                ],
                [self._undelivered(), self._stored(), self._money()],
            ],
        )

    def _what_to_do(self) -> list[cloudwatch.IWidget]:
        about = self._about
        machines = " · ".join(
            f"[{name}]({console.executions(about.region, arn)})" for name, arn in about.state_machines.items()
        )
        text = (
            f"**{about.application}** in {about.region} — {machines} · [queues]({console.job_queues(about.region)}) · "
            f"[jobs' logs]({console.log_group(about.region, about.job_log)}) · "
            f"[cost](https://{about.region}.console.aws.amazon.com/costmanagement/home#/cost-explorer)\n\n"
            "What a mail means and what to do: docs/deploy.md, *At night*. A video that failed or was stopped goes on "
            "where it stopped when the same execution is started again. **Stop everything now**:\n"
            f"`aws stepfunctions start-execution --state-machine-arn {about.stop_workflow_arn}`"
        )
        shown = cloudwatch.TextWidget(markdown=text, width=WIDE - THIRD if about.alarms else WIDE, height=4)
        if not about.alarms:
            return [shown]
        return [shown, cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(about.alarms), width=THIRD, height=4)]

    def _executions(self) -> list[cloudwatch.IWidget]:
        def count(machine: str, metric: str, label: str) -> cloudwatch.IMetric:
            return executions(metric, self._about.state_machines[machine], period=HOUR).with_(label=label)

        ends = {"Succeeded": "done", "Failed": "failed", "TimedOut": "timed out", "Aborted": "stopped"}
        throttled = [count(name, "ExecutionThrottled", name) for name in self._about.state_machines]
        return [
            self._graph(
                "Videos an hour",
                [
                    count("UpscaleVideo", "ExecutionsStarted", "started"),
                    *(count("UpscaleVideo", f"Executions{end}", label) for end, label in ends.items()),
                ],
            ),
            self._graph(
                "Batches and uploads an hour",
                [
                    count(name, f"Executions{end}", f"{name}: {label}")
                    for name in self._about.state_machines
                    if name != "UpscaleVideo"
                    for end, label in ends.items()
                    if end != "TimedOut"
                ],
            ),
            self._graph("State transitions held back", throttled),
        ]

    def _vcpus(self) -> cloudwatch.IWidget:
        used = {
            f"used{place}": cloudwatch.Metric(
                namespace="AWS/Usage",
                metric_name="ResourceCount",
                dimensions_map={"Service": "EC2", "Type": "Resource", "Resource": "vCPU", "Class": quota_class},
                statistic="Maximum",
                period=Duration.minutes(5),
                label=label,
            )
            for place, (label, quota_class) in enumerate(VCPUS.items())
        }
        quotas = [
            cloudwatch.MathExpression(
                expression=f"SERVICE_QUOTA({key})", using_metrics={key: metric}, label=f"{metric.label}: quota"
            )
            for key, metric in used.items()
        ]
        return self._graph("vCPUs that run, of the whole account in this region", [*used.values(), *quotas], width=HALF)

    def _undelivered(self) -> cloudwatch.IWidget:
        return self._graph(
            "Undelivered: events by rule, messages by topic",
            [
                *(undelivered(rule_name).with_(label=rule) for rule, rule_name in self._about.rule_names.items()),
                cloudwatch.Metric(
                    namespace="AWS/SNS",
                    metric_name="NumberOfNotificationsFailed",
                    dimensions_map={"TopicName": self._about.topic_name},
                    statistic="Sum",
                    period=Duration.minutes(5),
                    label="mails and other messages",
                ),
            ],
        )

    def _stored(self) -> cloudwatch.IWidget:
        return self._graph(
            "Stored, bytes (once a day)",
            [
                cloudwatch.Metric(
                    namespace="AWS/S3",
                    metric_name="BucketSizeBytes",
                    dimensions_map={"BucketName": self._about.buckets[bucket], "StorageType": kind},
                    statistic="Average",
                    period=Duration.days(1),
                    label=f"{bucket.lower()}: {kind.removesuffix('Storage')}",
                )
                for bucket, kinds in STORED.items()
                for kind in kinds
            ],
        )

    def _money(self) -> cloudwatch.IWidget:
        """AWS keeps this metric in one region, for the whole account, and only where billing alerts are turned on."""
        charges = cloudwatch.Metric(
            namespace="AWS/Billing",
            metric_name="EstimatedCharges",
            dimensions_map={"Currency": "USD"},
            statistic="Maximum",
            period=Duration.hours(6),
            region=BILLING_REGION,
        )
        title = "USD this month, whole account (needs billing alerts)"
        return cloudwatch.GraphWidget(title=title, left=[charges], region=BILLING_REGION, width=THIRD)

    def _graph(
        self, title: str, metrics: Sequence[cloudwatch.IMetric], *, width: int = THIRD
    ) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), region=self._about.region, width=width)

    def _jobs(self, title: str, query: Sequence[str], *, width: int = HALF) -> cloudwatch.LogQueryWidget:
        return self._query(title, [self._about.job_event_log], query, width=width)

    def _query(
        self, title: str, logs: Sequence[str], query: Sequence[str], *, width: int = HALF
    ) -> cloudwatch.LogQueryWidget:
        return cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=list(logs),
            query_lines=list(query),
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            region=self._about.region,
            width=width,
        )
