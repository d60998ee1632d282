"""The package's own kernels for CPUs: which of the libraries that setup.py compiles runs here, if there is one.

Knows nothing of what is in them; see docs/decisions/0720.
"""

import ctypes
import hashlib
import platform
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import torch

SOURCES = ("planes.c", "winograd.c")
"""What a library is compiled of, as setup.py has it."""
_ARM64 = ("aarch64", "arm64")
"""What Linux calls it, and macOS."""
_WIDTHS = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}
"""On x86, by what torch calls the CPU's widest vectors: the libraries that run there, the fastest first."""


def _widths() -> tuple[str, ...]:
    machine = platform.machine()
    if machine == "x86_64":
        return _WIDTHS.get(torch.backends.cpu.get_cpu_capability(), ())
    return ("neon",) if machine in _ARM64 else ()


def paths() -> list[Path]:
    """Of the libraries that were compiled for this CPU, the fastest first."""
    found = (find_spec(f"sr_core.inference.winograd_{width}") for width in _widths())
    return [Path(spec.origin) for spec in found if spec is not None and spec.origin is not None]


def opened(path: Path) -> ctypes.CDLL:
    """Raises OSError when it is no library for this machine, or compiled of other sources than the package has."""
    library = ctypes.CDLL(str(path))
    if not hasattr(library, "source_id") or ctypes.c_uint(library.source_id()).value != _source_id():
        raise OSError(f"{path.name} was compiled of other sources")
    return library


def why_none() -> str:
    """Why none can be used, for people."""
    if not _widths():
        return f"there are none for this CPU ({platform.machine()}), only for x86-64 with AVX2 and for arm64"
    for path in paths():
        try:
            opened(path)
        except OSError as error:
            return f"unusable ({error}): install the package anew, with a C compiler"
    return "none compiled: install a C compiler, gcc or clang, then the package anew"


def source_digest() -> str:
    """sha256 (hex) of what a library is compiled of. It decides the bits: vectors and compilers do not."""
    kernels = resources.files("sr_core.inference") / "kernels"
    return hashlib.sha256(b"".join((kernels / name).read_bytes() for name in SOURCES)).hexdigest()


def _source_id() -> int:
    """As setup.py has it."""
    return int(source_digest()[:8], 16)
