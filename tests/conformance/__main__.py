"""`python -m tests.conformance`: runs every case, says what fails, and writes docs/conformance.md if it ran all."""

import argparse
import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from tests.pipeline.commands import PRELOADED, SINGLE_THREAD, Commands
from tests.reference import MEDIA

from .cases import CASES
from .run import Outcome, make_copying_network, run_case
from .table import table

_PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("-k", metavar="TEXT", default="", help="only cases with this in their title; writes nothing")
    options = parser.parse_args()
    chosen = [case for case in CASES if options.k in case.title]
    if not MEDIA.is_dir():
        missing = [case for case in chosen if isinstance(case.source, str)]
        print(f"{len(missing)} cases of real clips are left out: set SR_REFERENCE_MEDIA", file=sys.stderr)  # noqa: T201
        chosen = [case for case in chosen if case not in missing]
    os.environ.update(SINGLE_THREAD)
    get_context("forkserver").set_forkserver_preload(PRELOADED)
    outcomes: list[Outcome] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        network = make_copying_network(Path(folder) / "copy.safetensors")
        for number, case in enumerate(chosen):
            here = Path(folder) / f"{number:03d}"
            here.mkdir()
            before = time.monotonic()
            outcome = run_case(case, Commands(here, Path(folder) / f"notes-{number:03d}"), network)
            outcomes.append(outcome)
            mark = "FAIL" if outcome.failures else "ok"
            print(f"{mark:4} {case.title} ({time.monotonic() - before:.1f} s)", flush=True)  # noqa: T201
            for failure in outcome.failures:
                print(f"       {failure.what}: {failure.detail}", flush=True)  # noqa: T201
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    seconds = time.monotonic() - started
    print(f"{len(outcomes)} cases, {failed} failed, in {seconds:.0f} s")  # noqa: T201
    if len(outcomes) == len(CASES):
        _PAGE.write_text(table(outcomes))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
