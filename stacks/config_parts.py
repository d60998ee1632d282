"""The parts of a DeployConfig, each a model with what it checks by itself. What two parts must agree on is checked by
`DeployConfig`.
"""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stacks import instances

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 1827]
"""Periods for which CloudWatch can keep a log group."""


class Part(BaseModel):
    """Base of every model here: immutable and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Part):
    """Where the machines live."""

    kind: Literal["public", "isolated", "existing"] = "public"
    """public: own addresses, no inbound rule, free of charge; isolated: no way out but endpoints, which cost by the
    hour; existing: subnets you name."""
    cidr: str = "10.42.0.0/16"
    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")] | None = None
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")], ...] = ()
    flow_logs: bool = False
    """Whether rejected traffic is recorded, in the logs bucket; costs by the gigabyte."""

    @field_validator("cidr")
    @classmethod
    def _is_a_network(cls, value: str) -> str:
        if not 16 <= IPv4Network(value).prefixlen <= 20:
            raise ValueError(f"{value} leaves a VPC too few or too many addresses; choose a prefix from /16 to /20")
        return value

    @model_validator(mode="after")
    def _existing_is_named(self) -> Self:
        named = self.vpc_id is not None or bool(self.subnet_ids)
        if self.kind == "existing" and (self.vpc_id is None or not self.subnet_ids):
            raise ValueError("an existing network needs vpc_id and subnet_ids")
        if self.kind != "existing" and named:
            raise ValueError("vpc_id and subnet_ids need kind: existing")
        if self.kind == "existing" and self.flow_logs:
            raise ValueError("flow_logs belongs to whoever owns an existing VPC; leave it out")
        return self


class Pool(Part):
    """Machines of one kind: a Spot and an On-Demand compute environment and their two queues."""

    instance_types: tuple[str, ...] = ()
    """Types to choose from, the more the fewer interruptions; empty: this pool's own for the CPU architecture."""
    max_vcpus: int = Field(default=128, ge=4, le=10_000)
    """Cap of the Spot environment."""
    on_demand_max_vcpus: int = Field(default=16, ge=4, le=10_000)
    """Cap of the On-Demand environment, all of it at the full price. It catches what Spot cannot place, for want of
    machines or with its cap full, or has interrupted too often."""


class Pools(Part):
    """The pools, by what they are for."""

    cpu: Pool = Pool()
    """extract, encode and assemble, and upscale where the plan says so."""
    cpu_memory: Pool = Pool(max_vcpus=64)
    """The same stages when they ran out of host memory or disk."""
    standard: Pool = Pool()
    """upscale on a T4."""
    premium: Pool = Pool(max_vcpus=64)
    """upscale on a GPU with more memory."""
    memory: Pool = Pool(max_vcpus=64)
    """upscale beside more host memory."""


class Retention(Part):
    """How long things are kept."""

    job_folder_days: int = Field(default=14, ge=2, le=365)
    """Intermediate files and receipts, each from the day it was written: a failed job that is resumed late loses files
    while it runs, and makes them again or fails for want of them. Resume it in half the time."""
    stale_upload_days: int = Field(default=7, ge=1, le=30)
    """How long parts of an unfinished upload are kept, from its beginning: as long as the longest may take, a weekend
    of nobody at it included."""
    old_output_days: int = Field(default=90, ge=1, le=3650)
    """Versions of an output that a newer one has replaced."""
    log_days: LogDays = 30
    access_log_days: int = Field(default=90, ge=1, le=3650)
    keep_data: bool = True
    """Whether the buckets survive `cdk destroy`. False empties and deletes them."""


class Weights(Part):
    """A network's weights that deployment puts into the models bucket."""

    path: Path
    """File beside the checkout, relative to it; its name is the name it is asked for by."""
    sha256: Sha256
    """What the file must hash to, or nothing is deployed."""


class Budget(Part):
    """What a month may cost, and what happens when it does. Counted by AWS Budgets, hours behind (decision 0850)."""

    monthly_usd: float = Field(ge=1, le=10_000_000)
    """Spent on what bears the tag ``application``, before credits and refunds."""
    forecast_percent: int = Field(default=80, ge=1, le=1000)
    """Part of it at which a month that is on its way there is told."""
    spent_percent: int = Field(default=80, ge=1, le=99)
    """Part of it at which what has been spent is told. All of it is always told."""
    stops_work: bool = False
    """Whether all of it stops the work: no job starts any more, and what runs is stopped, at the price of a segment
    each. Until someone lifts that, nothing runs."""


class Realtime(Part):
    """An endpoint that upscales stills at once, and costs by the hour whether it is asked or not (docs/realtime.md)."""

    instance_type: Annotated[str, Field(pattern=r"^ml\.")] = "ml.g4dn.xlarge"
    """SageMaker's name of a machine; one without a GPU (ml.c5.xlarge) costs less and takes longer."""
    min_instances: int = Field(default=1, ge=1, le=100)
    """Machines that are always there, each at its price by the hour."""
    max_instances: int = Field(default=1, ge=1, le=100)
    """The most that there are when many ask at a time. This times the price is the most that an hour costs."""
    model: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    """A network of `sr models`, or a file's name in the models bucket; None: the one that ships for twice the size."""
    queue: int = Field(default=8, ge=1, le=100)
    """Requests under way on one machine; beyond, the answer is 503."""
    max_bytes: int = Field(default=6 * 1024 * 1024, ge=1024)
    """Of a picture that is sent or answered with. SageMaker's own limit is the default; it may allow more."""

    @property
    def machine(self) -> str:
        """The instance type as EC2 calls it."""
        return self.instance_type.removeprefix("ml.")

    @model_validator(mode="after")
    def _can_run_the_server(self) -> Self:
        found = instances.parse(self.machine)
        if found.architecture != "x86_64":
            raise ValueError(f"{self.instance_type} is {found.architecture}, but the server's image is x86_64")
        if found.memory_mib < _SERVER_MEMORY_MIB:
            raise ValueError(
                f"{self.instance_type} has {found.memory_mib} MiB of memory; serving takes {_SERVER_MEMORY_MIB}"
            )
        if self.max_instances < self.min_instances:
            raise ValueError(f"max_instances is {self.max_instances}, less than min_instances, {self.min_instances}")
        return self


_SERVER_MEMORY_MIB = 8 * 1024
"""torch, a picture of 4K in fp32 at twice the size, and one that is read or written beside it."""
