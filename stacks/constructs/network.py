"""Where the machines live: a VPC of our own, public or isolated, or one that exists.

public (the default) costs nothing while nothing runs: no NAT gateway, S3 through a gateway endpoint, machines with
public addresses that accept no connection. isolated has no way out, but interface endpoints, which cost by the hour.
"""

from collections.abc import Sequence

import aws_cdk.aws_ec2 as ec2
import aws_cdk.aws_s3 as s3
from constructs import Construct

from stacks.constructs.findings import accept

ENDPOINTS = {
    "Ecs": ec2.InterfaceVpcEndpointAwsService.ECS,
    "EcsAgent": ec2.InterfaceVpcEndpointAwsService.ECS_AGENT,
    "EcsTelemetry": ec2.InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
}
"""What a machine without a way out must reach: the ECS agent's three, ECR's two (layers come from S3), and logs."""


class Network(Construct):
    """A VPC, the subnets for the machines, and their security group, which lets nothing in."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        kind: str,
        cidr: str,
        region: str,
        zones: Sequence[str],
        vpc_id: str | None,
        subnet_ids: Sequence[str],
        flow_log_bucket: s3.IBucket | None,
    ) -> None:
        super().__init__(scope, construct_id)
        if kind == "existing":
            self.vpc: ec2.IVpc = ec2.Vpc.from_vpc_attributes(
                self,
                "Vpc",
                vpc_id=vpc_id or "",
                region=region,
                availability_zones=list(zones),
                public_subnet_ids=list(subnet_ids),
            )
            accept(
                self.vpc,
                "@aws-cdk/aws-ec2:noSubnetRouteTableId",
                because="the routes of an existing network are its owner's business and are not read here",
            )
        else:
            self.vpc = self._own_vpc(kind, cidr, zones, flow_log_bucket)
        self.subnets = ec2.SubnetSelection(
            subnet_type=ec2.SubnetType.PRIVATE_ISOLATED if kind == "isolated" else ec2.SubnetType.PUBLIC
        )
        self.security_group = ec2.SecurityGroup(
            self,
            "Machines",
            vpc=self.vpc,
            description="Batch machines: nothing comes in",
            allow_all_outbound=True,
        )

    def _own_vpc(self, kind: str, cidr: str, zones: Sequence[str], flow_log_bucket: s3.IBucket | None) -> ec2.Vpc:
        isolated = kind == "isolated"
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(zones),
            nat_gateways=0,
            # Restricting it takes a Lambda function, and nothing is ever put into that group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Machines",
                    subnet_type=ec2.SubnetType.PRIVATE_ISOLATED if isolated else ec2.SubnetType.PUBLIC,
                    map_public_ip_on_launch=None if isolated else True,
                )
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        if isolated:
            for name, service in ENDPOINTS.items():
                endpoint = vpc.add_interface_endpoint(name, service=service, private_dns_enabled=True)
                accept(
                    endpoint,
                    "AwsSolutions-EC23",
                    because="The rule cannot read the VPC's address range from a reference; only that range is let in.",
                )
        if flow_log_bucket is not None:
            vpc.add_flow_log(
                "Rejected",
                destination=ec2.FlowLogDestination.to_s3(flow_log_bucket, "flow/"),
                traffic_type=ec2.FlowLogTrafficType.REJECT,
            )
        else:
            accept(
                vpc,
                "AwsSolutions-VPC7",
                because="Flow logs cost by the gigabyte and nothing is let in; network.flow_logs turns them on.",
            )
        return vpc
