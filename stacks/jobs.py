"""The job definitions of the stages: image, size, rights, and what each is told by its environment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk.aws_logs as logs
from aws_cdk import Duration
from constructs import Construct

from sr_core import contract
from sr_core.contract import Stage
from stacks.compute import ComputeStack
from stacks.config import DeployConfig, PoolName
from stacks.constructs.access import BucketArns
from stacks.constructs.batch_job import BatchJob
from stacks.constructs.findings import Right
from stacks.constructs.images import Images

POOLS: dict[Stage, PoolName] = {
    Stage.EXTRACT: "cpu",
    Stage.UPSCALE: "standard",
    Stage.ENCODE: "cpu",
    Stage.ASSEMBLE: "cpu",
}
"""Where a stage usually runs: what its job definition asks for."""
_ON_CPU: PoolName = "cpu"
"""Where upscale runs without a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageJobs:
    """One for each stage, and upscale's for machines without a GPU: a submission can change how many GPUs a job asks
    for, but not that it asks, and torch for GPUs is several gigabytes that such machines need not fetch."""

    by_stage: Mapping[Stage, BatchJob]
    upscale_on_cpu: BatchJob

    def __iter__(self) -> Iterator[BatchJob]:
        return iter((*self.by_stage.values(), self.upscale_on_cpu))


def stage_jobs(
    scope: Construct,
    *,
    config: DeployConfig,
    compute: ComputeStack,
    buckets: BucketArns,
    key_rights: Sequence[Right],
    models_uri: str,
    log_group: logs.ILogGroup,
    root: Path,
) -> StageJobs:
    """Defines them in `scope`.

    Args:
        scope: the stack of the state machine that submits them.
        config, compute: how large they are, and where they run.
        buckets, key_rights: what they may reach.
        models_uri: where networks that do not ship are looked up.
        log_group: where they write.
        root: the checkout that the images are built from.
    """
    images = Images(scope, "Images", root=root, cpu_architecture=config.cpu_architecture)
    limits = config.media_limits.to_text()
    # Every stage reads media: the source, or what was cut from it.
    common = {contract.ENV_MODELS: models_uri} | ({contract.ENV_LIMITS: limits} if limits else {})

    def job(name: str, stage: Stage, *, pool: PoolName, on_cpu: bool = False, more: Mapping[str, str]) -> BatchJob:
        machine = compute.machine(pool)
        return BatchJob(
            scope,
            name,
            stage=stage,
            image=images.on_cpu(stage) if on_cpu else images.of(stage),
            vcpus=machine.vcpus,
            memory_mib=machine.memory_mib,
            gpus=machine.gpus,
            attempts=config.spot_attempts,
            timeout=Duration.minutes(config.job_timeout_minutes),
            buckets=buckets,
            key_rights=key_rights,
            environment={**common, **more},
            log_group=log_group,
        )

    plans_among = {contract.ENV_TIERS: " ".join(config.tiers)}
    return StageJobs(
        by_stage={
            stage: job(stage.capitalize(), stage, pool=POOLS[stage], more=plans_among if stage == Stage.EXTRACT else {})
            for stage in Stage
        },
        upscale_on_cpu=job("UpscaleOnCpu", Stage.UPSCALE, pool=_ON_CPU, on_cpu=True, more={}),
    )
