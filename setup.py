"""Compiles this package's kernels for CPUs, once for each width of vectors, where there is a C compiler.

Without one the package installs all the same, and torch computes everything (docs/decisions/0720). They are no modules
of Python: sr_core/inference/winograd_library.py finds the one for its CPU and calls it by ctypes.
"""

import platform

from setuptools import Extension, setup

_SOURCE = "sr_core/inference/kernels/winograd.c"
_FLAGS = ["-O3", "-std=gnu11", "-ffp-contract=fast"]
"""Sums are fused multiply-adds in all of them, so that they round alike."""
_WIDTHS = {
    "x86_64": {"avx512": ["-march=x86-64-v4"], "avx2": ["-march=x86-64-v3"]},
    "aarch64": {"neon": ["-march=armv8-a"]},
}

setup(
    ext_modules=[
        Extension(
            f"sr_core.inference.winograd_{width}",
            [_SOURCE],
            extra_compile_args=[*_FLAGS, *flags],
            optional=True,
        )
        for width, flags in _WIDTHS.get(platform.machine(), {}).items()
    ]
)
