"""What may be typed after `sr`: commands, options, their help, and what wrong usage is answered with.

Knows no command's code, only the names of their modules.
"""

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from sr_core import __version__
from sr_core.cli.arguments import Parser, count, dollars, moment, port
from sr_core.cli.settings import add_network, add_settings, add_tier
from sr_core.contract import (
    ENV_SERVE,
    FLAG_CHUNK,
    FLAG_HOST,
    FLAG_INPUT_BUCKET,
    FLAG_JOB,
    FLAG_MAX_BYTES,
    FLAG_OUTPUT_BUCKET,
    FLAG_QUEUE,
    PROGRAM,
    SERVE,
    Stage,
)
from sr_core.errors import InputError

_DESCRIPTION = (
    "Upscales video two or four times and carries over the rest: frame times, sound, subtitles, chapters, tags."
)
_EPILOG = """exit codes: 0 done · 64 the input or an option is wrong · 65 data is damaged beyond redoing · 69 out of GPU
memory · 71 out of memory or disk · 74 a transfer failed, try again · 75 interrupted, the same command goes on"""
_STAGE_HELP = {
    Stage.EXTRACT: "look at a job's source, plan, and cut it into chunks",
    Stage.UPSCALE: "upscale the segments of one chunk",
    Stage.ENCODE: "encode the mezzanine segments of one chunk for delivery",
    Stage.ASSEMBLE: "join the segments, add the rest of the source, check, publish",
}
_OUTLOOK_HELP = {
    "probe": "say what is in a video file and what `sr run` would do about it, or why it would not",
    "estimate": "say what a video would take on AWS in hours and dollars, before anything runs",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command that is called.

    They hold the command's `module` and `parser`, whether it `is_work` that can be gone on with, whether it
    `reads_media`, and which modules its `readers_import` for that.

    Raises InputError for wrong usage, SystemExit once help or the version is printed.
    """
    arguments = _with_environment(arguments)
    try:
        options, excess = _parser().parse_known_args(arguments)
        if excess:
            options.parser.error(f"unrecognized arguments: {' '.join(excess)}")
    except InputError as error:
        raise _with_hint(error, arguments) from None
    return options


def _with_environment(arguments: Sequence[str]) -> Sequence[str]:
    """Before the options of `sr serve`, those that the environment holds."""
    if not arguments or arguments[0] != SERVE:
        return arguments
    try:
        return [SERVE, *shlex.split(os.environ.get(ENV_SERVE, "")), *arguments[1:]]
    except ValueError as error:
        raise InputError(f"{ENV_SERVE}: {error}; write options as a shell takes them") from None


def _with_hint(error: InputError, arguments: Sequence[str]) -> InputError:
    """Where the name of a file was taken for an option, or there are several, says how to write it."""
    message = str(error)
    is_excess, is_lack = "unrecognized arguments" in message, "required" in message or "expected" in message
    for argument in arguments:
        is_blamed = is_lack or (is_excess and argument in message)
        if is_blamed and argument.startswith("-") and Path(argument).suffix[1:].isalnum() and "=" not in argument:
            return InputError(f"{argument} is taken for an option; if it is a file, write ./{argument}")
    excess = message.partition(";")[0]
    if is_excess and " -" not in excess:
        return InputError(f"{excess}; quote a name with spaces, and call it once for each of several files (--help)")
    return error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(json=False, is_work=False, reads_media=False, readers_import=())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    for name, text in _OUTLOOK_HELP.items():
        _add_outlook(commands, name, text)
    for stage in Stage:
        _add_stage(commands, stage)
    _add_submit(commands)
    _add_status(commands)
    _add_compare(commands)
    _add_serve(commands)
    _add_models(commands)
    doctor = _add(commands, "doctor", "say what this machine has: codecs, ffmpeg, torch, GPU, credentials")
    _add_json(doctor)
    return parser


def _add(commands: "argparse._SubParsersAction[Parser]", name: str, text: str, module: str | None = None) -> Parser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
    parser.set_defaults(module=module or name, parser=parser)
    return parser


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output (docs/json.md)")


def _add_run(commands: "argparse._SubParsersAction[Parser]") -> None:
    run = _add(commands, "run", "upscale a video on this machine; called again, go on where it stopped")
    run.set_defaults(is_work=True, reads_media=True)
    run.add_argument("input", metavar="INPUT", help="a video file, or s3://bucket/key")
    run.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="the result: .mp4, .m4v, .mov, .mkv or .webm, or s3://… (INPUT's name with -upscaled, beside it)",
    )
    run.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    add_settings(run)
    run.add_argument(
        "--work-dir", metavar="DIR", help="where unfinished work is kept (.sr-work beside a local OUTPUT, else here)"
    )
    run.add_argument(
        "--chunk-segments", type=count, metavar="N", help="segments in a chunk; does not change the result"
    )
    _add_json(run)


def _add_submit(commands: "argparse._SubParsersAction[Parser]") -> None:
    submit = _add(commands, "submit", "upscale videos on AWS: upload them if need be, and start an execution for each")
    submit.set_defaults(reads_media=True)
    submit.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="a video file, or s3://bucket/key in a bucket that is read there"
    )
    submit.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="s3://bucket/key, or s3://bucket/folder/ for any number of results (below the deployment's output bucket)",
    )
    submit.add_argument("--overwrite", action="store_true", help="replace what lies there, even if it is this result")
    submit.add_argument("--critical", action="store_true", help="one attempt on Spot, then On-Demand")
    submit.add_argument(
        "--budget",
        type=dollars,
        metavar="USD",
        help="start nothing if all that is asked for would take more on On-Demand machines, by `sr estimate`",
    )
    where = submit.add_mutually_exclusive_group()
    where.add_argument("--stack", metavar="NAME", help="the deployment: its config's name (the only one in the region)")
    where.add_argument("--state-machine", metavar="ARN", help="the deployment: ARN of its UpscaleVideo")
    submit.add_argument(
        "--no-acceleration", action="store_true", help="upload without Transfer Acceleration, which costs by the byte"
    )
    submit.add_argument(
        "--wait", action="store_true", help="watch until all have ended; Ctrl-C stops no more than that"
    )
    add_settings(submit)
    add_tier(submit)
    _add_json(submit)


def _add_outlook(commands: "argparse._SubParsersAction[Parser]", name: str, text: str) -> None:
    """A command that looks at a video and says what a job with the same settings would be."""
    parser = _add(commands, name, text)
    parser.set_defaults(reads_media=True)
    parser.add_argument("input", metavar="INPUT", help="a video file, or s3://bucket/key, which is downloaded whole")
    add_settings(parser)
    if name == "estimate":
        add_tier(parser)
    _add_json(parser)


def _add_compare(commands: "argparse._SubParsersAction[Parser]") -> None:
    compare = _add(commands, "compare", "show and measure what an upscaled video is worth, as one HTML page")
    compare.set_defaults(reads_media=True)
    compare.add_argument("source", metavar="SOURCE", help="the video as it was: a file, or s3://bucket/key")
    compare.add_argument("output", metavar="OUTPUT", help="what was made of it, as large or larger")
    compare.add_argument(
        "-o", "--page", metavar="PAGE.html", help="the page (OUTPUT's name with -compare.html, beside it)"
    )
    compare.add_argument("--overwrite", action="store_true", help="replace PAGE if it exists")
    shown = compare.add_mutually_exclusive_group()
    shown.add_argument(
        "--frames", type=count, default=6, metavar="N", help="pictures to show, 24 at most (%(default)s)"
    )
    shown.add_argument(
        "--at", type=moment, nargs="+", default=[], metavar="TIME", help="show these instead: 12.5, 1:02:12.5"
    )
    compare.add_argument(
        "--reference", metavar="FILE", help="the true video of OUTPUT's size: measure OUTPUT and bicubic against it"
    )
    _add_json(compare)


def _add_serve(commands: "argparse._SubParsersAction[Parser]") -> None:
    serve = _add(commands, SERVE, "upscale stills over HTTP: GET /ping, POST /invocations (docs/realtime.md)")
    serve.set_defaults(reads_media=True, readers_import=("sr_core.serving.pictures",))
    serve.add_argument(FLAG_HOST, default="127.0.0.1", metavar="ADDRESS", help="to listen at (%(default)s)")
    serve.add_argument("--port", type=port, default=8080, metavar="N", help="SageMaker asks 8080 (%(default)s)")
    add_network(serve)
    bounds = serve.add_argument_group("what may be asked")
    bounds.add_argument(
        FLAG_QUEUE,
        type=count,
        default=8,
        metavar="N",
        help="requests under way; beyond, 503 is the answer (%(default)s)",
    )
    bounds.add_argument(
        FLAG_MAX_BYTES,
        type=count,
        default=6 * 1024 * 1024,
        metavar="N",
        help="of a picture that is sent or answered with; as SageMaker's (%(default)s)",
    )
    bounds.add_argument(
        "--max-pixels", type=count, default=3840 * 2160, metavar="N", help="of a picture that comes (%(default)s)"
    )
    bounds.add_argument(
        "--timeout",
        type=count,
        default=55,
        metavar="SECONDS",
        help="to the answer, waiting included; SageMaker waits for 60 (%(default)s)",
    )
    for flag, text in ((FLAG_INPUT_BUCKET, "fetched from"), (FLAG_OUTPUT_BUCKET, "put into")):
        bounds.add_argument(
            flag, action="append", default=[], metavar="NAME", help=f"a bucket that pictures may be {text} (none)"
        )


def _add_models(commands: "argparse._SubParsersAction[Parser]") -> None:
    models = _add(commands, "models", "list the networks that can be used, or pull one that does not ship")
    models.set_defaults(pull=None)
    _add_json(models)
    actions = models.add_subparsers(title="actions", metavar="ACTION")
    pull = actions.add_parser("pull", help="download a published network into the model store (SR_MODELS)")
    pull.set_defaults(parser=pull)
    pull.add_argument("pull", metavar="NAME", help="a network of `sr models`")
    pull.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as for `sr models`")


def _add_status(commands: "argparse._SubParsersAction[Parser]") -> None:
    status = _add(commands, "status", "say how far a job or an execution on AWS is, without touching it")
    status.add_argument(
        "job", metavar="JOB", help="the job folder: a directory or s3://bucket/prefix; or an execution's ARN"
    )
    _add_json(status)


def _add_stage(commands: "argparse._SubParsersAction[Parser]", stage: Stage) -> None:
    parser = _add(commands, stage.value, _STAGE_HELP[stage], module="stage")
    parser.set_defaults(stage=stage, is_work=True, reads_media=True)
    parser.add_argument(
        FLAG_JOB, required=True, metavar="URI", help="the job folder: a directory or s3://bucket/prefix"
    )
    if stage in (Stage.UPSCALE, Stage.ENCODE):
        parser.add_argument(FLAG_CHUNK, required=True, type=int, metavar="N", help="index of the chunk, from 0")
    if stage == Stage.EXTRACT:
        parser.add_argument(
            "--chunk-segments", type=count, metavar="N", help="segments in a chunk; does not change the result"
        )
    _add_json(parser)
