"""`python -m localcloud VIDEO [-o OUTPUT] [--fault …]`: the deployed pipeline over one video, on this machine.

Shows states, chunks and jobs while it runs, and writes the output at the end. What it is given is looked at before
anything starts, by the code that looks at it for `sr run`; it is asked for by the code of `sr submit`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from localcloud.assembly import CloudAssembly, SynthesisError, synthesize
from localcloud.attempt import EXITED, SIGKILLED, Outcome
from localcloud.cloud import LOCAL_SETTINGS, LocalCloud
from localcloud.execution import Execution
from localcloud.faults import Fault, FaultError, Kind
from localcloud.live import lines, picture
from sr_core.aws.deployment import find_deployment
from sr_core.aws.executions import Executions
from sr_core.cli.arguments import Parser, count
from sr_core.contract import REPORT_KEY, CloudTier, ExitCode
from sr_core.delivery import AV1_PRESETS, CODEC_CONTAINERS, container_for, default_output
from sr_core.errors import InputError, SrError
from sr_core.model_files import find_deployed
from sr_core.storage import check_publishable, fetch_source, is_same_place, open_store, publish
from sr_core.submission import Asked, prepare, submit
from sr_core.types import Settings

_EPILOG = f"""a fault is KIND[=VALUE]:STAGE[/CHUNK][:TIMES][@MOMENT], for instance reclaim:upscale:1,
vanish:upscale/0:3@before-1, exit=69:upscale/1 or no-capacity:extract (localcloud/faults.py says what each does);
kinds: {", ".join(Kind)}"""
_LOOK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    console = Console(stderr=True)
    try:
        return _demo(_parser().parse_args(arguments), console)
    except FaultError as error:
        _say(console, f"error: {error}")
        return ExitCode.INPUT
    except SrError as error:
        _say(console, f"error: {error}")
        return error.exit_code


def _demo(options: argparse.Namespace, console: Console) -> int:
    faults = [Fault.parse(text) for text in options.fault]
    options.output = options.output or default_output(options.video, options.codec)
    _check_places(options)
    with tempfile.TemporaryDirectory(prefix="localcloud-") as folder:
        try:
            assembly = _assembly(options.assembly, Path(folder), console)
        except SynthesisError as error:
            _say(console, f"error: the stacks do not synthesize: {error}")
            return ExitCode.INTERNAL
        same = " ".join(f"--{name} {value}" for name, value in _settings(options).items())
        _say(console, f"the bytes will be those of: sr run {same}")
        os.environ.pop("AWS_PROFILE", None)  # nothing here is to find a real account
        with LocalCloud(
            assembly, Path(folder) / "cloud", slots=options.slots, chunk_segments=options.chunk_segments
        ) as cloud:
            return _run(cloud, options, faults, console)


def _check_places(options: argparse.Namespace) -> None:
    """Raises InputError where `sr run` would not read VIDEO or not write OUTPUT."""
    for place in (options.video, options.output):
        if "://" in place:
            raise InputError(f"{place}: the local cloud reads and writes files of this machine; give a path")
    fetch_source(options.video, Path())  # a local file is its own
    container_for(options.output, _settings(options)["codec"])
    if is_same_place(options.video, options.output):
        raise InputError(f"{options.output} is the input itself; choose another output")
    check_publishable(options.output, overwrite=options.overwrite)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What `sr run` would have to be told for the same bytes."""
    return {**LOCAL_SETTINGS, "kernels": options.kernels, "codec": options.codec, "preset": options.preset}


def _run(cloud: LocalCloud, options: argparse.Namespace, faults: list[Fault], console: Console) -> int:
    cloud.fail_with(*faults)
    execution = _watched(cloud, _submitted(cloud, options), console)
    if execution.status == "FAILED" and options.again:
        _tell_failure(execution, console)
        console.print("the same request once more, without faults", style="bold")
        cloud.fail_with()
        execution = _watched(cloud, _submitted(cloud, options), console)
    if execution.status != "SUCCEEDED":
        _tell_failure(execution, console)
        return (
            ExitCode.INTERRUPTED
            if execution.status == "ABORTED"
            else exit_code([attempt.outcome for attempt in cloud.attempts])
        )
    size_bytes = _deliver(cloud.read(execution.output()["output"]), options)
    attempts = f"{len(cloud.jobs())} jobs, {len(cloud.attempts)} attempts, {len(cloud.plan.befallen)} faults"
    _say(console, f"{options.output}: {size_bytes / 1e6:.1f} MB; {attempts}")
    _say(console, _used(json.loads(cloud.read(f"{execution.output()['job']}/{REPORT_KEY}"))))
    return ExitCode.OK


def _submitted(cloud: LocalCloud, options: argparse.Namespace) -> Execution:
    """The execution that `sr submit` starts, which finds the deployment as it would find any."""
    settings = Settings(**_settings(options), tier=options.tier)
    deployment = find_deployment(state_machine=cloud.deployment.state_machines["UpscaleVideo"])
    asked = Asked(
        settings=settings,
        model=find_deployed(settings, open_store(deployment.models), cloud.folder),
        output=f"s3://{cloud.bucket('Output')}/upscaled{Path(options.output).suffix}",
        critical=options.critical,
    )
    found = prepare(options.video, asked, deployment, cloud.folder, with_estimate=False)
    executions = Executions(deployment.region)
    arn = submit(found, asked, deployment, executions, accelerate=False).execution
    assert arn is not None, "nothing was there before"
    return Execution(cloud.client("stepfunctions"), arn)


def exit_code(outcomes: Sequence[Outcome | None]) -> ExitCode:
    """What the last attempt of a failed execution that ended by itself ended with.

    Killed for its memory, it had too little. What no attempt ended with is a defect.
    """
    ended = [outcome for outcome in outcomes if outcome is not None and outcome.status_reason == EXITED]
    codes = [outcome.exit_code for outcome in ended if outcome.exit_code]
    code = ExitCode.HOST_CAPACITY if codes[-1:] == [SIGKILLED] else codes[-1] if codes else ExitCode.INTERNAL
    return ExitCode(code) if code in set(ExitCode) else ExitCode.INTERNAL


def _used(report: dict[str, Any]) -> str:
    """What the report says of machine time; the machines are this one, under the names of others."""
    times = (
        f"{each['stage']} {each['seconds']:.1f} s on {each['instance_type']} ({each['market']})"
        for each in report["cost"]["used"]
    )
    usd = report["cost"]["usd"]
    price = "no price is listed for those" if usd is None else f"{usd:.5f} $ by listed prices, were they real"
    return f"{REPORT_KEY}: {', '.join(times)}; {price}"


def _deliver(data: bytes, options: argparse.Namespace) -> int:
    with tempfile.NamedTemporaryFile(prefix="localcloud-") as file:
        file.write(data)
        file.flush()
        publish(Path(file.name), options.output, overwrite=options.overwrite)
    return len(data)


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
    _say(console, f"{found['status']}: {found.get('error')}: {found.get('cause')}")


def _say(console: Console, text: str) -> None:
    """As it is: a name may hold brackets, and a line is one line."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _assembly(folder: Path | None, scratch: Path, console: Console) -> CloudAssembly:
    if folder is not None and (folder / "manifest.json").is_file():
        return CloudAssembly(folder)
    console.print("synthesizing the stacks …", style="dim")
    return synthesize(folder or scratch / "cdk.out")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m localcloud", description=__doc__, epilog=_EPILOG)
    parser.add_argument("video", metavar="VIDEO", help="a video file")
    parser.add_argument(
        "-o", "--output", metavar="OUTPUT", help="the result: .mp4, .m4v, .mov, .mkv … (VIDEO's name with -upscaled)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    parser.add_argument("--fault", metavar="FAULT", action="append", default=[], help="what shall go wrong; repeatable")
    parser.add_argument("--again", action="store_true", help="after a failure, start the same request without faults")
    parser.add_argument("--critical", action="store_true", help="one attempt on Spot, then On-Demand")
    parser.add_argument("--codec", choices=tuple(CODEC_CONTAINERS), default="h264", help="(%(default)s)")
    parser.add_argument(
        "--preset", choices=tuple(AV1_PRESETS), default="medium", metavar="P", help="of the encoder (%(default)s)"
    )
    parser.add_argument(
        "--kernels",
        choices=("torch", "winograd"),
        default=LOCAL_SETTINGS["kernels"],
        help="what computes; winograd, which plans for CPUs take, needs a C compiler when installed (%(default)s)",
    )
    parser.add_argument(
        "--tier", choices=tuple(CloudTier), default=CloudTier.CPU, help="kind of machine that upscales (%(default)s)"
    )
    parser.add_argument(
        "--chunk-segments", type=count, default=1, metavar="N", help="segments in a chunk (%(default)s)"
    )
    parser.add_argument("--slots", type=count, default=2, metavar="N", help="jobs that run at once (%(default)s)")
    parser.add_argument("--assembly", type=Path, metavar="DIR", help="what `cdk synth` wrote; made if not there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
