"""The package's kernels as they are compiled for arm64, run by an emulator of it: each call is a process."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sr_core.inference import own_kernels

from .compiled import flags

_COMPILER, _EMULATOR = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
_HERE = Path(__file__).parent
_KERNELS = Path(own_kernels.__file__).parent / "kernels"
needs_emulator = pytest.mark.skipif(
    None in (_COMPILER, _EMULATOR), reason="needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user"
)


def program(name: str, folder: Path) -> Path:
    """What `name`.c beside this is compiled to, with the flags of setup.py; it includes a source of the kernels."""
    assert _COMPILER is not None
    made = folder / name
    named = f"-DSOURCE_ID=0x{own_kernels.source_digest()[:8]}"
    source = _HERE / f"{name}.c"
    subprocess.run([_COMPILER, *flags(), named, "-static", f"-I{_KERNELS}", "-o", made, source], check=True)
    return made


def output(made: Path, given: bytes) -> bytes:
    """What a program writes, given that."""
    assert _EMULATOR is not None
    return subprocess.run([_EMULATOR, made], input=given, stdout=subprocess.PIPE, check=True).stdout
