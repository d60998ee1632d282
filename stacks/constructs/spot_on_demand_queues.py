"""SpotOnDemandQueues: machines of one kind in both markets, and a queue for each way of asking for them.

    normal queue ────> 1. Spot environment   2. On-Demand environment (capped)      placement
    on-demand queue ─────────────────────────> the same On-Demand environment       after an interruption

Where hundreds of jobs of one video could keep those of all others waiting, they have such a pair of their own, on the
same environments, whose turn comes after the first pair's.

Placement and interruption are two problems: the order in the normal queue answers the first, resubmission to the
On-Demand queue the second. Batch takes the second environment also when the first is full, that is at Spot's cap. Both
draw on one cap, so that it is a cap on everything paid at the full price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import aws_cdk.aws_batch as batch
import aws_cdk.aws_ec2 as ec2
import aws_cdk.aws_iam as iam
from aws_cdk import Duration, Tags
from constructs import Construct

from stacks.constructs.network import Network

_REASONS = batch.JobStateTimeLimitActionsReason
HOPELESS = (_REASONS.COMPUTE_ENVIRONMENT_MAX_RESOURCE, _REASONS.JOB_RESOURCE_REQUIREMENT)
"""Why a job would wait for ever: a cap smaller than the job, no type that fits it."""
NO_MACHINE = _REASONS.INSUFFICIENT_INSTANCE_CAPACITY
"""None to be had in any environment of the queue. It passes, so it moves a job on but never ends one: the On-Demand
queue, after which there is no other, lets its jobs wait (docs/decisions/0830)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most vCPUs that each market may run."""

    spot_vcpus: int
    on_demand_vcpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """One for each way of asking for the same machines."""

    normal: batch.JobQueue
    on_demand: batch.JobQueue


class SpotOnDemandQueues(Construct):
    """Two compute environments and two queues, `queues`; two more with `has_bulk`, `bulk`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        network: Network,
        template: ec2.LaunchTemplate,
        role: iam.IRole,
        instance_types: Sequence[str],
        gpu: bool,
        caps: Caps,
        capacity_wait: Duration,
        has_bulk: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self._network = network
        self._template = template
        self._role = role
        self._types = [ec2.InstanceType(instance_type) for instance_type in instance_types]
        self._image = batch.EcsMachineImageType.ECS_AL2023_NVIDIA if gpu else batch.EcsMachineImageType.ECS_AL2023
        self.spot = self._environment("Spot", spot=True, max_vcpus=caps.spot_vcpus)
        self.on_demand = self._environment("OnDemand", spot=False, max_vcpus=caps.on_demand_vcpus)
        self._wait = capacity_wait
        # Whoever was interrupted goes first: its video has waited longer.
        self.queues = self._pair("", name, normal=5, on_demand=10)
        self.bulk = self._pair("Bulk", f"{name}-bulk", normal=1, on_demand=3) if has_bulk else None
        Tags.of(self).add("pool", name)

    def _environment(self, construct_id: str, *, spot: bool, max_vcpus: int) -> batch.ManagedEc2EcsComputeEnvironment:
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            construct_id,
            vpc=self._network.vpc,
            vpc_subnets=self._network.subnets,
            security_groups=[self._network.security_group],
            instance_types=self._types,
            use_optimal_instance_classes=False,
            images=[batch.EcsMachineImage(image_type=self._image)],
            launch_template=self._template,
            instance_role=self._role,
            spot=spot,
            allocation_strategy=(
                batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
                if spot
                else batch.AllocationStrategy.BEST_FIT_PROGRESSIVE
            ),
            minv_cpus=0,
            maxv_cpus=max_vcpus,
            # Updates in place, letting running jobs finish; both need Batch's service-linked role, the default.
            replace_compute_environment=False,
            terminate_on_update=False,
            update_timeout=Duration.minutes(60),
            update_to_latest_image_version=True,
        )
        # By default Batch would go on with the version that was the template's first, whatever is deployed later.
        cast("batch.CfnComputeEnvironment", environment.node.default_child).add_property_override(
            "ComputeResources.LaunchTemplate.Version", self._template.latest_version_number
        )
        return environment

    def _pair(self, prefix: str, name: str, *, normal: int, on_demand: int) -> Queues:
        """Both ways, with their priorities."""
        both = (self.spot, self.on_demand)
        return Queues(
            normal=self._queue(f"{prefix}Queue", name, both, normal, (NO_MACHINE, *HOPELESS)),
            on_demand=self._queue(
                f"{prefix}OnDemandQueue", f"{name}-on-demand", (self.on_demand,), on_demand, HOPELESS
            ),
        )

    def _queue(
        self,
        construct_id: str,
        name: str,
        environments: Sequence[batch.ManagedEc2EcsComputeEnvironment],
        priority: int,
        limited: Sequence[batch.JobStateTimeLimitActionsReason],
    ) -> batch.JobQueue:
        return batch.JobQueue(
            self,
            construct_id,
            # Named, so that the ARN which the pipeline's stack uses never changes; nothing else would replace a queue.
            job_queue_name=name,
            priority=priority,
            compute_environments=[
                batch.OrderedComputeEnvironment(compute_environment=environment, order=order)
                for order, environment in enumerate(environments, start=1)
            ],
            job_state_time_limit_actions=[
                batch.JobStateTimeLimitAction(max_time=self._wait, reason=reason) for reason in limited
            ],
        )
