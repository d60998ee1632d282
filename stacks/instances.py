"""What instance types are, as far as choosing and checking them needs: processor, GPU, vCPUs and host memory.

Owns the types that the pools start from, and the rules that turn a wrong one into one sentence. It reads everything
from the type's name and knows neither prices nor which zone offers a type.
"""

import re
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "arm64"]

GIB_PER_VCPU = {"c": 2, "m": 4, "r": 8, "g4dn": 4, "g5": 4, "g6": 4, "gr6": 8, "g6e": 8}
"""Host memory of a type, per vCPU, by family letter or GPU family (AWS's instance type tables, 2026-11)."""

GPU_MEMORY_GIB = {"g4dn": 16, "g5": 24, "g6": 24, "gr6": 24, "g6e": 48}
"""Memory of one GPU: T4, A10G, L4, L4, L40S. These families run the ECS_AL2023_NVIDIA image."""

USABLE_MEMORY = 0.93
"""Part of the host memory that a job may ask for; the kernel and the ECS agent take the rest, and a job that asks for
more than any instance can register waits forever."""

CPU_TYPES: dict[Architecture, tuple[str, ...]] = {
    "x86_64": ("c5.2xlarge", "c5a.2xlarge", "c5d.2xlarge", "c6i.2xlarge", "c6a.2xlarge", "c5.4xlarge", "c6i.4xlarge"),
    "arm64": ("c6g.2xlarge", "c6gd.2xlarge", "c7g.2xlarge", "c7gd.2xlarge", "c6g.4xlarge", "c7g.4xlarge"),
}
MEMORY_TYPES: dict[Architecture, tuple[str, ...]] = {
    "x86_64": ("r5.2xlarge", "r5a.2xlarge", "r5d.2xlarge", "r6i.2xlarge", "r6a.2xlarge"),
    "arm64": ("r6g.2xlarge", "r6gd.2xlarge", "r7g.2xlarge"),
}
GPU_TYPES = {
    "standard": ("g4dn.xlarge", "g4dn.2xlarge"),
    "premium": ("g5.xlarge", "g6.xlarge", "g5.2xlarge", "g6.2xlarge"),
    "memory": ("g4dn.2xlarge", "g4dn.4xlarge"),
}
"""The types that the pools start from, each of several Spot markets."""

_NAME = re.compile(r"^(?P<family>[a-z]+\d+[a-z]*(?:-[a-z]+)?)\.(?:(?P<times>\d*)x)?large$")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """One EC2 instance type, read from its name. Sizes are those of one machine."""

    name: str
    family: str
    architecture: Architecture
    vcpus: int
    memory_mib: int
    gpu_memory_gib: int
    """0 where there is no GPU."""

    @property
    def usable_memory_mib(self) -> int:
        """What the jobs on one such machine may ask for together."""
        return int(self.memory_mib * USABLE_MEMORY)


def parse(name: str) -> InstanceType:
    """Reads an instance type's name.

    Raises ValueError, as one sentence, for a name that is none and for families that this application does not run on.
    """
    match = _NAME.match(name)
    if match is None:
        raise ValueError(f"{name} is not the name of an instance type such as c5.2xlarge")
    family = match["family"]
    letters = re.sub(r"\d.*", "", family)
    if letters == "p":
        raise ValueError(
            f"{name} cannot be used: p3 is no longer offered and has no AL2023 image, later p types come by the eight "
            "GPUs; choose g5, g6 or g6e (docs/decisions/0101)"
        )
    if letters == "t":
        raise ValueError(f"{name} cannot be used: t types are throttled under steady load; choose a c, m or r type")
    per_vcpu = GIB_PER_VCPU.get(family) or GIB_PER_VCPU.get(letters)
    if per_vcpu is None:
        raise ValueError(f"{name} is of a family this application does not know; choose one of {known_families()}")
    vcpus = 2 if match["times"] is None else 4 * int(match["times"] or 1)
    # A g among the letters after the generation means Graviton: c7g, r6gd, m8g.
    arm = "g" in re.sub(r"^[a-z]+\d+", "", family) and family not in GPU_MEMORY_GIB
    return InstanceType(
        name=name,
        family=family,
        architecture="arm64" if arm else "x86_64",
        vcpus=vcpus,
        memory_mib=vcpus * per_vcpu * 1024,
        gpu_memory_gib=GPU_MEMORY_GIB.get(family, 0),
    )


def known_families() -> str:
    """For messages: the families that `parse` accepts."""
    return "c*, m*, r*, " + ", ".join(GPU_MEMORY_GIB)
