"""Compiles CUDA C++ for a GPU with NVRTC, the compiler in a library that torch's CUDA builds bring along.

So no image needs a compiler, and what runs is compiled for the very GPU that is there, in about a second. torch's own
way to it (`torch.cuda._compile_kernel`) imports setuptools, which images do without. Needs no GPU.
"""

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_NAMES = ("libnvrtc.so.13", "libnvrtc.so.12")
_OPTIONS = ("--std=c++17",)


class NoCompiler(Exception):
    """NVRTC is not on this machine."""


class CompilationFailed(Exception):
    """NVRTC did not take the source; the message is what it says, several lines."""


def compile_cuda(source: str, *, architecture: str, options: tuple[str, ...] = ()) -> bytes:
    """Machine code for one kind of GPU (a cubin) of a source without headers, whose kernels are ``extern "C"``.

    Args:
        architecture: as ``sm_75``; ``compute_75`` gives PTX instead.
        options: more for NVRTC.

    Raises NoCompiler and CompilationFailed.
    """
    return compile_and_log(source, architecture=architecture, options=options)[0]


def compile_and_log(source: str, *, architecture: str, options: tuple[str, ...] = ()) -> tuple[bytes, str]:
    """Does what `compile_cuda` does, and returns what the compiler says, too."""
    nvrtc, program = _library(), ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        every = [option.encode() for option in (f"--gpu-architecture={architecture}", *_OPTIONS, *options)]
        failed = nvrtc.nvrtcCompileProgram(program, len(every), (ctypes.c_char_p * len(every))(*every))
        log = _read(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).rstrip(b"\0").decode().strip()
        if failed:
            raise CompilationFailed(log or _error(failed))
        if architecture.startswith("compute_"):
            return _read(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program), log
        return _read(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program), log
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def version() -> str:
    """``13.0``. Raises NoCompiler."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return f"{major.value}.{minor.value}"


@cache
def _library() -> ctypes.CDLL:
    for place in (*_in_packages(), *_NAMES):
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        return library
    raise NoCompiler("NVRTC (libnvrtc.so), which torch's CUDA builds bring along, is not here")


def _in_packages() -> Iterator[str]:
    """Where pip puts it: the packages that torch's CUDA builds depend on share a folder.

    It asks for a second library by its bare name, so that this is loaded beforehand.
    """
    found = find_spec("nvidia")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for name in _NAMES:
            for path in sorted(Path(folder).glob(f"*/lib/{name}")):
                for second in sorted(path.parent.glob("libnvrtc-builtins.so.*")):
                    ctypes.CDLL(str(second))
                yield str(path)


def _read(size_of: Callable[..., int], read: Callable[..., int], program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(size_of(program, ctypes.byref(size)))
    content = ctypes.create_string_buffer(size.value)
    _check(read(program, content))
    return content.raw


def _check(result: int) -> None:
    if result:
        raise CompilationFailed(_error(result))


def _error(result: int) -> str:
    return str(_library().nvrtcGetErrorString(result).decode())
