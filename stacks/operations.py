"""OperationsStack: what a person needs at night and what the budget needs: StopWork, alarms, the dashboard, the guard.

StopWork is always there, since it costs nothing until it is used. The rest is there where the config asks for it: the
dashboard, the alarms and the budget's action are free up to a number in each account only.
"""

from collections.abc import Mapping
from typing import Any

import aws_cdk.aws_events as events
from aws_cdk import Aws, CfnOutput, Stack
from constructs import Construct

from stacks.compute import ComputeStack
from stacks.config import DeployConfig
from stacks.config_parts import Budget
from stacks.constructs import console
from stacks.constructs.alarms import Alarms
from stacks.constructs.budget_guard import BUDGETS, BudgetGuard
from stacks.constructs.dashboard import Dashboard, Subjects
from stacks.constructs.findings import Right
from stacks.constructs.job_events import JobEvents
from stacks.constructs.log_retention import RETENTION
from stacks.constructs.silent_trouble import cut_off
from stacks.constructs.stop_workflow import stop_workflow
from stacks.constructs.topic_access import let_publish
from stacks.constructs.workflow import Workflow
from stacks.pipeline import PipelineStack
from stacks.storage import StorageStack

WHY_STOP_WAS_CUT_OFF = "StopWork ended before it was done: money may go on being spent. Start it again."


class OperationsStack(Stack):
    """Everything that watches over the pipeline; nothing in the pipeline depends on it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeployConfig,
        storage: StorageStack,
        compute: ComputeStack,
        pipeline: PipelineStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._config, self._storage, self._compute, self._pipeline = config, storage, compute, pipeline
        self._dashboard_name = f"{config.name}-{config.region}"  # pages are not kept by region
        self._workflows = {
            "UpscaleBatch": pipeline.batch,
            **({"OnUpload": pipeline.upload} if pipeline.upload else {}),
            "UpscaleVideo": pipeline.video,
        }
        """Who starts whom comes before whom it starts. Referred to by name: `OnUpload` may go again."""
        self._rules = dict(pipeline.rules)
        self.stop = self._make_stop_workflow()
        if config.budget:
            self._rules |= _names(self._make_guard(config.budget).rules)
        alarms = self._make_alarms() if config.alarms else None
        if config.dashboard:
            self._make_dashboard(alarms)

    def _make_stop_workflow(self) -> Workflow:
        name = f"{self._config.name}-StopWork"
        topic = self._pipeline.topic
        workflow = Workflow(
            self,
            "StopWork",
            name=name,
            definition=stop_workflow(
                state_machines={name: found.arn_by_name for name, found in self._workflows.items()},
                queues=self._compute.queue_arns(),
                topic=topic.topic_arn,
            ),
            log_retention=RETENTION[self._config.retention.log_days],
        )
        account = f"{self.region}:{self.account}"
        workflow.allow(
            Right(
                sid="ListExecutions",
                actions=["states:ListExecutions"],
                resources=[found.arn_by_name for found in self._workflows.values()],
            ),
            Right(
                sid="StopExecutions",
                actions=["states:StopExecution"],
                resources=[
                    f"arn:{Aws.PARTITION}:states:{account}:execution:{self._config.name}-{found}:*"
                    for found in self._workflows
                ],
                because="names of executions are not known at deploy time",
            ),
            Right(sid="ListJobs", actions=["batch:ListJobs"], resources=["*"], because="the action takes no resource"),
            Right(
                sid="EndJobs",
                actions=["batch:TerminateJob"],
                resources=[f"arn:{Aws.PARTITION}:batch:{account}:job/*"],
                because="Batch gives a job its id when it is submitted",
            ),
            *self._pipeline.announcing(),
            *self._pipeline.key_rights(),
        )
        stopped = {workflow.machine.state_machine_arn: workflow.definition}
        self._rules |= _names(
            {"StopWorkCutOff": cut_off(self, topic=topic, definitions=stopped, why=WHY_STOP_WAS_CUT_OFF)}
        )
        CfnOutput(self, "StopWorkArn", value=workflow.machine.state_machine_arn)
        return workflow

    def _make_guard(self, budget: Budget) -> BudgetGuard:
        let_publish(BUDGETS, self._pipeline.topic, self._storage.key, sid="TellOfBudget")
        return BudgetGuard(
            self,
            "Guard",
            name=self._config.name,
            budget=budget,
            application=self._config.cost_tags["application"],
            topic=self._pipeline.topic,
            # The only role that may: batches and uploads start videos, and these submit the jobs.
            submitters=[self._pipeline.video.machine.role],
            stop_workflow=self.stop.machine,
        )

    def _make_alarms(self) -> Alarms:
        let_publish("cloudwatch.amazonaws.com", self._pipeline.topic, self._storage.key, sid="TellOfAlarms")
        region = self._config.region
        look_at = (
            console.dashboard(region, self._dashboard_name)
            if self._config.dashboard
            else console.executions(region, self._pipeline.video.arn_by_name)
        )
        return Alarms(
            self,
            "Alarms",
            name=self._config.name,
            topic=self._pipeline.topic,
            video_workflow_arn=self._pipeline.video.arn_by_name,
            stop_workflow_arn=self.stop.machine.state_machine_arn,
            rule_names=self._rules,
            look_at=look_at,
        )

    def _make_dashboard(self, alarms: Alarms | None) -> None:
        config, storage = self._config, self._storage
        jobs = JobEvents(
            self,
            "JobEvents",
            name=config.name,
            queue_arns=self._compute.queue_arns(),
            log_retention=RETENTION[config.retention.log_days],
        )
        Dashboard(
            self,
            "Dashboard",
            name=self._dashboard_name,
            subjects=Subjects(
                region=config.region,
                state_machines={name: found.arn_by_name for name, found in self._workflows.items()},
                stop_workflow_arn=self.stop.machine.state_machine_arn,
                buckets={
                    "Input": storage.input.bucket_name,
                    "Work": storage.work.bucket_name,
                    "Output": storage.output.bucket_name,
                },
                rule_names=self._rules | {"JobEvents": jobs.rule.ref},
                topic_name=self._pipeline.topic.topic_name,
                workflow_logs=[found.log_group_name for found in self._workflows.values()],
                job_log=self._compute.job_log_group_name,
                job_event_log=jobs.log_group.log_group_name,
                application=config.name,
                alarms=alarms.all if alarms else (),
            ),
        )
        CfnOutput(self, "DashboardUrl", value=console.dashboard(config.region, self._dashboard_name))


def _names(rules: Mapping[str, events.Rule]) -> dict[str, str]:
    return {name: rule.rule_name for name, rule in rules.items()}
