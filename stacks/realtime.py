"""RealtimeStack: stills answered at once, by an endpoint that costs by the hour; only where the config asks for it.

The state machine `UpscaleStill` is Express: whoever starts it waits for the result. Going away is a command of its own
(docs/realtime.md, "Turn it off"), since a stack that the config no longer names is not deleted by a deployment.
"""

from pathlib import Path
from typing import Any

import aws_cdk.aws_ecr_assets as ecr_assets
from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from stacks import instances
from stacks.compute import ComputeStack
from stacks.config import DeployConfig
from stacks.config_parts import Realtime
from stacks.constructs import console
from stacks.constructs.alarms import Mails
from stacks.constructs.findings import Right
from stacks.constructs.images import SERVER, WITHOUT_CUDA, image
from stacks.constructs.log_retention import RETENTION
from stacks.constructs.still_endpoint import StillEndpoint
from stacks.constructs.still_workflow import still_workflow
from stacks.constructs.workflow import Workflow
from stacks.pipeline import PipelineStack
from stacks.storage import StorageStack

MANY_FAILED = 5
"""Requests of a quarter of an hour from which on they may be one trouble rather than several."""
UNUSED_HOURS = 24


class RealtimeStack(Stack):
    """The endpoint, and what starts it from S3."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeployConfig,
        realtime: Realtime,
        storage: StorageStack,
        compute: ComputeStack,
        pipeline: PipelineStack,
        root: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        retention = RETENTION[config.retention.log_days]
        self.endpoint = StillEndpoint(
            self,
            "Stills",
            name=f"{config.name}-stills",
            realtime=realtime,
            image=image(
                self,
                "Image",
                root=root,
                name=SERVER,
                platform=ecr_assets.Platform.LINUX_AMD64,
                build_args=None if instances.parse(realtime.machine).gpu_memory_gib else WITHOUT_CUDA,
            ),
            network=compute.network,
            inputs=pipeline.inputs,
            outputs=pipeline.outputs,
            buckets=pipeline.buckets,
            models_uri=f"s3://{storage.models.bucket_name}",
            key=storage.key,
            key_rights=pipeline.key_rights(),
            log_retention=retention,
        )
        self.still = Workflow(
            self,
            "UpscaleStill",
            name=f"{config.name}-UpscaleStill",
            definition=still_workflow(
                endpoint_name=self.endpoint.name, inputs=pipeline.inputs, outputs=pipeline.outputs
            ),
            log_retention=retention,
            express=True,
        )
        self.still.allow(
            Right(sid="Upscale", actions=["sagemaker:InvokeEndpoint"], resources=[self.endpoint.arn]),
        )
        if config.alarms:
            self._make_alarms(config, pipeline)
        CfnOutput(self, "EndpointName", value=self.endpoint.name)
        CfnOutput(self, "UpscaleStillArn", value=self.still.machine.state_machine_arn)

    def _make_alarms(self, config: DeployConfig, pipeline: PipelineStack) -> None:
        look_at = console.log_group(config.region, self.endpoint.log_group_name)
        mails = Mails(scope=self, name=config.name, topic=pipeline.topic, look_at=look_at)
        quarter, hour = Duration.minutes(15), Duration.hours(1)
        mails.alarm(
            "StillsFail",
            f"IF((failed >= {MANY_FAILED}) AND (failed * 2 > asked), 1, 0)",
            {
                "failed": self.endpoint.metric("Invocation5XXErrors", period=quarter),
                "asked": self.endpoint.metric("Invocations", period=quarter),
            },
            says=f"Within a quarter of an hour {MANY_FAILED} or more stills failed, most of those that were asked for. "
            "Means: more come at a time than the endpoint's queue holds (503 in its log), they take too long (504), or "
            "the machine is too small or broken (507, 500). Do: by what the log says, raise max_instances or choose "
            "another instance_type under realtime in the config, then cdk deploy; a machine whose GPU failed is "
            "replaced by SageMaker.",
        )
        mails.alarm(
            "EndpointUnused",
            # Where nobody asks there is no count; a sum passes over it. Where nothing runs there is no alarm.
            "IF(SUM([running * 0, asked]) < 1, 1, 0)",
            {
                "running": self.endpoint.running(period=hour),
                "asked": self.endpoint.metric("Invocations", period=hour),
            },
            periods=UNUSED_HOURS,
            says=f"For {UNUSED_HOURS} hours nobody has asked the endpoint for a still. Means: it costs by the hour all "
            f"the same. Do: if nobody needs it, cdk destroy {config.name}-realtime with the config as it is, then take "
            "realtime out of the config.",
        )
