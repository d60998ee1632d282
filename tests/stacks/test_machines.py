"""The machines: both markets for every tier, and how each starts."""

import pytest

from stacks import instances
from stacks.config import JOB_MEMORY_MIB, JOB_VCPUS, load_config

from .conftest import EXAMPLES, ROOT
from .reading import Assembly, Json

POOLS = ("Cpu", "CpuMemory", "Standard", "Premium", "Memory")
CPU_POOLS = ("Cpu", "CpuMemory")
GPU_POOLS = ("Standard", "Premium", "Memory")


def environment(assembly: Assembly, pool: str, market: str) -> Json:
    found: Json = assembly.one("Batch::ComputeEnvironment", f"{pool}/{market}").properties
    return found


@pytest.mark.parametrize("pool", POOLS)
def test_every_tier_can_be_bought_both_ways(assembly: Assembly, pool: str) -> None:
    spot, on_demand = environment(assembly, pool, "Spot"), environment(assembly, pool, "OnDemand")
    assert spot["ComputeResources"]["Type"] == "SPOT"
    assert spot["ComputeResources"]["AllocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
    assert on_demand["ComputeResources"]["Type"] == "EC2"
    assert on_demand["ComputeResources"]["AllocationStrategy"] == "BEST_FIT_PROGRESSIVE"
    assert spot["ComputeResources"]["InstanceTypes"] == on_demand["ComputeResources"]["InstanceTypes"]


@pytest.mark.parametrize("pool", POOLS)
def test_the_normal_queue_is_spot_first_and_the_other_on_demand_only(assembly: Assembly, pool: str) -> None:
    def order(queue: str) -> list[str]:
        found = assembly.one("Batch::JobQueue", f"{pool}/{queue}").properties["ComputeEnvironmentOrder"]
        return [entry["ComputeEnvironment"] for entry in sorted(found, key=lambda entry: entry["Order"])]

    assert order("Queue") == [f"{pool}/Spot", f"{pool}/OnDemand"]
    assert order("OnDemandQueue") == [f"{pool}/OnDemand"]


@pytest.mark.parametrize("pool", CPU_POOLS)
def test_where_all_stages_run_a_videos_hundreds_of_chunks_let_other_videos_go_first(
    assembly: Assembly, pool: str
) -> None:
    queues = {
        name: assembly.one("Batch::JobQueue", f"{pool}/{name}").properties
        for name in ("OnDemandQueue", "Queue", "BulkOnDemandQueue", "BulkQueue")
    }
    # on the same machines
    assert queues["BulkQueue"]["ComputeEnvironmentOrder"] == queues["Queue"]["ComputeEnvironmentOrder"]
    assert queues["BulkOnDemandQueue"]["ComputeEnvironmentOrder"] == queues["OnDemandQueue"]["ComputeEnvironmentOrder"]
    # the later in this order the later their turn; whoever was interrupted goes before whoever was not
    priorities = [queue["Priority"] for queue in queues.values()]
    assert priorities == sorted(set(priorities), reverse=True)


def test_nothing_runs_when_no_job_waits(assembly: Assembly) -> None:
    for found in assembly.of("Batch::ComputeEnvironment"):
        assert found.properties["ComputeResources"]["MinvCpus"] == 0
        assert found.properties["ComputeResources"].get("DesiredvCpus", 0) == 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_caps_and_types_are_those_of_the_config(assemblies: dict[str, Assembly], example: str) -> None:
    config = load_config(f"config/{example}.yaml", root=ROOT)
    for pool in ("cpu", "cpu_memory", "standard", "premium", "memory"):
        chosen = getattr(config.pools, pool)
        construct = "".join(word.capitalize() for word in pool.split("_"))
        spot = environment(assemblies[example], construct, "Spot")["ComputeResources"]
        on_demand = environment(assemblies[example], construct, "OnDemand")["ComputeResources"]
        assert (spot["MaxvCpus"], on_demand["MaxvCpus"]) == (chosen.max_vcpus, chosen.on_demand_max_vcpus)
        assert spot["InstanceTypes"] == list(config.instance_types(pool))


def test_types_are_diversified_over_all_zones_of_the_config(production: Assembly) -> None:
    zones = load_config("config/production.yaml", root=ROOT).zones
    for found in production.of("Batch::ComputeEnvironment"):
        resources = found.properties["ComputeResources"]
        assert len(resources["InstanceTypes"]) >= 2
        assert len(resources["Subnets"]) == len(zones) >= 3
    assert {subnet.properties["AvailabilityZone"] for subnet in production.of("EC2::Subnet")} == set(zones)


def test_no_type_but_those_chosen(assembly: Assembly) -> None:
    # CDK adds `optimal` to every environment, GPU ones included, unless told not to
    for found in assembly.of("Batch::ComputeEnvironment"):
        for name in found.properties["ComputeResources"]["InstanceTypes"]:
            assert instances.parse(name).name == name


@pytest.mark.parametrize("pool", POOLS)
def test_images_are_amazon_linux_2023_with_drivers_where_there_is_a_gpu(assembly: Assembly, pool: str) -> None:
    expected = "ECS_AL2023_NVIDIA" if pool in GPU_POOLS else "ECS_AL2023"
    for market in ("Spot", "OnDemand"):
        configuration = environment(assembly, pool, market)["ComputeResources"]["Ec2Configuration"]
        assert [entry["ImageType"] for entry in configuration] == [expected]


def test_premium_has_more_gpu_memory_and_memory_more_host_memory(production: Assembly) -> None:
    def types(pool: str) -> list[instances.InstanceType]:
        return [instances.parse(n) for n in environment(production, pool, "Spot")["ComputeResources"]["InstanceTypes"]]

    standard_gpu = {found.gpu_memory_gib for found in types("Standard")}
    assert all(found.gpu_memory_gib > max(standard_gpu) for found in types("Premium"))
    assert min(found.memory_mib for found in types("Memory")) > min(found.memory_mib for found in types("Standard"))
    assert min(found.memory_mib for found in types("CpuMemory")) > max(found.memory_mib for found in types("Cpu"))


def test_graviton_is_used_where_it_is_asked_for_and_nowhere_else(assemblies: dict[str, Assembly]) -> None:
    isolated = assemblies["isolated"]
    for pool, expected in {**dict.fromkeys(POOLS, "x86_64"), "Cpu": "arm64", "CpuMemory": "arm64"}.items():
        names = environment(isolated, pool, "Spot")["ComputeResources"]["InstanceTypes"]
        assert {instances.parse(name).architecture for name in names} == {expected}


def test_a_job_fits_on_every_type_of_its_pool(assembly: Assembly) -> None:
    # a job that asks for more than any instance can register waits until its time limit
    for pool, construct in zip(JOB_VCPUS, POOLS, strict=True):
        for name in environment(assembly, construct, "Spot")["ComputeResources"]["InstanceTypes"]:
            found = instances.parse(name)
            assert JOB_VCPUS[pool] <= found.vcpus
            assert JOB_MEMORY_MIB[pool] <= found.usable_memory_mib


@pytest.mark.parametrize("pool", POOLS)
def test_machines_start_with_the_newest_version_of_their_template(assembly: Assembly, pool: str) -> None:
    # `$Default` is the version that the template was made with: no later deployment would reach a machine
    expected = {"Cpu": "Machine/Template", "CpuMemory": "Machine/RoomyTemplate"}.get(pool, "Machine/GpuTemplate")
    for market in ("Spot", "OnDemand"):
        template = assembly.one("Batch::ComputeEnvironment", f"{pool}/{market}").body["Properties"]["ComputeResources"][
            "LaunchTemplate"
        ]
        function, (key, attribute) = next(iter(template["Version"].items()))
        assert (function, attribute) == ("Fn::GetAtt", "LatestVersionNumber")
        assert template["LaunchTemplateId"] == {"Ref": key}
        assert environment(assembly, pool, market)["ComputeResources"]["LaunchTemplate"]["LaunchTemplateId"] == expected


def test_the_metadata_service_wants_tokens_and_answers_containers(assembly: Assembly) -> None:
    for template in assembly.of("EC2::LaunchTemplate"):
        options = template.properties["LaunchTemplateData"]["MetadataOptions"]
        assert options["HttpTokens"] == "required"
        assert options["HttpPutResponseHopLimit"] == 2
        assert options["HttpEndpoint"] == "enabled"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_disk_is_encrypted_gp3_and_goes_with_the_machine(assemblies: dict[str, Assembly], example: str) -> None:
    sizes = {}
    for template in assemblies[example].of("EC2::LaunchTemplate"):
        (device,) = template.properties["LaunchTemplateData"]["BlockDeviceMappings"]
        assert device["DeviceName"] == "/dev/xvda"
        assert device["Ebs"]["VolumeType"] == "gp3"
        assert device["Ebs"]["Encrypted"] is True
        assert device["Ebs"]["DeleteOnTermination"] is True
        sizes[template.name] = device["Ebs"]["VolumeSize"]
    # GPU machines keep their scratch files on NVMe and pay for no more than the images need; exit code 71 may mean that
    # the disk was full, so where it leads there is more of it
    scratch_gib = load_config(f"config/{example}.yaml", root=ROOT).scratch_gib
    assert sizes == {
        "Machine/Template": scratch_gib,
        "Machine/RoomyTemplate": 4 * scratch_gib,
        "Machine/GpuTemplate": 60,
    }


def test_nothing_comes_in(assembly: Assembly) -> None:
    (group,) = [found for found in assembly.of("EC2::SecurityGroup") if found.name == "Network/Machines"]
    assert "SecurityGroupIngress" not in group.properties
    assert not [rule for rule in assembly.of("EC2::SecurityGroupIngress") if "Machines" in rule.properties["GroupId"]]


HOPELESS = {"MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"}


def test_a_job_that_cannot_be_placed_is_moved_on_but_a_want_of_machines_ends_none(assembly: Assembly) -> None:
    queues = assembly.of("Batch::JobQueue")
    assert len(queues) == 2 * len(POOLS) + 2 * len(CPU_POOLS)
    for queue in queues:
        actions = queue.properties["JobStateTimeLimitActions"]
        capacity = set() if queue.name.endswith("OnDemandQueue") else {"CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}
        assert {action["Reason"] for action in actions} == HOPELESS | capacity, queue.name
        for action in actions:
            assert (action["State"], action["Action"]) == ("RUNNABLE", "CANCEL")
            assert 600 <= action["MaxTimeSeconds"] <= 86_400


def test_environments_are_updated_in_place_and_let_jobs_finish(assembly: Assembly) -> None:
    for found in assembly.of("Batch::ComputeEnvironment"):
        assert found.properties["ReplaceComputeEnvironment"] is False
        assert "ServiceRole" not in found.properties, "in-place updates need the service-linked role"
        assert found.properties["UpdatePolicy"]["TerminateJobsOnUpdate"] is False


def test_the_isolated_network_has_no_way_out(assemblies: dict[str, Assembly]) -> None:
    isolated = assemblies["isolated"]
    assert not isolated.of("EC2::InternetGateway")
    services = {end.properties["ServiceName"].rsplit(".", 1)[-1] for end in isolated.of("EC2::VPCEndpoint")}
    assert services == {"s3", "ecs", "ecs-agent", "ecs-telemetry", "api", "dkr", "logs"}


def test_an_existing_network_is_left_alone(assemblies: dict[str, Assembly]) -> None:
    existing = assemblies["existing-vpc"]
    assert not existing.of("EC2::VPC")
    assert not existing.of("EC2::Subnet")
    for found in existing.of("Batch::ComputeEnvironment"):
        subnets = found.properties["ComputeResources"]["Subnets"]
        assert subnets == list(load_config("config/existing-vpc.yaml", root=ROOT).network.subnet_ids)
