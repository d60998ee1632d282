"""Letting a service of AWS publish to the topic: its policy, and its key's where it has one."""

import aws_cdk.aws_iam as iam
import aws_cdk.aws_kms as kms
import aws_cdk.aws_sns as sns
from aws_cdk import Aws


def let_publish(service: str, topic: sns.ITopic, key: kms.IKey | None, *, sid: str) -> None:
    """Grants it to `service`, ``cloudwatch.amazonaws.com`` say, when it acts for this account.

    The statements lie in the stacks that own topic and key, so they name nothing of the caller's.
    """
    principal = iam.ServicePrincipal(service)
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            principals=[principal],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
    if key is not None:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid, principals=[principal], actions=["kms:Decrypt", "kms:GenerateDataKey*"], resources=["*"]
            )
        )
