"""Alarms: what no single video can tell and no rule does. Each one's description is the mail.

A failed video, an execution that was cut off and a queue that is blocked are told already, by name and with their
cause (`announcements`, `silent_trouble`); an alarm would say it again, and less. Owns the alarms and their words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk.aws_cloudwatch as cloudwatch
import aws_cdk.aws_cloudwatch_actions as actions
import aws_cdk.aws_sns as sns
from aws_cdk import Duration
from constructs import Construct

MANY_FAILED = 5
"""Failed videos of an hour from which on they may be one trouble rather than several."""


class Alarms(Construct):
    """The alarms, in `all`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        topic: sns.ITopic,
        video_workflow_arn: str,
        stop_workflow_arn: str,
        rule_names: Mapping[str, str],
        look_at: str,
    ) -> None:
        """`name` begins the alarms' names; `rule_names` are those of EventBridge by what they are called here;
        `look_at` says where to look."""
        super().__init__(scope, construct_id)
        mails = Mails(scope=self, name=name, topic=topic, look_at=look_at)
        hour = Duration.hours(1)
        self.all = [
            mails.alarm(
                "MostVideosFail",
                # A sum passes over what is missing: there is no count of successes where there was none.
                f"IF((failed >= {MANY_FAILED}) AND (failed * 2 > SUM([failed, done])), 1, 0)",
                {
                    "failed": executions("ExecutionsFailed", video_workflow_arn, period=hour),
                    "done": executions("ExecutionsSucceeded", video_workflow_arn, period=hour),
                },
                says=f"Within an hour {MANY_FAILED} or more videos failed, more than were finished. "
                "Means: one cause for all, as a rule: a deployment, a network, a right, a manifest. "
                "Do: read the causes in the mails Video failed; until it is mended stop the work, so that no "
                f"manifest is spent on it: aws stepfunctions start-execution --state-machine-arn {stop_workflow_arn}. "
                "Then start the same manifest again.",
            ),
            mails.alarm(
                "EventsUndelivered",
                f"SUM([{', '.join(rule_id(rule) for rule in rule_names)}])",
                {rule_id(rule): undelivered(rule_name) for rule, rule_name in rule_names.items()},
                says="EventBridge could not hand on an event. Means: an upload that started nothing (rule Uploaded), a "
                "message that nobody got (QueueBlocked, CutOff), or a budget that is spent and stopped nothing "
                "(BudgetReached); each rule's metric FailedInvocations says which, on the dashboard under Undelivered. "
                "Do: start by hand what was not started, sources without a result or StopWork; see that rule, target "
                "and topic's policy are as deployed: cdk diff, then cdk deploy.",
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class Mails:
    """Makes alarms whose descriptions are mails."""

    scope: Construct
    name: str
    """Begins their names."""
    topic: sns.ITopic
    look_at: str
    """Where to look, at the end of each."""

    def alarm(
        self,
        construct_id: str,
        expression: str,
        metrics: Mapping[str, cloudwatch.Metric],
        *,
        says: str,
        periods: int = 1,
    ) -> cloudwatch.Alarm:
        """One that mails when `expression` is over 0 for so many `periods` of its metrics."""
        alarm = cloudwatch.MathExpression(
            expression=expression,
            using_metrics=dict(metrics),
            period=next(iter(metrics.values())).period,
            label=construct_id,
        ).create_alarm(
            self.scope,
            construct_id,
            alarm_name=f"{self.name}-{construct_id}",
            alarm_description=f"{says} Look: {self.look_at}",
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=0,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        return alarm


def executions(metric_name: str, state_machine_arn: str, *, period: Duration) -> cloudwatch.Metric:
    """A count of executions (Step Functions Developer Guide, "Execution metrics")."""
    return cloudwatch.Metric(
        namespace="AWS/States",
        metric_name=metric_name,
        dimensions_map={"StateMachineArn": state_machine_arn},
        statistic="Sum",
        period=period,
    )


def undelivered(rule_name: str) -> cloudwatch.Metric:
    """Events that a rule could not hand on at last (EventBridge User Guide, "EventBridge metrics")."""
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="FailedInvocations",
        dimensions_map={"RuleName": rule_name},
        statistic="Sum",
        period=Duration.minutes(5),
    )


def rule_id(rule: str) -> str:
    """A metric's id begins with a small letter."""
    return rule[0].lower() + rule[1:]
