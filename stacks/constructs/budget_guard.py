"""BudgetGuard: a month's budget, who is told of it, and, where the config asks for it, what stops the work.

    all of it is spent ─┬─ budget action ────────────> StopNewJobs is attached to the roles that submit jobs
                        └─ topic Reached ─ its count ─> alarm BudgetReached ─ rule ─> StopWork (what runs)

AWS Budgets can neither start a workflow nor be heard by EventBridge; it can publish to a topic, whose count of
messages is a metric, whose alarm is an event. Every link is documented by AWS, and no function of ours runs (decision
0850).
"""

from collections.abc import Sequence

import aws_cdk.aws_budgets as budgets
import aws_cdk.aws_cloudwatch as cloudwatch
import aws_cdk.aws_events as events
import aws_cdk.aws_events_targets as targets
import aws_cdk.aws_iam as iam
import aws_cdk.aws_sns as sns
import aws_cdk.aws_stepfunctions as sfn
from aws_cdk import Aws, CfnOutput, Duration
from constructs import Construct

from stacks.config_parts import Budget
from stacks.constructs.findings import ANY_RESOURCE, Right, accept, allow
from stacks.constructs.topic_access import let_publish

BUDGETS = "budgets.amazonaws.com"
ALL_OF_IT = 100
"""Percent."""


class BudgetGuard(Construct):
    """The budget. `rules` holds the rule that starts `StopWork`, if there is one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        budget: Budget,
        application: str,
        topic: sns.ITopic,
        submitters: Sequence[iam.IRole],
        stop_workflow: sfn.IStateMachine,
    ) -> None:
        """`application` is the value of the tag to count by; `topic` is told; `submitters` are the roles that may
        submit jobs. That Budgets may publish to `topic` is the caller's to grant."""
        super().__init__(scope, construct_id)
        self.rules: dict[str, events.Rule] = {}
        reached = self._stop_what_runs(name, stop_workflow) if budget.stops_work else topic
        self._budget = budgets.CfnBudget(
            self,
            "Budget",
            # Without a name of ours: CloudFormation must replace a budget to change whom it tells of what.
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=budget.monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:application${application}"]},
                # A credit would hide what is spent until it is used up.
                cost_types=budgets.CfnBudget.CostTypesProperty(include_credit=False, include_refund=False),
            ),
            notifications_with_subscribers=[
                _notification("FORECASTED", budget.forecast_percent, topic),
                _notification("ACTUAL", budget.spent_percent, topic),
                _notification("ACTUAL", ALL_OF_IT, reached),
            ],
        )
        # Budgets tries the topic when the budget is made, and the topic's policy is what lets it in.
        self._budget.node.add_dependency(reached)
        if budget.stops_work:
            self._stop_new_jobs(topic, submitters)

    def _stop_new_jobs(self, topic: sns.ITopic, submitters: Sequence[iam.IRole]) -> None:
        deny = iam.ManagedPolicy(
            self,
            "StopNewJobs",
            description="Attached by a budget action when the month's budget is spent: no job starts any more",
            statements=[
                iam.PolicyStatement(
                    sid="BudgetIsSpent", effect=iam.Effect.DENY, actions=["batch:SubmitJob"], resources=["*"]
                )
            ],
        )
        accept(deny, ANY_RESOURCE, because="BudgetIsSpent: it denies, so the wider the better")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                BUDGETS, conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description="AWS Budgets: attaches one policy to the roles that submit jobs, and takes it off again",
        )
        allow(
            role,
            Right(
                sid="AttachStopNewJobs",
                actions=["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
                resources=[submitter.role_arn for submitter in submitters],
                conditions={"ArnEquals": {"iam:PolicyARN": deny.managed_policy_arn}},
            ),
        )
        action = budgets.CfnBudgetsAction(
            self,
            "Action",
            budget_name=self._budget.ref,
            action_type="APPLY_IAM_POLICY",
            approval_model="AUTOMATIC",
            notification_type="ACTUAL",
            action_threshold=budgets.CfnBudgetsAction.ActionThresholdProperty(type="PERCENTAGE", value=ALL_OF_IT),
            definition=budgets.CfnBudgetsAction.DefinitionProperty(
                iam_action_definition=budgets.CfnBudgetsAction.IamActionDefinitionProperty(
                    policy_arn=deny.managed_policy_arn, roles=[submitter.role_name for submitter in submitters]
                )
            ),
            execution_role_arn=role.role_arn,
            subscribers=[budgets.CfnBudgetsAction.SubscriberProperty(type="SNS", address=topic.topic_arn)],
        )
        # Budgets tries the role when the action is made.
        action.node.add_dependency(role)

    def _stop_what_runs(self, name: str, stop_workflow: sfn.IStateMachine) -> sns.Topic:
        """Returns the topic to which a message starts `stop_workflow`."""
        topic = sns.Topic(self, "Reached", display_name=f"{name}: budget", enforce_ssl=True)
        let_publish(BUDGETS, topic, None, sid="BudgetIsSpent")
        CfnOutput(self, "ReachedTopicArn", value=topic.topic_arn)
        alarm = cloudwatch.Metric(
            namespace="AWS/SNS",
            metric_name="NumberOfMessagesPublished",
            dimensions_map={"TopicName": topic.topic_name},
            statistic="Sum",
            period=Duration.minutes(5),
        ).create_alarm(
            self,
            "BudgetReached",
            alarm_name=f"{name}-BudgetReached",
            alarm_description="AWS Budgets says that the month's budget is spent. Means: no job starts any more, and "
            "StopWork stops what runs; it will mail when nothing does. Do: nothing, or go on: docs/deploy.md, When the "
            "work was stopped.",
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.rules["BudgetReached"] = events.Rule(
            self,
            "Stop",
            description="The month's budget is spent: stop what runs",
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                resources=[alarm.alarm_arn],
                detail={"state": {"value": ["ALARM"]}},
            ),
            targets=[targets.SfnStateMachine(stop_workflow)],
        )
        return topic


def _notification(
    kind: str, percent: float, topic: sns.ITopic
) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)],
    )
