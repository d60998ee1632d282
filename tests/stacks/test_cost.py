"""What idle costs: that nothing in a template is billed by the hour or the month.

A test can prove that no resource of a kind which AWS bills by the hour is there, and that no machine is kept. That the
kinds listed as free are free is read off AWS's price lists (docs/deploy.md, "What it costs idle").
"""

import pytest

from .conftest import EXAMPLES, Synthesize
from .reading import Assembly

FREE_WHEN_IDLE = {
    "AWS::Batch::ComputeEnvironment",  # with minvCpus 0
    "AWS::Batch::JobDefinition",
    "AWS::Batch::JobQueue",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::VPCEndpoint",  # gateways only, see below
    "AWS::CloudWatch::Alarm",  # ten metrics in each account, see test_operations; only where asked for
    "AWS::CloudWatch::Dashboard",  # three in each account; only where asked for
    "AWS::Budgets::Budget",  # only where asked for
    "AWS::Events::Rule",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Function",  # billed by the call
    "AWS::Logs::LogGroup",  # billed by the byte
    "AWS::Logs::ResourcePolicy",
    "AWS::S3::Bucket",  # billed by the byte and the request
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::StepFunctions::StateMachine",  # billed by the transition
    "Custom::S3AutoDeleteObjects",
}
FREE_UP_TO_A_NUMBER = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Budgets::BudgetsAction"}
"""In each account, whoever uses it up."""
BILLED_BY_THE_HOUR = {"isolated"}
"""Examples that choose to pay: interface endpoints by the hour, a key by the month."""


@pytest.mark.parametrize("example", [name for name in EXAMPLES if name not in BILLED_BY_THE_HOUR])
def test_nothing_is_billed_by_the_hour(assemblies: dict[str, Assembly], example: str) -> None:
    kinds = {resource.kind for resource in assemblies[example].resources}
    assert kinds <= FREE_WHEN_IDLE, kinds - FREE_WHEN_IDLE
    for endpoint in assemblies[example].of("EC2::VPCEndpoint"):
        assert endpoint.properties["VpcEndpointType"] == "Gateway"


def test_a_config_that_asks_for_nothing_pays_for_nothing_however_much_an_account_has(synthesize: Synthesize) -> None:
    kinds = {resource.kind for resource in synthesize({}).resources}
    assert kinds <= FREE_WHEN_IDLE - FREE_UP_TO_A_NUMBER


@pytest.mark.parametrize(
    "kind", ["EC2::NatGateway", "EC2::EIP", "EC2::Instance", "SageMaker::Endpoint", "EFS::FileSystem"]
)
def test_not_even_the_isolated_network_has(assembly: Assembly, kind: str) -> None:
    assert not assembly.of(kind)


def test_the_isolated_example_pays_for_six_endpoints_in_each_zone_and_a_key(assemblies: dict[str, Assembly]) -> None:
    # the figure in docs/deploy.md is this number × the price of an endpoint in a zone
    endpoints = [
        endpoint
        for endpoint in assemblies["isolated"].of("EC2::VPCEndpoint")
        if endpoint.properties["VpcEndpointType"] == "Interface"
    ]
    assert sum(len(endpoint.properties["SubnetIds"]) for endpoint in endpoints) == 6 * 2
    assert len(assemblies["isolated"].of("KMS::Key")) == 1


def test_machines_reach_s3_past_no_gateway_that_bills_by_the_byte(assemblies: dict[str, Assembly]) -> None:
    for example in ("production", "trial", "isolated"):
        gateways = [
            endpoint
            for endpoint in assemblies[example].of("EC2::VPCEndpoint")
            if endpoint.properties["VpcEndpointType"] == "Gateway"
        ]
        assert [gateway.properties["ServiceName"].rsplit(".", 1)[-1] for gateway in gateways] == ["s3"]


def test_logs_are_not_kept_for_ever(assembly: Assembly) -> None:
    groups = assembly.of("Logs::LogGroup")
    assert {group.name for group in groups} >= {"JobLogs", "UpscaleVideo/Logs", "UpscaleBatch/Logs"}
    for group in groups:
        assert group.properties["RetentionInDays"] >= 1


def test_everything_that_can_be_is_tagged_for_the_bill(production: Assembly) -> None:
    for kind in ("S3::Bucket", "Batch::JobQueue", "StepFunctions::StateMachine", "Logs::LogGroup"):
        for resource in production.of(kind):
            tags = resource.properties["Tags"]
            named = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
            assert (named["application"], named["cost-center"]) == ("sr", "video")


def test_machines_carry_the_tags_too(production: Assembly) -> None:
    for environment in production.of("Batch::ComputeEnvironment"):
        assert environment.properties["ComputeResources"]["Tags"]["application"] == "sr"
