"""ComputeStack: the network and every kind of machine, none of which runs unless a job waits.

pool         machines                                jobs
cpu          c5, c6 and kin, or Graviton             extract, encode, assemble; upscale by plan
cpu_memory   r5 and kin, or Graviton; more disk      the same when host memory or disk ran out
standard     g4dn (T4)                               upscale
premium      g5, g6 (A10G, L4: 24 GiB)               upscale when GPU memory ran out, or by plan
memory       g4dn.2xlarge (T4, 32 GiB host)          upscale when host memory ran out, or by plan
"""

from typing import Any, get_args

from aws_cdk import ArnFormat, CfnOutput, Duration, Stack
from constructs import Construct

from sr_core.contract import CloudTier
from stacks.config import JOB_MEMORY_MIB, JOB_VCPUS, DeployConfig, PoolName
from stacks.config_parts import Pool
from stacks.constructs.machine_template import MachineTemplate
from stacks.constructs.network import Network
from stacks.constructs.spot_on_demand_queues import Caps, SpotOnDemandQueues
from stacks.constructs.spot_then_on_demand import Machine
from stacks.storage import StorageStack

GPU_POOL_OF: dict[CloudTier, PoolName] = {
    CloudTier.STANDARD: "standard",
    CloudTier.PREMIUM: "premium",
    CloudTier.MEMORY: "memory",
}
"""Of each tier that has a GPU."""


class ComputeStack(Stack):
    """The machines. `machines` says how the pipeline's stack submits to each pool."""

    def __init__(
        self, scope: Construct, construct_id: str, *, config: DeployConfig, storage: StorageStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.job_log_group_name = f"/{config.name}/jobs"
        log_group_arn = self.format_arn(
            service="logs",
            resource="log-group",
            resource_name=self.job_log_group_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.network = Network(
            self,
            "Network",
            kind=config.network.kind,
            cidr=config.network.cidr,
            region=config.region,
            zones=config.zones,
            vpc_id=config.network.vpc_id,
            subnet_ids=config.network.subnet_ids,
            flow_log_bucket=storage.logs if config.network.flow_logs else None,
        )
        machine = MachineTemplate(self, "Machine", scratch_gib=config.scratch_gib, job_log_group_arn=log_group_arn)
        # Who ran out of disk goes where there is more of it, as who ran out of memory does.
        templates = dict.fromkeys(GPU_POOL_OF.values(), machine.gpu_template) | {"cpu_memory": machine.roomy_template}
        self.pools: dict[PoolName, SpotOnDemandQueues] = {}
        for pool in get_args(PoolName):
            chosen: Pool = getattr(config.pools, pool)
            name = f"{config.name}-{pool.replace('_', '-')}"
            self.pools[pool] = SpotOnDemandQueues(
                self,
                "".join(word.capitalize() for word in pool.split("_")),
                name=name,
                network=self.network,
                template=templates.get(pool, machine.template),
                role=machine.role,
                instance_types=config.instance_types(pool),
                gpu=pool in GPU_POOL_OF.values(),
                caps=Caps(spot_vcpus=chosen.max_vcpus, on_demand_vcpus=chosen.on_demand_max_vcpus),
                capacity_wait=Duration.seconds(config.capacity_wait_seconds),
                has_bulk=pool not in GPU_POOL_OF.values(),
            )
            CfnOutput(self, f"{name}-queue".replace("-", ""), value=self.pools[pool].queues.normal.job_queue_arn)

    def machine(self, pool: PoolName, *, is_bulk: bool = False) -> Machine:
        """How a job is submitted to `pool`; one of hundreds of a video lets others go first where there are others."""
        queues = self.pools[pool]
        chosen = queues.bulk if is_bulk and queues.bulk is not None else queues.queues
        return Machine(
            normal_queue=chosen.normal.job_queue_arn,
            on_demand_queue=chosen.on_demand.job_queue_arn,
            vcpus=JOB_VCPUS[pool],
            memory_mib=JOB_MEMORY_MIB[pool],
            gpus=1 if pool in GPU_POOL_OF.values() else 0,
        )

    def queue_arns(self) -> list[str]:
        """Of every queue."""
        pairs = [pair for pool in self.pools.values() for pair in (pool.queues, pool.bulk) if pair is not None]
        return [queue.job_queue_arn for pair in pairs for queue in (pair.normal, pair.on_demand)]
