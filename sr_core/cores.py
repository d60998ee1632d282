"""How many cores this process may use. Knows nothing of what they are used for."""

import os

from sr_core.contract import ENV_CORES
from sr_core.errors import InputError


def core_count() -> int:
    """Those that this process may run on; on systems that do not say which these are (macOS), all there are.

    No more than the environment allows it (`contract.ENV_CORES`): a job of AWS Batch sees all cores of its machine,
    however many it asked for. Raises InputError where that is no number from 1.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    there_are = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    allowed = os.environ.get(ENV_CORES, "")
    if not allowed:
        return there_are
    if not allowed.isdecimal() or int(allowed) < 1:
        raise InputError(f"{ENV_CORES}={allowed} is no number of cores; give one from 1, or leave it out")
    return min(there_are, int(allowed))
