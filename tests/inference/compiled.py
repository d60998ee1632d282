"""The package's kernels for CPUs, compiled for vectors that an installation on this machine would not choose."""

import ast
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from sr_core.inference import own_kernels
from sr_core.inference.own_kernels import SOURCES
from sr_core.inference.winograd_library import Library

_KERNELS = Path(own_kernels.__file__).parent / "kernels"
FOUR_LANES = "four-lanes"
"""As on arm64. There, too, a multiplication and an addition are one instruction."""
VECTORS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    FOUR_LANES: (("-mfma",), ("AVX2", "AVX512")),
    "avx2": (("-mavx2", "-mfma"), ("AVX2", "AVX512")),
    "avx512": (("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"), ("AVX512",)),
}
"""What the compiler is told of them on x86, and by what torch calls the CPUs that have them."""


def flags() -> list[str]:
    """With which setup.py compiles, whatever the vectors."""
    return [str(flag) for flag in _constant_of_setup("FLAGS")]


def widths() -> dict[str, dict[str, list[str]]]:
    """What setup.py compiles, by machine: libraries, and what the compiler is told of their vectors."""
    found: dict[str, dict[str, list[str]]] = _constant_of_setup("_WIDTHS")
    return found


def _constant_of_setup(name: str) -> Any:
    for node in ast.parse((Path(__file__).parents[2] / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"setup.py has no {name}")


def compiled_for(vectors: str, folder: Path) -> Library:
    """The very sources, as setup.py compiles them, by $CC if that is set. Skips where that does not run."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("needs a C compiler")
    chosen, capabilities = VECTORS[vectors]
    if platform.machine() != "x86_64" and vectors == FOUR_LANES:
        chosen = ()
    elif platform.machine() != "x86_64" or torch.backends.cpu.get_cpu_capability() not in capabilities:
        pytest.skip(f"needs a CPU with {capabilities[0]}")
    sources = [_KERNELS / name for name in SOURCES]
    named = f"-DSOURCE_ID=0x{own_kernels.source_digest()[:8]}"
    always = [*flags(), "-w", "-shared", "-fPIC", named]
    found = folder / f"{vectors}.so"
    subprocess.run([compiler, *always, *chosen, "-o", found, *sources], check=True)
    return Library(found)
