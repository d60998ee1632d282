"""Shutting a process in before it touches untrusted media: memory, processor time, files, addresses, privileges.

Limits come from the kernel's oldest means and always hold. Where the kernel has Landlock (Linux 5.13 and later), the
process can also open no file but those it was given and, from Linux 6.7, no TCP connection; where it has not, the
lists of protocols and containers in `open` are what is left. Nothing here knows what the process will do.

Sources: landlock(7), prctl(2), getrlimit(2); numbers from linux/landlock.h and linux/prctl.h.
"""

import ctypes
import os
import resource
import signal
import site
import struct
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_KEPT_NAMES = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "IMAGEIO_FFMPEG_EXE",
    "MALLOC_PERTURB_",
)  # fmt: skip
"""All of the environment that reading media needs. Everything else stays outside, whatever it is called."""
_SET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""The process forks, so it must not start threads of its own."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_RULESET_VERSION = 1
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_ACTIONS_OF_ABI = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many kinds of access to files each version of Landlock knows; they are bits from 0 on."""
_FS_TRUNCATE_OF_ABI, _FS_TRUNCATE = 3, 1 << 14
_NET_ABI, _NET_BIND_AND_CONNECT = 4, 3
_SCOPE_ABI, _SCOPE_SIGNALS_AND_SOCKETS = 6, 3

_OOM_SCORE = "500"
"""If the machine runs out of memory, this process goes first, not the one that waits for it."""

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system")
"""Where libraries lie, and what they ask the machine."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one piece of work may take."""

    memory_bytes: int
    cpu_seconds: int
    silence_seconds: float
    """How long it may neither say anything nor read or write; whoever waits for it sees to that."""
    readable: tuple[Path, ...] = ()
    """Files, and folders with what is below them."""
    writable: tuple[Path, ...] = ()
    """Folders in which files may be made, changed and removed."""


def scrubbed_environment() -> dict[str, str]:
    """The environment without anything that reading media does not need: no credentials above all."""
    return {name: os.environ[name] for name in _KEPT_NAMES if name in os.environ} | _SET


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent, of that process id, ends; where the kernel can."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was faster


def get_ready() -> None:
    """Finds out beforehand what `confine` must know, for all processes that are forked from this one.

    To find the ffmpeg command is to run it once, which takes longer than most readers do.
    """
    if has_landlock():
        _libraries()


def confine(bounds: Bounds) -> None:
    """Holds this process, and all that it starts, to `bounds` for good.

    Raises OSError when a limit cannot be set.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, bounds.cpu_seconds, bounds.cpu_seconds + 5)
    # Private writable memory: what malloc and threads take. RLIMIT_AS would count libraries and mere reservations.
    _limit(resource.RLIMIT_DATA, bounds.memory_bytes)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
        _restrict_files(bounds)


def has_landlock() -> bool:
    """Whether the kernel can keep a process from opening other files."""
    return sys.platform == "linux" and _landlock_abi() > 0


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    _, highest = resource.getrlimit(what)
    hard = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(what, (soft, hard))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _syscall(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


def _landlock_abi() -> int:
    """The version of Landlock, 0 without it."""
    return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_RULESET_VERSION)))


def _restrict_files(bounds: Bounds) -> None:
    """Allows the bounds' files, the libraries and a few devices. Without Landlock nothing happens."""
    abi = _landlock_abi()
    if not abi:
        return
    all_actions = (1 << _FS_ACTIONS_OF_ABI[max(known for known in _FS_ACTIONS_OF_ABI if known <= abi)]) - 1
    handled = struct.pack(
        "=QQQ",
        all_actions,
        _NET_BIND_AND_CONNECT if abi >= _NET_ABI else 0,
        _SCOPE_SIGNALS_AND_SOCKETS if abi >= _SCOPE_ABI else 0,
    )
    size = 24 if abi >= _SCOPE_ABI else 16 if abi >= _NET_ABI else 8
    ruleset = _syscall(_CREATE_RULESET, handled, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return
    reading = _FS_READ_FILE | _FS_READ_DIR
    on_files = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | (_FS_TRUNCATE if abi >= _FS_TRUNCATE_OF_ABI else 0)
    try:
        _allow(ruleset, _libraries(), reading | _FS_EXECUTE, on_files)
        _allow(ruleset, map(Path, _DEVICES), reading | _FS_WRITE_FILE, on_files)
        _allow(ruleset, bounds.readable, reading, on_files)
        _allow(ruleset, bounds.writable, all_actions & ~_FS_EXECUTE, on_files)
        _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[Path], actions: int, on_files: int) -> None:
    for path in paths:
        with suppress(OSError):  # what is not there cannot be opened anyway
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                allowed = actions if path.is_dir() else actions & on_files
                rule = struct.pack("=Qi", allowed, descriptor)
                _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0))
            finally:
                os.close(descriptor)


@cache
def _libraries() -> Sequence[Path]:
    """Where this interpreter, its packages and the ffmpeg command lie."""
    import imageio_ffmpeg

    places = {*_SYSTEM, sys.prefix, sys.base_prefix, *site.getsitepackages(), *filter(None, sys.path)}
    with suppress(RuntimeError):  # there is none
        places.add(imageio_ffmpeg.get_ffmpeg_exe())
    return [Path(place) for place in sorted(places)]
