"""Kernels of layer.cu on a CPU: the very source, compiled as C++ beside stand-ins for what only a GPU can do."""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from sr_core.inference.layer_kernels import Layer, source

_COMPILER = shutil.which("g++")


def _knows_halves() -> bool:
    if _COMPILER is None:
        return False
    command = [_COMPILER, "-std=c++17", "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input="_Float16 half;", text=True, stderr=subprocess.DEVNULL).returncode == 0


needs_compiler = pytest.mark.skipif(not _knows_halves(), reason="needs g++ 12 or later, to run kernels on a CPU")
_INSTRUCTIONS = (Path(__file__).parent / "cuda_on_cpu.h").read_text()
_libraries: dict[str, ctypes.CDLL] = {}


class Emulated:
    """Stands for a kernel that a GPU would run."""

    def __init__(self, library: ctypes.CDLL, name: str, seed: int) -> None:
        self._run, self._kernel, self._seed = library.run, ctypes.cast(getattr(library, name), ctypes.c_void_p), seed

    def __call__(
        self, arguments: tuple[Tensor | int, ...], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
    ) -> None:
        given = [
            ctypes.c_void_p(each.data_ptr()) if isinstance(each, Tensor) else ctypes.c_int(each) for each in arguments
        ]
        self.run(given, grid=grid, threads=threads, shared_bytes=shared_bytes)

    def run(self, given: Sequence[Any], *, grid: Sequence[int], threads: int, shared_bytes: int) -> None:
        """The same, with arguments as C has them."""
        numbers = [ctypes.c_uint(each) for each in (*grid, threads, shared_bytes, self._seed)]
        self._run(self._kernel, *given, *numbers)


def built(layers: list[Layer], *, seed: int = 0, change: tuple[str, str] | None = None) -> dict[str, Emulated]:
    """Kernels by name; `seed` decides in which order threads come, `change` replaces a piece of the source."""
    code = source(layers, instructions=_INSTRUCTIONS)
    if change is not None:
        assert code.count(change[0]) >= 1, change[0]
        code = code.replace(*change)
    library = _compiled(code)
    return {layer.name: Emulated(library, layer.name, seed) for layer in layers}


def built_alone(source: str, name: str) -> Emulated:
    """A kernel whose source needs nothing of gpu.cuh."""
    return Emulated(_compiled(f"{_INSTRUCTIONS}\n{source}"), name, 0)


def _compiled(code: str) -> ctypes.CDLL:
    """The library, kept while the process lives."""
    digest = hashlib.sha256(code.encode()).hexdigest()
    if digest not in _libraries:
        assert _COMPILER is not None
        with tempfile.TemporaryDirectory(prefix="sr-emulated-") as folder:
            path = Path(folder) / "kernels.so"
            options = ["-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-x", "c++"]
            subprocess.run([_COMPILER, *options, "-o", path, "-"], input=code, text=True, check=True)
            _libraries[digest] = ctypes.CDLL(str(path))
    return _libraries[digest]
