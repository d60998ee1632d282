"""BatchJob: one stage as a job definition, with a role of its own.

Owns what is the same for every stage: the user, the read-only root, the one writable mount, the retry table, logs. The
command is not here; who submits the job gives it, the very one that a person would type.
"""

from collections.abc import Mapping, Sequence

import aws_cdk.aws_batch as batch
import aws_cdk.aws_ecs as ecs
import aws_cdk.aws_iam as iam
import aws_cdk.aws_logs as logs
from aws_cdk import Duration, Size, Stack
from constructs import Construct

from sr_core import contract
from sr_core.contract import Stage
from stacks.constructs.access import ACCESS, BucketArns, rights
from stacks.constructs.findings import ANY_RESOURCE, Right, accept, allow
from stacks.constructs.machine_template import CACHE_PATH, JOB_USER_ID, SCRATCH_PATH
from stacks.constructs.retries import RETRY_RULES


class BatchJob(Construct):
    """A job definition. `role` is what its process may do; Batch's own part is the definition's execution role."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        image: ecs.ContainerImage,
        vcpus: int,
        memory_mib: int,
        gpus: int,
        attempts: int,
        timeout: Duration,
        buckets: BucketArns,
        key_rights: Sequence[Right],
        environment: Mapping[str, str],
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=f"sr {stage}: only what this stage needs (stacks/constructs/access.py)",
        )
        for right in (*rights(ACCESS[stage], buckets), *key_rights):
            allow(self.role, right)
        container = batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=image,
            cpu=vcpus,
            memory=Size.mebibytes(memory_mib),
            gpu=gpus or None,
            job_role=self.role,
            user=f"{JOB_USER_ID}:{JOB_USER_ID}",
            readonly_root_filesystem=True,
            # An init process passes SIGTERM on and reaps the decoders.
            linux_parameters=batch.LinuxParameters(self, "Linux", init_process_enabled=True),
            volumes=[
                batch.EcsVolume.host(
                    name="scratch", host_path=SCRATCH_PATH, container_path=SCRATCH_PATH, readonly=False
                )
            ],
            environment={
                contract.ENV_SCRATCH: SCRATCH_PATH,
                contract.ENV_CACHE: CACHE_PATH,
                **environment,
                # Without it the SDK asks S3's endpoint in us-east-1 first, which an isolated network cannot reach.
                "AWS_DEFAULT_REGION": Stack.of(self).region,
                "AWS_REGION": Stack.of(self).region,
                "TMPDIR": SCRATCH_PATH,
                "HOME": SCRATCH_PATH,
            },
            logging=ecs.LogDriver.aws_logs(stream_prefix=str(stage), log_group=log_group),
        )
        accept(container, ANY_RESOURCE, because="ecr:GetAuthorizationToken, which pulling an image needs, takes none")
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            container=container,
            retry_attempts=attempts,
            retry_strategies=[rule.for_job_definition() for rule in RETRY_RULES],
            timeout=timeout,
            propagate_tags=True,
            # Executions under way keep the revision that they started with.
            skip_deregister_on_update=True,
        )
