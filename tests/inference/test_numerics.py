"""What is settled on a GPU's machine, looked at in a process of its own: torch has these settings everywhere."""

import subprocess
import sys

import pytest

from sr_core.inference.numerics import driver_version

_SETTLED = """
import sys
import torch
from sr_core.inference.numerics import settle_gpu_numerics

assert torch.backends.cudnn.allow_tf32
settle_gpu_numerics()
assert not torch.backends.cudnn.allow_tf32
assert not torch.backends.cuda.matmul.allow_tf32
assert not torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
assert not torch.utils.deterministic.fill_uninitialized_memory
assert "torch._inductor" not in sys.modules, "seconds of imports"
torch.nn.functional.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3))
"""


def test_nothing_is_left_that_a_clock_or_a_default_decides() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", _SETTLED], check=True)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build  (root@)", "580.82.07"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129  Thu\nGCC version: gcc 12.2.0", "535.129"),
        ("", "unknown"),
    ],
)
def test_the_driver_is_known_by_what_its_module_says(told: str, version: str) -> None:
    assert driver_version(told) == version
