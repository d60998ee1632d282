"""StorageStack: buckets, their lifecycle and their key. Alone, because it holds what must survive everything else.

input   sources; Transfer Acceleration; tells EventBridge of uploads
work    job folders, which expire
output  results; versioned; Intelligent-Tiering
models  network weights, pinned by their digest
logs    who touched the others
"""

from pathlib import Path
from typing import Any, cast

import aws_cdk.aws_kms as kms
import aws_cdk.aws_logs as logs
import aws_cdk.aws_s3 as s3
import aws_cdk.aws_s3_deployment as deployment
from aws_cdk import CfnOutput, DefaultStackSynthesizer, Duration, RemovalPolicy, Stack
from constructs import Construct

from sr_core import contract
from sr_core.contract import StackOutput
from stacks.config import DeployConfig
from stacks.constructs.batch_workflow import RESULTS_PREFIX
from stacks.constructs.findings import accept, flatten
from stacks.constructs.log_retention import RETENTION

BASIC_LAMBDA = (
    "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]"
)
UPLOAD_FUNCTION_FINDINGS = (
    BASIC_LAMBDA,
    "AwsSolutions-L1",
    *(
        f"AwsSolutions-IAM5[Action::s3:{actions}]"
        for actions in ("GetBucket*", "GetObject*", "List*", "Abort*", "DeleteObject*")
    ),
    *(f"AwsSolutions-IAM5[Action::kms:{actions}]" for actions in ("GenerateDataKey*", "ReEncrypt*")),
)
"""What cdk-nag says of the function that CDK makes for BucketDeployment, but for the two resources in its policy."""


class StorageStack(Stack):
    """The buckets. `key` is None unless the config asks for KMS."""

    def __init__(self, scope: Construct, construct_id: str, *, config: DeployConfig, root: Path, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._config = config
        self._keep = config.retention.keep_data
        retention = config.retention
        self.key = self._make_key() if config.encryption == "kms" else None
        self.logs = self._bucket(
            "Logs",
            logged=False,
            lifecycle=[s3.LifecycleRule(id="expire", expiration=Duration.days(retention.access_log_days))],
        )
        accept(
            self.logs, "AwsSolutions-S1", because="This bucket holds the access logs; logging itself would never end."
        )
        self.input = self._bucket("Input", transfer_acceleration=True)
        # Not `event_bridge_enabled`, for which CDK deploys a Lambda function: CloudFormation can do it alone.
        cast(
            "s3.CfnBucket", self.input.node.default_child
        ).notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        self.work = self._bucket(
            "Work",
            lifecycle=[
                s3.LifecycleRule(
                    id="expire-job-folders",
                    prefix=contract.JOBS_PREFIX,
                    expiration=Duration.days(retention.job_folder_days),
                ),
                s3.LifecycleRule(
                    id="expire-batch-results",
                    prefix=RESULTS_PREFIX,
                    expiration=Duration.days(retention.job_folder_days),
                ),
            ],
        )
        self.output = self._bucket(
            "Output",
            versioned=True,
            lifecycle=[
                s3.LifecycleRule(
                    id="tier-and-forget-old-versions",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=Duration.days(0)
                        )
                    ],
                    noncurrent_version_expiration=Duration.days(retention.old_output_days),
                    expired_object_delete_marker=True,
                )
            ],
        )
        self.models = self._bucket("Models", versioned=True)
        self._put_weights(root)
        if not self._keep:
            accept(self, BASIC_LAMBDA, because="CDK's function that empties a bucket before it is deleted")
        for name in ("input", "work", "output", "models"):
            CfnOutput(self, f"{name.capitalize()}BucketName", value=getattr(self, name).bucket_name)
        addresses = {
            StackOutput.INPUTS: [self.input.bucket_name, *config.allowed_input_buckets],
            StackOutput.OUTPUTS: [self.output.bucket_name, *config.allowed_output_buckets],
            StackOutput.MODELS: [self.models.bucket_name],
        }
        for output, buckets in addresses.items():
            CfnOutput(self, output, value=" ".join(f"s3://{bucket}" for bucket in buckets))

    def _make_key(self) -> kms.Key:
        return kms.Key(
            self,
            "Key",
            description=f"{self._config.name}: everything stored",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if self._keep else RemovalPolicy.DESTROY,
        )

    def _bucket(
        self, construct_id: str, *, lifecycle: list[s3.LifecycleRule] | None = None, logged: bool = True, **props: Any
    ) -> s3.Bucket:
        """A private bucket. What log delivery writes, it cannot write under a key of ours: that one stays SSE-S3."""
        own_key = self.key if logged else None
        return s3.Bucket(
            self,
            construct_id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.KMS if own_key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=own_key,
            bucket_key_enabled=True if own_key else None,
            server_access_logs_bucket=self.logs if logged else None,
            server_access_logs_prefix=f"access/{construct_id.lower()}/" if logged else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="abort-stale-uploads",
                    abort_incomplete_multipart_upload_after=Duration.days(self._config.retention.stale_upload_days),
                ),
                *(lifecycle or []),
            ],
            removal_policy=RemovalPolicy.RETAIN if self._keep else RemovalPolicy.DESTROY,
            auto_delete_objects=not self._keep,
            **props,
        )

    def _put_weights(self, root: Path) -> None:
        """Uploads the configured weights under their names, each with its sha256, which `load_config` has checked."""
        if not self._config.weights:
            return
        log_group = logs.LogGroup(
            self,
            "WeightsLogs",
            retention=RETENTION[self._config.retention.log_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        for weights in self._config.weights:
            folder = str((root / weights.path).parent)
            deployment.BucketDeployment(
                self,
                f"Weights-{weights.path.name}",
                sources=[deployment.Source.asset(folder, exclude=["*", f"!{weights.path.name}"])],
                destination_bucket=self.models,
                prune=False,
                retain_on_delete=True,
                memory_limit=1024,
                metadata={"sha256": weights.sha256},
                log_group=log_group,
            )
        qualifier = DefaultStackSynthesizer.DEFAULT_QUALIFIER
        assets = f"arn:{self.partition}:s3:::cdk-{qualifier}-assets-{self.account}-{self.region}"
        resources = (
            f"AwsSolutions-IAM5[Resource::{flatten(self.resolve(arn))}/*]" for arn in (assets, self.models.bucket_arn)
        )
        for finding in (*UPLOAD_FUNCTION_FINDINGS, *resources):
            accept(self, finding, because="CDK's upload function runs at deploy time only, with the role CDK gives it")
