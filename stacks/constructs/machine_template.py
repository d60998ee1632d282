"""How every machine starts: metadata service, disks, scratch folder, ECS agent.

Owns the launch templates. Which instance type starts with it, and in which market, is the pools' business.
"""

import aws_cdk.aws_ec2 as ec2
import aws_cdk.aws_iam as iam
from aws_cdk import Aws, Stack
from constructs import Construct

from stacks.constructs.findings import Right, allow

SCRATCH_PATH = "/scratch"
"""The one writable folder of a job, the same on the machine and in the container."""
CACHE_PATH = f"{SCRATCH_PATH}/cache"
"""Weights and sources that the jobs of a machine share, under their digest."""
JOB_USER_ID = 10001
"""The user that every image runs as (containers/*/Dockerfile)."""

BOOT = f"""#!/bin/bash
set -euo pipefail

# A machine that is not ready takes no job: it would fail one after another. One that is off is replaced.
trap 'systemctl mask --now ecs.service || true; shutdown --poweroff now' ERR

# Batch's jobs are standalone ECS tasks, which draining may leave running: the worker polls the metadata service too.
cat >> /etc/ecs/ecs.config <<'EOF'
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=10m
EOF

# NVMe disks where the type has some that hold at least what the gp3 volume has left, else that volume.
install --directory {SCRATCH_PATH}
nvme=$(lsblk --bytes --nodeps --noheadings --output PATH,SIZE,MODEL | awk '/Instance Storage/ {{ print $1, $2 }}')
command -v mdadm > /dev/null || nvme=$(head --lines 1 <<< "$nvme")
nvme_bytes=$(awk '{{ total += $2 }} END {{ printf "%.0f", total }}' <<< "$nvme")
volume_bytes=$(df --block-size 1 --output=avail {SCRATCH_PATH} | tail --lines 1)
if (( nvme_bytes >= volume_bytes )); then
    mapfile -t disks < <(awk '{{ print $1 }}' <<< "$nvme")
    target=${{disks[0]}}
    if (( ${{#disks[@]}} > 1 )); then
        target=/dev/md/scratch
        mdadm --create "$target" --level 0 --raid-devices "${{#disks[@]}}" --run "${{disks[@]}}"
    fi
    mkfs.xfs -f "$target"
    mount --options noatime,nosuid,nodev "$target" {SCRATCH_PATH}
fi
install --directory --mode 0700 --owner {JOB_USER_ID} --group {JOB_USER_ID} {SCRATCH_PATH} {CACHE_PATH}

# What a killed job left behind.
echo 'd {SCRATCH_PATH} 0700 {JOB_USER_ID} {JOB_USER_ID} 1d' > /etc/tmpfiles.d/scratch.conf
"""


GPU_VOLUME_GIB = 60
"""For images only: every GPU type that a config may name has 125 GB or more of NVMe, which holds the scratch files."""
ROOMY_TIMES = 4
"""How much larger the volume is where jobs go that ran out of disk elsewhere."""
MAX_VOLUME_GIB = 16_384
"""Of gp3 (Amazon EBS User Guide)."""


class MachineTemplate(Construct):
    """The launch templates: for CPU machines, for roomy ones and for GPUs; and the role of all that start with them."""

    def __init__(self, scope: Construct, construct_id: str, *, scratch_gib: int, job_log_group_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="Batch machines: register with ECS, pull images, write job logs; jobs have roles of their own",
        )
        self._grant_what_the_agent_needs(job_log_group_arn)
        self.template = self._template("Template", volume_gib=scratch_gib)
        self.roomy_template = self._template("RoomyTemplate", volume_gib=min(ROOMY_TIMES * scratch_gib, MAX_VOLUME_GIB))
        self.gpu_template = self._template("GpuTemplate", volume_gib=GPU_VOLUME_GIB)

    def _template(self, construct_id: str, *, volume_gib: int) -> ec2.LaunchTemplate:
        boot = ec2.MultipartUserData()
        boot.add_part(ec2.MultipartBody.from_user_data(ec2.UserData.custom(BOOT)))
        return ec2.LaunchTemplate(
            self,
            construct_id,
            user_data=boot,
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            # Two hops, because the worker asks from inside a container whether its machine is being reclaimed.
            http_put_response_hop_limit=2,
            http_endpoint=True,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        volume_gib,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                        encrypted=True,
                        delete_on_termination=True,
                    ),
                )
            ],
        )

    def _grant_what_the_agent_needs(self, job_log_group_arn: str) -> None:
        """Less than AmazonEC2ContainerServiceforEC2Role: these rights can be reached from a container."""
        stack = Stack.of(self)
        account = f"{stack.region}:{stack.account}"
        ecs = f"arn:{Aws.PARTITION}:ecs:{account}"
        for right in (
            Right(
                sid="JoinCluster",
                actions=[
                    "ecs:RegisterContainerInstance",
                    "ecs:DeregisterContainerInstance",
                    "ecs:SubmitContainerStateChange",
                    "ecs:SubmitTaskStateChange",
                    "ecs:SubmitAttachmentStateChanges",
                    "ecs:UpdateContainerInstancesState",
                    "ecs:Poll",
                    "ecs:StartTelemetrySession",
                ],
                resources=[f"{ecs}:cluster/*", f"{ecs}:container-instance/*"],
                because="Batch makes the clusters and names them itself",
            ),
            Right(
                sid="CarryTags",
                actions=["ecs:TagResource"],
                resources=[f"{ecs}:container-instance/*"],
                because="a machine gets its id when it joins",
                conditions={"StringEquals": {"ecs:CreateAction": "RegisterContainerInstance"}},
            ),
            Right(
                sid="FindEndpointRegistryAndTags",
                actions=["ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken", "ec2:DescribeTags"],
                resources=["*"],
                because="none of the actions takes a resource",
            ),
            Right(
                sid="PullImages",
                actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"],
                resources=[f"arn:{Aws.PARTITION}:ecr:{account}:repository/cdk-*-container-assets-*"],
                because="cdk bootstrap names the repository after its qualifier, the account and the region",
            ),
            Right(
                sid="WriteJobLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[f"{job_log_group_arn}:*"],
                because="every job has a log stream of its own",
            ),
        ):
            allow(self.role, right)
