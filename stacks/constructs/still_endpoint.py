"""StillEndpoint: a SageMaker endpoint that runs `sr serve`, what it may touch, and how it grows.

It is paid for by the hour, asked or not. Its machines have no way out but to S3, and nothing comes in but what
SageMaker hands them. The image starts as root, as SageMaker wants it, and gives that up at once (decision 0881).
"""

from collections.abc import Mapping, Sequence

import aws_cdk.aws_applicationautoscaling as scaling
import aws_cdk.aws_cloudwatch as cloudwatch
import aws_cdk.aws_ec2 as ec2
import aws_cdk.aws_ecr_assets as ecr_assets
import aws_cdk.aws_iam as iam
import aws_cdk.aws_kms as kms
import aws_cdk.aws_logs as logs
import aws_cdk.aws_sagemaker as sagemaker
from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from constructs import Construct

from sr_core import contract
from stacks import instances
from stacks.config_parts import Realtime
from stacks.constructs.access import OBJECTS, READ, WRITE, BucketArns
from stacks.constructs.findings import ANY_RESOURCE, Right, accept, allow
from stacks.constructs.machine_template import SCRATCH_PATH
from stacks.constructs.network import Network

_TrackingProperty = scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty
_MetricProperty = scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty

VARIANT = "stills"
GPU_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
"""The one with NVIDIA's driver 580, which torch's build for CUDA 13 needs; by default g4dn and g5 get driver 470
(SageMaker API Reference, ProductionVariant, 2026-11)."""
STARTUP_SECONDS = 900
"""From a machine's start to a healthy container: pulling an image of some gigabytes and loading torch."""
REQUESTS_AT_ONCE = 2.0
"""On one machine, on average: one in the network and one behind it. Beyond that another machine is started."""


class StillEndpoint(Construct):
    """The endpoint `name`.

    Attributes:
        arn: of the endpoint.
        log_group_name: where `sr serve` tells of every request.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        realtime: Realtime,
        image: ecr_assets.DockerImageAsset,
        network: Network,
        inputs: Sequence[str],
        outputs: Sequence[str],
        buckets: BucketArns,
        models_uri: str,
        key: kms.IKey | None,
        key_rights: Sequence[Right],
        log_retention: logs.RetentionDays,
    ) -> None:
        """`inputs` and `outputs` are names of the buckets of `buckets`."""
        super().__init__(scope, construct_id)
        self.name = name
        self.log_group_name = f"/aws/sagemaker/Endpoints/{name}"
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=self.log_group_name,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = self._make_role(image, log_group, buckets, key_rights)
        security_group = ec2.SecurityGroup(
            self, "Network", vpc=network.vpc, description="Endpoint: to S3 and nowhere else", allow_all_outbound=False
        )
        # Who routes an address there is S3's gateway alone: the machines have no public address.
        security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3")
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.role.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.image_uri,
                environment={
                    contract.ENV_SERVE: _options(realtime, inputs, outputs),
                    contract.ENV_SCRATCH: SCRATCH_PATH,
                    contract.ENV_MODELS: models_uri,
                    "AWS_DEFAULT_REGION": Stack.of(self).region,
                    "AWS_REGION": Stack.of(self).region,
                },
            ),
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                subnets=network.vpc.select_subnets(subnet_type=network.subnets.subnet_type).subnet_ids,
                security_group_ids=[security_group.security_group_id],
            ),
        )
        # SageMaker tries the role's rights when the model is made.
        model.node.add_dependency(self.role)
        has_gpu = bool(instances.parse(realtime.machine).gpu_memory_gib)
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            # Without a name: every change makes a new one, which CloudFormation could not under the same name.
            kms_key_id=key.key_arn if key else None,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=model.attr_model_name,
                    instance_type=realtime.instance_type,
                    initial_instance_count=realtime.min_instances,
                    initial_variant_weight=1,
                    container_startup_health_check_timeout_in_seconds=STARTUP_SECONDS,
                    inference_ami_version=GPU_AMI if has_gpu else None,
                    routing_config=sagemaker.CfnEndpointConfig.RoutingConfigProperty(
                        routing_strategy="LEAST_OUTSTANDING_REQUESTS"
                    ),
                )
            ],
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            endpoint_config_name=config.attr_endpoint_config_name,
            # An update keeps as many machines as there are.
            retain_all_variant_properties=True,
        )
        endpoint.node.add_dependency(log_group)
        stack = Stack.of(self)
        self.arn = f"arn:{Aws.PARTITION}:sagemaker:{stack.region}:{stack.account}:endpoint/{name}"
        if realtime.max_instances > realtime.min_instances:
            self._scale(endpoint, realtime)

    def metric(self, name: str, *, period: Duration) -> cloudwatch.Metric:
        """A count (SageMaker Developer Guide, "Endpoint invocation metrics")."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self.name, "VariantName": VARIANT},
            statistic="Sum",
            period=period,
        )

    def running(self, *, period: Duration) -> cloudwatch.Metric:
        """How busy its machines are, in percent; there as long as they are, and as long as they are paid for."""
        return cloudwatch.Metric(
            namespace="/aws/sagemaker/Endpoints",
            metric_name="CPUUtilization",
            dimensions_map={"EndpointName": self.name, "VariantName": VARIANT},
            statistic="Average",
            period=period,
        )

    def _make_role(
        self,
        image: ecr_assets.DockerImageAsset,
        log_group: logs.LogGroup,
        buckets: BucketArns,
        key_rights: Sequence[Right],
    ) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description="sr serve: reads stills and weights, writes results, and what SageMaker needs to run it",
        )
        image.repository.grant_pull(role)
        accept(
            role,
            ANY_RESOURCE,
            because="ecr:GetAuthorizationToken, metrics and the describing of networks take no resource",
        )

        def everything(arns: Sequence[str]) -> list[str]:
            return [f"{arn}/*" for arn in arns]

        no_resource = "the action takes no resource that is known before the endpoint runs"
        for right in (
            Right(
                sid="ReadStills",
                actions=[*READ, "s3:GetObjectVersion"],
                resources=everything(buckets.inputs),
                because=OBJECTS,
            ),
            Right(
                sid="PublishStills",
                actions=[*WRITE, *READ],
                resources=everything(buckets.outputs),
                because=OBJECTS,
            ),
            Right(sid="ReadWeights", actions=READ, resources=everything([buckets.models]), because=OBJECTS),
            # Who may not list is told 403 of a missing object.
            Right(
                sid="FindThem",
                actions=["s3:ListBucket"],
                resources=[*buckets.inputs, *buckets.outputs, buckets.models],
            ),
            Right(
                sid="Log",
                actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
            Right(sid="Measure", actions=["cloudwatch:PutMetricData"], resources=["*"], because=no_resource),
            Right(sid="JoinNetwork", actions=_NETWORK_ACTIONS, resources=["*"], because=no_resource),
            *key_rights,
        ):
            allow(role, right)
        return role

    def _scale(self, endpoint: sagemaker.CfnEndpoint, realtime: Realtime) -> None:
        # Not CDK's own target, which comes with a role: the service has one of its own for endpoints.
        target = scaling.CfnScalableTarget(
            self,
            "Machines",
            service_namespace="sagemaker",
            resource_id=f"endpoint/{self.name}/variant/{VARIANT}",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            min_capacity=realtime.min_instances,
            max_capacity=realtime.max_instances,
        )
        target.node.add_dependency(endpoint)
        scaling.CfnScalingPolicy(
            self,
            "AsManyAsAreBusy",
            policy_name=f"{self.name}-as-many-as-are-busy",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_TrackingProperty(
                predefined_metric_specification=_MetricProperty(
                    predefined_metric_type="SageMakerVariantConcurrentRequestsPerModelHighResolution"
                ),
                target_value=REQUESTS_AT_ONCE,
                scale_out_cooldown=300,
                scale_in_cooldown=900,
            ),
        )


_NETWORK_ACTIONS = [
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
]
"""What a model in a network needs (SageMaker Developer Guide, "Give SageMaker hosted endpoints access to resources in
your VPC"; IAM's actions for it are listed under CreateModel)."""


def _options(realtime: Realtime, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The words of `sr serve`, none of which holds a space."""
    given: Mapping[str, Sequence[str]] = {
        contract.FLAG_HOST: ["0.0.0.0"],  # noqa: S104 — SageMaker asks from outside of the container
        contract.FLAG_QUEUE: [str(realtime.queue)],
        contract.FLAG_MAX_BYTES: [str(realtime.max_bytes)],
        contract.FLAG_MODEL: [realtime.model] if realtime.model else [],
        contract.FLAG_INPUT_BUCKET: inputs,
        contract.FLAG_OUTPUT_BUCKET: outputs,
    }
    return " ".join(f"{flag} {value}" for flag, values in given.items() for value in values)
