"""Runs `sr upscale` until its first frame is there, and says when that was; the process that `bench.cold_start` times.

    python -m bench.first_frame JOB

The command is the real one, from its entry point on; only the display of its progress is replaced, by one that ends the
process at the first frame. Prints the time (CLOCK_MONOTONIC, the same for all processes of a machine) and the seconds
that loading the network took.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sr_core.progress import Progress


def main(job: str) -> int:
    """Never returns when all goes well: the process ends at the first frame."""
    from sr_core.cli.main import main as sr

    loading = {"seconds": 0.0}

    @contextmanager
    def display() -> Iterator[Progress]:
        _time_loading(loading)

        def on_progress(stage: object, done_frames: int, total_frames: int) -> None:  # noqa: ARG001
            print(time.monotonic(), loading["seconds"], flush=True)
            raise SystemExit(0)

        yield on_progress

    with patch("sr_core.cli.stage.progress_display", display):
        return sr(["upscale", "--job", job, "--chunk", "0"])


def _time_loading(loading: dict[str, float]) -> None:
    """Adds up the time in `models.loading.load`, without its imports."""
    from sr_core.models.loading import load

    def timed(*arguments: Any) -> Any:
        started = time.monotonic()
        network = load(*arguments)
        loading["seconds"] += time.monotonic() - started
        return network

    patch("sr_core.inference.upscaler.load", timed).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
