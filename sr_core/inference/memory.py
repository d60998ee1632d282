"""How much memory there is for a network, and whether an error tells that it was too little."""

import os
from contextlib import suppress
from pathlib import Path

import torch

_OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container's own control group, of the second version or the first, says what it may use."""


def memory_bytes() -> int:
    """What this process may use: the machine's memory, or less where its container's is limited."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int(Path(path).read_text()))
    return min(found)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error tells of: the CPU's, and those of a GPU's libraries, are plain RuntimeErrors."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)
