"""One `sr` command in a process of its own, and what that process cost.

``python -m bench.command COST_FILE ARGUMENT …`` runs `sr ARGUMENT …` and writes its cost as JSON.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class CommandFailed(Exception):
    """A command ended with another exit code than 0. The message is its last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process used from its start to its end."""

    peak_memory_bytes: int
    """Largest resident set, as the kernel counted it (VmHWM)."""
    cpu_seconds: float


def sr(*arguments: str | Path) -> Cost:
    """Runs `sr` with these arguments. Raises CommandFailed."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    with tempfile.NamedTemporaryFile(prefix="sr-bench-", suffix=".json") as file:
        outcome = subprocess.run(
            [sys.executable, "-m", "bench.command", file.name, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode:
            lines = outcome.stderr.strip().splitlines() or [f"exit code {outcome.returncode}"]
            raise CommandFailed(f"sr {arguments[0]}: {lines[-1]}")
        return Cost(**json.loads(Path(file.name).read_text()))


def _main(arguments: Sequence[str]) -> int:
    from sr_core.cli.main import main

    code = main(arguments[1:])
    Path(arguments[0]).write_text(json.dumps(asdict(_own_cost())))
    return code


def _own_cost() -> Cost:
    # Not ru_maxrss: it starts with what the parent held when it forked.
    status = Path("/proc/self/status").read_text()
    (peak_line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(peak_memory_bytes=int(peak_line.split()[1]) * 1024, cpu_seconds=usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
