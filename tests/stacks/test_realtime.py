"""The endpoint for stills: there where it is asked for, with the rights and the bound that it needs, and no more."""

import json
import re

import pytest
from statelint.linter import Linter

from sr_core.cli.parser import parse
from sr_core.contract import ENV_MODELS, ENV_SCRATCH, ENV_SERVE
from stacks.constructs.still_workflow import FIRST_WAIT_SECONDS, INVOKE_SECONDS, LAST_WAIT_SECONDS

from .choices import EVERYTHING, WITHOUT_GPU
from .conftest import ROOT, Chosen
from .reading import Assembly, Json
from .test_access import DELETE, READ, WRITE, as_list, may

PUBLISHED = {
    "AWS/SageMaker": {"Invocations", "Invocation4XXErrors", "Invocation5XXErrors"},
    "/aws/sagemaker/Endpoints": {"CPUUtilization", "MemoryUtilization", "GPUUtilization"},
}
"""What SageMaker publishes of a variant (Developer Guide, 2026-11)."""
NO_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
}
"""What AWS asks of the role of a model in a network, and what takes no resource."""


@pytest.fixture(scope="session")
def stills(chosen: Chosen) -> Assembly:
    return chosen(EVERYTHING)


@pytest.fixture
def variant(stills: Assembly) -> Json:
    (config,) = stills.of("SageMaker::EndpointConfig")
    (found,) = config.properties["ProductionVariants"]
    return dict(found)


def test_nobody_pays_for_an_endpoint_unasked(assembly: Assembly) -> None:
    assert not [found for found in assembly.resources if found.kind.startswith("AWS::SageMaker::")]


def test_the_server_is_called_with_the_configs_words(stills: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    # given the environment of the container, which is all that SageMaker lets one choose
    (model,) = stills.of("SageMaker::Model")
    environment = model.properties["PrimaryContainer"]["Environment"]
    monkeypatch.setenv(ENV_SERVE, environment[ENV_SERVE])
    # when the program reads it
    options = parse(["serve"])
    # then it listens to whoever is outside, at SageMaker's port, with what may be asked
    assert (options.host, options.port, options.model) == ("0.0.0.0", 8080, "compact-x4")
    assert options.input_bucket == ["Input", "example-archive"]
    assert options.output_bucket == ["Output", "example-delivery"]
    assert (options.queue, options.max_bytes) == (8, 6291456)
    assert environment[ENV_SCRATCH] == "/scratch"
    assert environment[ENV_MODELS] == "s3://Models"


def test_the_machine_is_the_one_that_was_chosen_with_a_driver_for_torch(chosen: Chosen, variant: Json) -> None:
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.g4dn.xlarge", 1)
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    (config,) = chosen(WITHOUT_GPU).of("SageMaker::EndpointConfig")
    (cheap,) = config.properties["ProductionVariants"]
    assert cheap["InstanceType"] == "ml.c5.xlarge"
    assert "InferenceAmiVersion" not in cheap


def test_without_a_gpu_the_image_is_built_without_cuda(chosen: Chosen, stills: Assembly) -> None:
    def arguments(assembly: Assembly) -> object:
        (asset,) = json.loads((assembly.folder / "sr-realtime.assets.json").read_text())["dockerImages"].values()
        return asset["source"].get("dockerBuildArgs")

    assert arguments(stills) is None
    assert arguments(chosen(WITHOUT_GPU)) == {"TORCH_BACKEND": "cpu"}


def test_the_image_is_the_servers_alone(stills: Assembly) -> None:
    (asset,) = json.loads((stills.folder / "sr-realtime.assets.json").read_text())["dockerImages"].values()
    context = stills.folder / asset["source"]["directory"]
    assert [path.parent.name for path in context.glob("containers/*/Dockerfile")] == ["serve"]
    assert (context / "setup.py").is_file()
    assert not list(context.rglob("*.so"))


def test_it_grows_by_what_is_under_way_within_its_bound(chosen: Chosen, stills: Assembly) -> None:
    (target,) = stills.of("ApplicationAutoScaling::ScalableTarget")
    assert (target.properties["MinCapacity"], target.properties["MaxCapacity"]) == (1, 3)
    assert target.properties["ResourceId"] == "endpoint/sr-stills/variant/stills"
    (policy,) = stills.of("ApplicationAutoScaling::ScalingPolicy")
    tracked = policy.properties["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
    assert tracked["PredefinedMetricType"] == "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    # one that may not grow is not scaled at all
    assert not chosen(WITHOUT_GPU).of("ApplicationAutoScaling::ScalableTarget")


def test_its_role_reads_inputs_and_weights_and_writes_outputs(stills: Assembly) -> None:
    statements = stills.statements("Stills/Role")
    table = {
        "Input/a.png": "r",
        "example-archive/a.png": "r",
        "Output/a.png": "rw",
        "example-delivery/a.png": "rw",
        "Models/net.safetensors": "r",
        "Work/jobs/0a1b/plan.json": "",
        "Logs/access/input/1": "",
        "another-bucket/a.png": "",
    }
    for key, cells in table.items():
        arn = f"arn:aws:s3:::{key}"
        granted = "".join(
            letter for letter, action in (("r", READ), ("w", WRITE), ("d", DELETE)) if may(statements, action, arn)
        )
        assert granted == cells, key
    assert all(may(statements, action, "Key") for action in ("kms:Decrypt", "kms:GenerateDataKey"))
    everywhere = {
        action for found in statements if "*" in as_list(found["Resource"]) for action in as_list(found["Action"])
    }
    assert everywhere <= NO_RESOURCE


def test_its_machines_reach_s3_and_nothing_reaches_them(stills: Assembly) -> None:
    (group,) = [found for found in stills.of("EC2::SecurityGroup") if found.stack == "realtime"]
    assert "SecurityGroupIngress" not in group.properties
    assert [(rule["IpProtocol"], rule["ToPort"]) for rule in group.properties["SecurityGroupEgress"]] == [("tcp", 443)]
    (model,) = stills.of("SageMaker::Model")
    assert len(model.properties["VpcConfig"]["Subnets"]) == 5


def test_a_deployment_that_no_longer_names_it_is_refused_while_it_is_there(stills: Assembly) -> None:
    # given that CloudFormation gives up no export that another stack uses
    others = set().union(*(stills.imported(stack) for stack in stills.templates if stack != "realtime"))
    # then there must be one which is there for this stack alone
    assert "Network/Vpc" in stills.imported("realtime") - others


def test_its_cost_can_be_told_by_the_tag(stills: Assembly) -> None:
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        (found,) = stills.of(f"SageMaker::{kind}")
        assert {"Key": "application", "Value": "sr"} in found.properties["Tags"]


def test_the_workflow_is_express_may_ask_this_endpoint_alone_and_is_valid(stills: Assembly) -> None:
    machine = stills.one("StepFunctions::StateMachine", "UpscaleStill/StateMachine").properties
    assert machine["StateMachineType"] == "EXPRESS"
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    definition = stills.definition("UpscaleStill")
    assert Linter.validate(definition) == []
    name = definition["States"]["Upscale"]["Parameters"]["EndpointName"]
    (endpoint,) = stills.of("SageMaker::Endpoint")
    assert name == endpoint.properties["EndpointName"]
    statements = stills.statements("UpscaleStill/StateMachine/Role")
    arn = "arn:aws:sagemaker:us-east-1:111122223333:endpoint"
    assert may(statements, "sagemaker:InvokeEndpoint", f"{arn}/{name}")
    assert not may(statements, "sagemaker:InvokeEndpoint", f"{arn}/another")


def test_all_its_tries_end_before_express_does() -> None:
    waits = [FIRST_WAIT_SECONDS]
    while waits[-1] < LAST_WAIT_SECONDS:
        waits.append(2 * waits[-1])
    assert waits[-1] == LAST_WAIT_SECONDS
    assert (len(waits) + 1) * INVOKE_SECONDS + sum(waits) < 5 * 60


def test_its_alarms_watch_what_sagemaker_publishes_and_their_mails_are_explained(stills: Assembly) -> None:
    found = {alarm.name: alarm.properties for alarm in stills.of("CloudWatch::Alarm") if alarm.stack == "realtime"}
    assert set(found) == {"StillsFail", "EndpointUnused"}
    night = (ROOT / "docs" / "deploy.md").read_text()
    for name, alarm in found.items():
        assert f"| alarm `NAME-{name}` |" in night
        assert re.search(r"Means: .*Do: .*Look: https://", alarm["AlarmDescription"])
        assert alarm["AlarmActions"] == ["Announcements"]
        for metric in alarm["Metrics"]:
            if "MetricStat" in metric:
                watched = metric["MetricStat"]["Metric"]
                assert watched["MetricName"] in PUBLISHED[watched["Namespace"]]
                assert {entry["Value"] for entry in watched["Dimensions"]} == {"sr-stills", "stills"}
        # an endpoint that has just been made has no data yet, and that wakes nobody
        assert alarm["TreatMissingData"] == "notBreaching"
    unused = found["EndpointUnused"]
    assert unused["EvaluationPeriods"] == 24
    (expression,) = [metric["Expression"] for metric in unused["Metrics"] if "Expression" in metric]
    assert expression == "IF(SUM([running * 0, asked]) < 1, 1, 0)"


def test_the_servers_image_starts_as_root_and_gives_that_up_before_anything_else() -> None:
    text = (ROOT / "containers" / "serve" / "Dockerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, flags=re.MULTILINE)
    words = json.loads(entry)
    assert not re.search(r"^USER", text, flags=re.MULTILINE)
    assert words[0] == "setpriv"
    assert words[-2:] == ["--", "sr"]
    assert {"--reuid", "10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all"} <= set(words)
    assert "[inference,serve,zoo]" in text
