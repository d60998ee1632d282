"""What figures were measured on, and writing both down together. Knows nothing of what is measured."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from sr_core.cores import core_count
from sr_core.types import Device


def machine(device: Device = "cpu") -> dict[str, str | int | float]:
    """Processor, GPU if that is used, cores that may be used, versions, the date, and how busy it was just now."""
    return {
        **(_gpu() if device == "cuda" else {}),
        "cpu": _cpu_name(),
        "cores": core_count(),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "av": metadata.version("av"),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_average": round(os.getloadavg()[0], 2),
    }


def describe(facts: dict[str, str | int | float]) -> str:
    """The same on one line."""
    gpu = f"{facts['gpu']}, driver {facts['driver']}, CUDA {facts['cuda']}, " if "gpu" in facts else ""
    return (
        f"{gpu}{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, av {facts['av']}, {facts['date']}, "
        f"load average before {facts['load_average']}"
    )


def write_results(path: Path, measured_on: dict[str, str | int | float], results: dict[str, Any]) -> None:
    """Writes one JSON object: the machine, then the results."""
    path.write_text(json.dumps({"machine": measured_on, **results}, indent=2, ensure_ascii=False) + "\n")


def _gpu() -> dict[str, str | int | float]:
    """Name, memory, and the builds that hold its kernels. Imports torch."""
    import torch

    from sr_core.inference.numerics import gpu_builds

    memory_bytes = torch.cuda.get_device_properties(0).total_memory
    return {"gpu": torch.cuda.get_device_name(), "gpu_memory_bytes": memory_bytes, **dict(gpu_builds())}


def _cpu_name() -> str:
    """``AMD EPYC (family 25, model 17)``: virtual machines often hide the model's name, seldom its number."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name", platform.processor() or "unknown")
    numbers = [f"{key.removeprefix('cpu ')} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return f"{name} ({', '.join(numbers)})" if numbers else name
