"""`python -m localcloud VIDEO -o OUTPUT [--fault …]`: the deployed pipeline over one video, on this machine.

Shows states, chunks and jobs while it runs, and writes the output at the end.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from localcloud.assembly import CloudAssembly, SynthesisError, synthesize
from localcloud.cloud import LOCAL_SETTINGS, LocalCloud
from localcloud.execution import Execution
from localcloud.faults import Fault, FaultError, Kind
from localcloud.live import lines, picture
from sr_core.contract import ExitCode

_EPILOG = f"""a fault is KIND[=VALUE]:STAGE[/CHUNK][:TIMES][@MOMENT], for instance reclaim:upscale:1,
vanish:upscale/0:3@before-1, exit=69:upscale/1 or no-capacity:extract (localcloud/faults.py says what each does);
kinds: {", ".join(Kind)}"""
_LOOK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        faults = [Fault.parse(text) for text in options.fault]
        if not options.video.is_file():
            raise FaultError(f"{options.video} is not a file; give a video")
        if not options.output.absolute().parent.is_dir():
            raise FaultError(f"{options.output.parent} is not a folder; create it first")
    except FaultError as error:
        console.print(f"error: {error}", highlight=False)
        return ExitCode.INPUT
    with tempfile.TemporaryDirectory(prefix="localcloud-") as folder:
        try:
            assembly = _assembly(options.assembly, Path(folder), console)
        except SynthesisError as error:
            console.print(f"error: the stacks do not synthesize: {error}", highlight=False)
            return ExitCode.INTERNAL
        os.environ.pop("AWS_PROFILE", None)  # nothing here is to find a real account
        with LocalCloud(
            assembly, Path(folder) / "cloud", slots=options.slots, chunk_segments=options.chunk_segments
        ) as cloud:
            return _run(cloud, options, faults, console)


def _run(cloud: LocalCloud, options: argparse.Namespace, faults: list[Fault], console: Console) -> int:
    request = {
        "input": cloud.upload(options.video),
        "settings": {**LOCAL_SETTINGS, "preset": options.preset},
        "critical": options.critical,
    }
    cloud.fail_with(*faults)
    execution = _watched(cloud, cloud.start("UpscaleVideo", request), console)
    if execution.status == "FAILED" and options.again:
        _tell_failure(execution, console)
        console.print("the same request once more, without faults", style="bold")
        cloud.fail_with()
        execution = _watched(cloud, cloud.start("UpscaleVideo", request), console)
    if execution.status != "SUCCEEDED":
        _tell_failure(execution, console)
        return ExitCode.INTERRUPTED if execution.status == "ABORTED" else ExitCode.INTERNAL
    data = cloud.read(execution.output()["output"])
    options.output.write_bytes(data)
    attempts = f"{len(cloud.jobs())} jobs, {len(cloud.attempts)} attempts, {len(cloud.plan.befallen)} faults"
    console.print(f"{options.output}: {len(data) / 1e6:.1f} MB; {attempts}", highlight=False)
    return ExitCode.OK


def _watched(cloud: LocalCloud, execution: Execution, console: Console) -> Execution:
    """Shows the execution until it ends; Ctrl-C aborts it."""
    seen: set[str] = set()
    try:
        if not console.is_terminal:
            while True:
                is_over = execution.status != "RUNNING"
                for line in lines(cloud, execution):
                    if line.key not in seen:
                        seen.add(line.key)
                        console.print(line.text, highlight=False, soft_wrap=True)
                if is_over:
                    return execution
                time.sleep(_LOOK_SECONDS)
        with Live(console=console, get_renderable=lambda: picture(cloud, execution), refresh_per_second=5):
            while execution.status == "RUNNING":
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        execution.abort()
        execution.wait()
    return execution


def _tell_failure(execution: Execution, console: Console) -> None:
    found = execution.describe()
    console.print(f"{found['status']}: {found.get('error')}: {found.get('cause')}", highlight=False)


def _assembly(folder: Path | None, scratch: Path, console: Console) -> CloudAssembly:
    if folder is not None and (folder / "manifest.json").is_file():
        return CloudAssembly(folder)
    console.print("synthesizing the stacks …", style="dim")
    return synthesize(folder or scratch / "cdk.out")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__, epilog=_EPILOG)
    parser.add_argument("video", metavar="VIDEO", type=Path)
    parser.add_argument("-o", "--output", metavar="OUTPUT", type=Path, required=True)
    parser.add_argument("--fault", metavar="FAULT", action="append", default=[], help="what shall go wrong; repeatable")
    parser.add_argument("--again", action="store_true", help="after a failure, start the same request without faults")
    parser.add_argument("--critical", action="store_true", help="one attempt on Spot, then On-Demand")
    parser.add_argument("--preset", default="medium", help="of the encoder (%(default)s)")
    parser.add_argument("--chunk-segments", type=int, default=1, metavar="N", help="segments in a chunk (%(default)s)")
    parser.add_argument("--slots", type=int, default=2, metavar="N", help="jobs that run at once (%(default)s)")
    parser.add_argument("--assembly", type=Path, metavar="DIR", help="what `cdk synth` wrote; made if not there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
