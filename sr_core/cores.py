"""How many cores this process may use. Knows nothing of what they are used for."""

import os


def core_count() -> int:
    """Those that this process may run on; on systems that do not say which these are (macOS), all there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
