"""DeployConfig: everything a deployer may choose, validated once, before anything is synthesized.

A config is a YAML file (`-c config=config/production.yaml`) or an object (`-c config='{"name": "sr-mine"}'`, or the
key ``config`` of the CDK context). Every field has a default: ``{}`` is valid. It knows of no resource.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from sr_core.contract import CloudTier
from sr_core.media_limits import Limits
from stacks import instances
from stacks.config_parts import Budget, Network, Part, Pool, Pools, Realtime, Retention, Weights
from stacks.instances import Architecture

BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
PoolName = Literal["cpu", "cpu_memory", "standard", "premium", "memory"]


OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-iso")
"""Start of the names of regions whose ARNs do not begin with ``arn:aws:``, as those of the state machines do."""


class ConfigError(Exception):
    """A config that cannot be used. The message is one sentence: which field, what is wrong, what to do."""


class DeployConfig(Part):
    """The whole of what a deployer may choose."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,15}$")] = "sr"
    """Start of every name in the account; two deployments in one region need two names."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = "us-east-1"
    zones: tuple[str, ...] = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f")
    """Availability zones; every one more is another market for Spot capacity."""
    cpu_architecture: Architecture = "x86_64"
    """Of the machines and images without a GPU: those of extract, encode and assemble, and of upscale on tier cpu."""
    network: Network = Network()
    pools: Pools = Pools()
    tiers: Annotated[tuple[CloudTier, ...], Field(min_length=1)] = tuple(CloudTier)
    """Kinds of machine that plans choose among for upscale. ``[cpu]`` where the account has no quota for GPUs yet; a
    request may ask for any other all the same."""
    scratch_gib: int = Field(default=100, ge=50, le=16_384)
    """gp3 volume of a CPU machine, and four times that where jobs go that ran out of disk. Where the type has at
    least that much NVMe, as all GPU types have, that holds the scratch files."""
    spot_attempts: int = Field(default=3, ge=1, le=10)
    """Times Batch starts a job on Spot before Step Functions moves it to On-Demand."""
    capacity_wait_seconds: int = Field(default=1200, ge=600, le=86_400)
    """How long the job at the normal queue's head waits for capacity before it is moved to the On-Demand queue, and a
    job that fits no machine before it fails."""
    job_timeout_minutes: int = Field(default=360, ge=10, le=10_080)
    """Longest run of one attempt. A chunk aims at ten minutes; extract and assemble grow with the video."""
    queue_hours: int = Field(default=120, ge=1, le=720)
    """Longest stay of a job in one queue, waiting for its turn included: then it goes to On-Demand, then fails."""
    chunk_concurrency: int = Field(default=100, ge=1, le=1000)
    """Chunks of one video that are under way at once."""
    batch_concurrency: int = Field(default=5, ge=1, le=100)
    """Videos of one manifest that are under way at once."""
    allowed_input_buckets: tuple[BucketName, ...] = ()
    """Besides this deployment's own input bucket."""
    allowed_output_buckets: tuple[BucketName, ...] = ()
    """Besides this deployment's own output bucket."""
    media_limits: Limits = Limits()
    """What sources may ask for before they are refused (docs/limits.md), for whoever trusts them."""
    encryption: Literal["s3", "kms"] = "s3"
    """kms: a key of your own, 1 $ a month and a charge per request."""
    retention: Retention = Retention()
    upload_trigger: bool = False
    """Whether a video put into the input bucket is upscaled by itself, with the settings of ``<key>.json`` if any."""
    upload_suffixes: tuple[Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")], ...] = (".mp4", ".mov", ".mkv", ".webm")
    notify_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Who is told by mail of every finished and failed video, and of whatever else wants a person."""
    dashboard: bool = False
    """Whether CloudWatch shows one page of what runs, waits, fails and costs. Free while the account has no more than
    three such pages, else 3 $ a month."""
    alarms: bool = False
    """Whether CloudWatch tells what no single video can: most of them fail, events get lost. Free while the account's
    alarms watch no more than ten metrics, else 0.10 $ a month for each (docs/deploy.md, "What it costs idle")."""
    budget: Budget | None = None
    """None: nobody counts."""
    realtime: Realtime | None = None
    """None: no endpoint, and nothing paid for one."""
    weights: tuple[Weights, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    """Cost-allocation tags for everything, besides ``application``."""

    @field_validator("region")
    @classmethod
    def _region_is_in_the_partition_aws(cls, value: str) -> str:
        if value.startswith(OTHER_PARTITIONS):
            raise ValueError(
                f"{value} is in a partition of AWS (China, GovCloud …) for which this was neither made nor tried; "
                "choose another region"
            )
        return value

    @property
    def cost_tags(self) -> dict[str, str]:
        """Every tag that everything bears. ``application`` is the one that a budget counts by."""
        return self.tags | {"application": self.name}

    @model_validator(mode="after")
    def _zones_are_in_the_region(self) -> Self:
        if not self.zones or len(set(self.zones)) != len(self.zones):
            raise ValueError("zones must name at least one zone, and each once")
        strangers = [zone for zone in self.zones if not re.fullmatch(re.escape(self.region) + "[a-z]", zone)]
        if strangers:
            raise ValueError(f"zone {strangers[0]} is not in region {self.region}; list that region's zones")
        if self.network.kind == "existing" and len(self.network.subnet_ids) != len(self.zones):
            raise ValueError("an existing network needs one subnet for each entry of zones, in their order")
        return self

    @field_validator("tags")
    @classmethod
    def _application_is_the_name(cls, value: dict[str, str]) -> dict[str, str]:
        if "application" in value:
            raise ValueError("application is the config's name, by which a budget counts; choose another key")
        return value

    @model_validator(mode="after")
    def _job_folders_outlast_the_queues(self) -> Self:
        days = self.retention.job_folder_days
        if days * 24 <= 2 * self.queue_hours:
            raise ValueError(
                f"retention.job_folder_days: chunks are deleted after {days} days, while their jobs may wait for "
                f"2 × queue_hours = {2 * self.queue_hours} h; raise the one or lower the other"
            )
        return self

    @field_validator("weights")
    @classmethod
    def _names_differ(cls, value: tuple[Weights, ...]) -> tuple[Weights, ...]:
        names = [weights.path.name for weights in value]
        if len(set(names)) != len(names):
            raise ValueError("two files have the same name, which is what a network is asked for by; rename one")
        return value

    @model_validator(mode="after")
    def _pools_can_run_their_jobs(self) -> Self:
        for pool, (architecture, gpu_gib, vcpus, memory_mib) in _demands(self.cpu_architecture).items():
            chosen: Pool = getattr(self.pools, pool)
            for name in self.instance_types(pool):
                where = f"pools.{pool}: {name}"
                try:
                    found = instances.parse(name)
                except ValueError as error:
                    raise ValueError(f"pools.{pool}: {error}") from None
                if found.architecture != architecture:
                    raise ValueError(f"{where} is {found.architecture}, but this pool's image is {architecture}")
                if bool(found.gpu_memory_gib) != bool(gpu_gib):
                    raise ValueError(f"{where} {'has no' if gpu_gib else 'pays for a'} GPU; choose another type")
                if found.gpu_memory_gib < gpu_gib:
                    raise ValueError(f"{where} has {found.gpu_memory_gib} GiB of GPU memory, this pool needs {gpu_gib}")
                if found.vcpus < vcpus or found.usable_memory_mib < memory_mib:
                    raise ValueError(f"{where} is too small for a job of {vcpus} vCPUs and {memory_mib} MiB")
                if min(chosen.max_vcpus, chosen.on_demand_max_vcpus) < found.vcpus:
                    raise ValueError(f"{where} has {found.vcpus} vCPUs, more than the pool's cap lets it start")
        return self

    def instance_types(self, pool: PoolName) -> tuple[str, ...]:
        """The instance types of a pool, the defaults filled in."""
        chosen: Pool = getattr(self.pools, pool)
        if chosen.instance_types:
            return chosen.instance_types
        cpu = self.cpu_architecture
        types = {"cpu": instances.CPU_TYPES[cpu], "cpu_memory": instances.MEMORY_TYPES[cpu], **instances.GPU_TYPES}
        return types[pool]


JOB_VCPUS: dict[PoolName, int] = {"cpu": 4, "cpu_memory": 8, "standard": 4, "premium": 4, "memory": 8}
JOB_MEMORY_MIB: dict[PoolName, int] = {
    "cpu": 7_000,
    "cpu_memory": 56_000,
    "standard": 14_000,
    "premium": 14_000,
    "memory": 29_000,
}
"""What one job asks for in each pool: two jobs (cpu) or one (others) fill a machine of the smallest default type."""


def _demands(cpu: Architecture) -> dict[PoolName, tuple[Architecture, int, int, int]]:
    """Architecture, GPU memory in GiB, vCPUs and host memory in MiB that a job of each pool needs."""
    machines: dict[PoolName, tuple[Architecture, int]] = {
        "cpu": (cpu, 0),
        "cpu_memory": (cpu, 0),
        "standard": ("x86_64", 16),
        "premium": ("x86_64", 24),
        "memory": ("x86_64", 16),
    }
    return {pool: (*machine, JOB_VCPUS[pool], JOB_MEMORY_MIB[pool]) for pool, machine in machines.items()}


def load_config(source: object, *, root: Path) -> DeployConfig:
    """Reads a config: the path of a YAML file relative to `root`, or the object itself.

    Also checks that the weights it names are there and hash to what it says. Raises ConfigError.
    """
    name, values = _read(source, root)
    try:
        config = DeployConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {place + ': ' if place else ''}{_sentence(first)}") from None
    for weights in config.weights:
        path = root / weights.path
        if not path.is_file():
            raise ConfigError(f"{name}: weights: {weights.path} does not exist; download it first")
        if hashlib.sha256(path.read_bytes()).hexdigest() != weights.sha256:
            raise ConfigError(f"{name}: weights: {weights.path} does not have the sha256 {weights.sha256}")
    return config


def _read(source: object, root: Path) -> tuple[str, Any]:
    if not isinstance(source, str):
        return "context", {} if source is None else source
    if source.lstrip().startswith("{"):  # an object on the command line, which hands on nothing but strings
        return "context", _parsed("context", source)
    try:
        text = (root / source).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"config {source} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source} is not YAML: it is not text in UTF-8") from None
    return source, _parsed(source, text)


def _parsed(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {' '.join(str(error).split())}") from None


def _sentence(error: Any) -> str:
    """One line out of what pydantic says."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = ", ".join(Limits.model_fields) if error["loc"][0] == "media_limits" else "those in stacks/config.py"
        return f"there is no such setting; there are {known}"
    got = "" if error["type"] == "value_error" else f", not {error['input']!r}"
    return f"{message[0].lower()}{message[1:]}{got}" if got else message
