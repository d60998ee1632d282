"""Compiles this package's kernels for CPUs, once for each width of vectors, where there is a C compiler.

Without one the package installs all the same, and torch computes everything (docs/decisions/0720). They are no modules
of Python: sr_core/inference/own_kernels.py finds the one for its CPU and calls it by ctypes.
"""

import hashlib
import platform
from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("sr_core/inference/kernels")
SOURCES = [KERNELS / "planes.c", KERNELS / "winograd.c"]
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fno-fast-math",  # before the next one, which clang up to 15 takes back for it
    "-ffp-contract=fast",  # sums are fused multiply-adds in all of them, so that they round alike
    "-g0",  # else the file has the folder's name in it, and is another in each
]
_WIDTHS = {
    "x86_64": {
        "avx512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
        "avx2": ["-mavx2", "-mfma"],
    },
    "aarch64": {"neon": []},
    "arm64": {"neon": []},  # as macOS calls it
}
"""What torch promises of a CPU of that capability, and no more."""

# By it a library is known that was compiled of other sources than the package has. A fingerprint names these alone, so
# whoever changes how FLAGS have sums rounded changes a source as well, if only a comment. CFLAGS come before them.
source_id = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:8]

setup(
    ext_modules=[
        Extension(
            f"sr_core.inference.winograd_{width}",
            [str(source) for source in SOURCES],
            depends=["setup.py"],
            define_macros=[("SOURCE_ID", f"0x{source_id}")],
            extra_compile_args=[*FLAGS, *flags],
            extra_link_args=["-fno-fast-math"],
            optional=True,
        )
        for width, flags in _WIDTHS.get(platform.machine(), {}).items()
    ]
)
