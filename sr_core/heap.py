"""The C library's heap, in which a network's layers lie, and how it is kept: so that the kernel need not clear memory.

It maps, clears and unmaps memory anew for each layer otherwise: up to a third of the processor's time, where
pictures are large (bench/README.md). Only glibc knows these settings (mallopt(3)); elsewhere nothing happens.
"""

import ctypes

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
_KEPT_BYTES = 1 << 30


def use_one_heap() -> None:
    """To be called before the process has a second thread: those that come are given no heaps of their own.

    Such a heap cannot hold a block of 64 MiB, which is a layer of 1280×720, and gives all back that is free.
    """
    _set({_M_ARENA_MAX: 1})


def keep_freed_memory() -> None:
    """Keeps blocks of up to 1 GiB, and as much in all, for whoever asks next."""
    _set({_M_MMAP_THRESHOLD: _KEPT_BYTES, _M_TRIM_THRESHOLD: _KEPT_BYTES})


def _set(options: dict[int, int]) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    for option, value in options.items():
        mallopt(option, value)
