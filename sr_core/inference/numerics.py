"""What decides bits on a GPU: torch's settings, each with its reason, and the facts that go into a fingerprint.

A segment that is done again on another machine of the same kind must come out the same to the last bit. So the choice
of an algorithm may depend on shapes, builds and the kind of GPU, never on a clock. See docs/decisions/0701.
"""

import os
import re
from pathlib import Path

import torch

_DRIVER = Path("/proc/driver/nvidia/version")


def settle_gpu_numerics() -> None:
    """Settles, for the whole process, all that lets torch change a bit from run to run. Call it before any work."""
    # Timing algorithms against one another lets the weather choose between kernels that round otherwise.
    torch.backends.cudnn.benchmark = False
    # Of cuDNN's algorithms, those whose sums do not depend on which thread block comes first.
    torch.backends.cudnn.deterministic = True
    # torch lets convolutions in fp32 round their inputs to 10 bits of mantissa: "computed again in fp32" would not be.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # Matrix products of half precision add up in fp32, as convolutions do; this concerns networks with attention.
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    # The rest of torch: the deterministic one where there are two, a warning where there is none. cuBLAS asks for a
    # workspace of fixed size in return; filling fresh memory with NaN is for debugging and costs a pass over it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # `use_deterministic_algorithms` would set the same, and import torch's compiler for another setting: 3.7 seconds.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module


def gpu_builds() -> tuple[tuple[str, str], ...]:
    """What holds or chooses kernels, and the driver, which compiles those that a build lacks for its GPU."""
    major, minor = torch.cuda.get_device_capability()
    return (
        ("compute_capability", f"{major}.{minor}"),
        ("cuda", str(torch.version.cuda)),
        ("cudnn", str(torch.backends.cudnn.version())),  # type: ignore[no-untyped-call]
        ("driver", driver_version(_DRIVER.read_text() if _DRIVER.is_file() else "")),
    )


def driver_version(kernel_module: str) -> str:
    """The version in what the driver's kernel module says of itself: ``550.54.15``."""
    found = re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", kernel_module)
    return found.group() if found else "unknown"
