"""PipelineStack: images, jobs, state machines, what starts them and whom they tell.

Job definitions live in the stack of the state machine that uses them: their ARN carries a revision, and a value that
another stack imports could not change (docs/decisions/0102).
"""

from pathlib import Path
from typing import Any

import aws_cdk.aws_events as events
import aws_cdk.aws_events_targets as targets
import aws_cdk.aws_logs as logs
import aws_cdk.aws_sns as sns
import aws_cdk.aws_sns_subscriptions as subscriptions
from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from constructs import Construct

from sr_core.contract import StackOutput
from stacks.compute import GPU_POOL_OF, ComputeStack
from stacks.config import DeployConfig
from stacks.constructs.accept_states import Limits, Places
from stacks.constructs.access import OBJECTS, READ, WORKFLOW_ACCESS, WRITE, BucketArns, rights
from stacks.constructs.batch_workflow import RESULTS_PREFIX, batch_workflow
from stacks.constructs.chunk_workflow import Jobs, Machines
from stacks.constructs.findings import Right
from stacks.constructs.log_retention import RETENTION
from stacks.constructs.silent_trouble import SilentTrouble
from stacks.constructs.upload_workflow import SIDECAR_SUFFIX, upload_workflow
from stacks.constructs.video_workflow import video_workflow
from stacks.constructs.workflow import Workflow
from stacks.jobs import StageJobs, stage_jobs
from stacks.storage import StorageStack


class PipelineStack(Stack):
    """Everything that runs a video."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeployConfig,
        storage: StorageStack,
        compute: ComputeStack,
        root: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._config, self._storage, self._compute, self._root = config, storage, compute, root
        self._retention = RETENTION[config.retention.log_days]
        self.inputs = [storage.export_value(storage.input.bucket_name), *config.allowed_input_buckets]
        self.outputs = [storage.export_value(storage.output.bucket_name), *config.allowed_output_buckets]
        self.buckets = BucketArns(
            work=storage.export_value(storage.work.bucket_arn),
            models=storage.export_value(storage.models.bucket_arn),
            inputs=[_bucket_arn(name) for name in self.inputs],
            outputs=[_bucket_arn(name) for name in self.outputs],
        )
        self.jobs = self._make_jobs()
        self.topic = self._make_topic()
        self.video = self._make_video_workflow()
        self.batch = self._make_batch_workflow()
        self.rules: dict[str, str] = {}
        """Names of those on which a start or a message hangs, by what they are called here."""
        self.upload = self._start_on_upload() if config.upload_trigger else None
        workflows = [self.video, self.batch, *([self.upload] if self.upload else [])]
        trouble = SilentTrouble(
            self,
            "SilentTrouble",
            topic=self.topic,
            queue_arns=compute.queue_arns(),
            definitions={workflow.machine.state_machine_arn: workflow.definition for workflow in workflows},
        )
        self.rules |= {name: rule.rule_name for name, rule in trouble.rules.items()}

    def key_rights(self) -> list[Right]:
        """What it takes to read and write under the deployment's key, where it has one."""
        if self._storage.key is None:
            return []
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        return [Right(sid="UseKey", actions=actions, resources=[self._storage.key.key_arn])]

    def _make_jobs(self) -> StageJobs:
        log_group = logs.LogGroup(
            self,
            "JobLogs",
            log_group_name=self._compute.job_log_group_name,
            retention=self._retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        return stage_jobs(
            self,
            config=self._config,
            compute=self._compute,
            buckets=self.buckets,
            key_rights=self.key_rights(),
            models_uri=f"s3://{self._storage.models.bucket_name}",
            log_group=log_group,
            root=self._root,
        )

    def _make_topic(self) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Announcements",
            display_name=f"{self._config.name}: videos",
            enforce_ssl=True,
            # Never alias/aws/sns: EventBridge may not use that key, and its messages would be lost without a word.
            master_key=self._storage.key,
        )
        if self._config.notify_email:
            topic.add_subscription(subscriptions.EmailSubscription(self._config.notify_email))
        CfnOutput(self, "TopicArn", value=topic.topic_arn)
        return topic

    def _make_video_workflow(self) -> Workflow:
        name = f"{self._config.name}-UpscaleVideo"
        gpu = {tier: self._compute.machine(pool) for tier, pool in GPU_POOL_OF.items()}
        jobs = Jobs(
            prefix=self._config.name,
            definitions={stage: job.definition.job_definition_arn for stage, job in self.jobs.by_stage.items()},
            upscale_on_cpu=self.jobs.upscale_on_cpu.definition.job_definition_arn,
            machines=Machines(
                cpu=self._compute.machine("cpu"),
                cpu_memory=self._compute.machine("cpu_memory"),
                bulk_cpu=self._compute.machine("cpu", is_bulk=True),
                bulk_cpu_memory=self._compute.machine("cpu_memory", is_bulk=True),
                gpu=gpu,
            ),
            queue_seconds=self._config.queue_hours * 3600,
        )
        places = Places(
            work=self._storage.work.bucket_name,
            inputs=self.inputs,
            outputs=self.outputs,
            topic=self.topic.topic_arn,
        )
        limits = Limits(spot_attempts=self._config.spot_attempts, chunk_concurrency=self._config.chunk_concurrency)
        workflow = Workflow(
            self,
            "UpscaleVideo",
            name=name,
            definition=video_workflow(jobs, places, limits),
            log_retention=self._retention,
        )
        self._allow_jobs(workflow)
        workflow.allow(
            *rights(WORKFLOW_ACCESS, self.buckets),
            *self.key_rights(),
            *self.announcing(),
        )
        # The Distributed Map starts its children as executions of the very same state machine.
        workflow.allow_running(name, sid="Chunks")
        CfnOutput(self, StackOutput.VIDEO_WORKFLOW, value=workflow.machine.state_machine_arn)
        CfnOutput(self, StackOutput.TIERS, value=" ".join(self._config.tiers))
        return workflow

    def announcing(self) -> list[Right]:
        """What a workflow needs to tell the topic and the bus."""
        bus = self._arn("events", "event-bus/default")
        return [
            Right(sid="Announce", actions=["sns:Publish"], resources=[self.topic.topic_arn]),
            Right(sid="AnnounceOnBus", actions=["events:PutEvents"], resources=[bus]),
        ]

    def _allow_jobs(self, workflow: Workflow) -> None:
        """Submitting, and ending what was submitted: else an aborted execution leaves jobs that go on costing money."""
        queues = self._compute.queue_arns()
        definitions = [job.definition.job_definition_arn for job in self.jobs]
        running = self._arn("batch", "job/*")
        ids = "Batch gives a job its id when it is submitted"
        workflow.allow(
            # Together, since a role's own policies have room for 10,240 characters.
            Right(
                sid="SubmitJobs", actions=["batch:SubmitJob", "batch:TagResource"], resources=[*queues, *definitions]
            ),
            Right(
                sid="EndJobs",
                actions=["batch:TerminateJob", "batch:CancelJob", "batch:TagResource"],
                resources=[running],
                because=ids,
            ),
            Right(
                sid="SeeJobs",
                actions=["batch:DescribeJobs"],
                resources=["*"],
                because="the action takes no resource",
            ),
        )
        workflow.allow_waiting("StepFunctionsGetEventsForBatchJobsRule")

    def _make_batch_workflow(self) -> Workflow:
        name = f"{self._config.name}-UpscaleBatch"
        workflow = Workflow(
            self,
            "UpscaleBatch",
            name=name,
            definition=batch_workflow(
                video_workflow_arn=self.video.machine.state_machine_arn,
                work_bucket=self._storage.work.bucket_name,
                concurrency=self._config.batch_concurrency,
                topic=self.topic.topic_arn,
            ),
            log_retention=self._retention,
        )
        workflow.allow(
            Right(
                sid="ReadManifest",
                actions=READ,
                resources=[f"{arn}/*" for arn in self.buckets.inputs],
                because=OBJECTS,
            ),
            Right(
                sid="WriteResults",
                actions=[*WRITE, "s3:ListMultipartUploadParts", *READ],
                resources=[f"{self.buckets.work}/{RESULTS_PREFIX}*"],
                because="every execution writes into a folder of its own",
            ),
            Right(
                sid="CountFailed",
                actions=["s3:ListBucket"],
                resources=[self.buckets.work],
                conditions={"StringLike": {"s3:prefix": [f"{RESULTS_PREFIX}*"]}},
            ),
            *self.announcing(),
            *self.key_rights(),
        )
        workflow.allow_running(name, sid="Entries")
        workflow.allow_running(f"{self._config.name}-UpscaleVideo", sid="Videos")
        workflow.allow_waiting("StepFunctionsGetEventsForStepFunctionsExecutionRule")
        CfnOutput(self, "UpscaleBatchArn", value=workflow.machine.state_machine_arn)
        return workflow

    def _start_on_upload(self) -> Workflow:
        video_arn = self.video.machine.state_machine_arn
        workflow = Workflow(
            self,
            "OnUpload",
            name=f"{self._config.name}-OnUpload",
            definition=upload_workflow(video_workflow_arn=video_arn, topic=self.topic.topic_arn),
            log_retention=self._retention,
        )
        bucket = self.buckets.inputs[0]
        workflow.allow(
            Right(sid="ReadSidecar", actions=READ, resources=[f"{bucket}/*{SIDECAR_SUFFIX}"], because=OBJECTS),
            Right(sid="LookForSidecar", actions=["s3:ListBucket"], resources=[bucket]),
            Right(sid="StartVideo", actions=["states:StartExecution"], resources=[video_arn]),
            *self.announcing(),
            *self.key_rights(),
        )
        # Named, since it may go, and what another stack refers to otherwise could not.
        self.rules["Uploaded"] = f"{self._config.name}-Uploaded"
        events.Rule(
            self,
            "Uploaded",
            rule_name=self.rules["Uploaded"],
            description="A video was put into the input bucket",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self._storage.input.bucket_name]},
                    "object": {
                        "key": [{"suffix": {"equals-ignore-case": suffix}} for suffix in self._config.upload_suffixes]
                    },
                },
            ),
            targets=[targets.SfnStateMachine(workflow.machine, retry_attempts=3, max_event_age=Duration.hours(1))],
        )
        return workflow

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{self.region}:{self.account}:{resource}"


def _bucket_arn(name: str) -> str:
    return f"arn:{Aws.PARTITION}:s3:::{name}"
