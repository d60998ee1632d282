"""`sr`: the parser, and the one place where errors become exit codes.

Sub-commands are imported when they are called, so that `sr probe` does not wait for torch.
"""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn, get_args

from sr_core import __version__
from sr_core.cli.output import OutputClosedError, note, show_json, standard_output
from sr_core.cli.signals import interruptible, stopping_at_once
from sr_core.contract import FLAG_CHUNK, FLAG_JOB, PROGRAM, ExitCode, Stage
from sr_core.errors import HostCapacity, InputError, Interrupted, SrError
from sr_core.interruption import Interruption
from sr_core.types import Codec, ProresProfile, Settings
from sr_core.video import nursery

_DESCRIPTION = "Upscales video two to four times, keeping every frame, its time, and everything else in the file."
_EPILOG = """exit codes: 0 done · 64 the input or an option is wrong · 65 data is damaged beyond redoing · 69 out of GPU
memory · 71 out of memory or disk · 74 a transfer failed, try again · 75 interrupted, the same command goes on"""
_STAGE_HELP = {
    Stage.EXTRACT: "look at a job's source, plan, and cut it into chunks",
    Stage.UPSCALE: "upscale the segments of one chunk",
    Stage.ENCODE: "encode the mezzanine segments of one chunk for delivery",
    Stage.ASSEMBLE: "join the segments, add the rest of the source, check, publish",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    try:
        with standard_output():  # nothing but help is written here
            options = _parser().parse_args(arguments)
    except InputError as error:
        _tell(_with_hint(error, arguments), error.exit_code, as_json="--json" in arguments)
        return error.exit_code
    except SrError as error:
        _tell(error, error.exit_code, as_json=False)
        return error.exit_code
    except OutputClosedError:
        return ExitCode.OK
    try:
        # Before the import: torch takes seconds, and a request to stop must not be lost on the way.
        with _interruptible(options) if options.is_work else stopping_at_once() as options.interruption:
            if options.reads_media:
                nursery.start()  # its imports go on beside those of torch
            command = import_module(f"sr_core.cli.{options.module}")
            command.run(options)
    except SrError as error:
        _tell(error, error.exit_code, as_json=options.json, retry_helps=error.retry_helps)
        return error.exit_code
    except KeyboardInterrupt:
        at_once = Interrupted("stopped at once; the same command goes on from what is finished")
        _tell(at_once, at_once.exit_code, as_json=options.json, retry_helps=at_once.retry_helps)
        return at_once.exit_code
    except MemoryError:
        full = HostCapacity("out of memory; use a machine with more, or smaller tiles (--tile)")
        _tell(full, full.exit_code, as_json=options.json)
        return full.exit_code
    except OutputClosedError:
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 — the last line of defence
        traceback.print_exc()
        _tell(error, ExitCode.INTERNAL, as_json=options.json)
        return ExitCode.INTERNAL
    return ExitCode.OK


def _interruptible(options: argparse.Namespace) -> AbstractContextManager[Interruption]:
    def tell(error: Interrupted) -> None:
        _tell(error, error.exit_code, as_json=options.json, retry_helps=error.retry_helps)

    return interruptible(tell=tell)


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


def _tell(error: Exception, code: ExitCode, *, as_json: bool, retry_helps: bool = False) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    if as_json:
        answer = {
            "error": {
                "kind": type(error).__name__,
                "message": message,
                "exit_code": int(code),
                "retry_helps": retry_helps,
            }
        }
        with suppress(OutputClosedError, SrError):  # the exit code and the line below still tell
            show_json(answer, indent=None)
    prefix = "a defect of this program: " if code == ExitCode.INTERNAL else ""
    note(f"{PROGRAM}: {prefix}{message}")


class _Parser(argparse.ArgumentParser):
    """Wrong usage is wrong input: one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(json=False, is_work=False, reads_media=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_probe(commands)
    for stage in Stage:
        _add_stage(commands, stage)
    _add_models(commands)
    doctor = _add(commands, "doctor", "say what this machine has: codecs, ffmpeg, torch, GPU, credentials")
    _add_json(doctor)
    return parser


def _add(commands: "argparse._SubParsersAction[_Parser]", name: str, text: str, module: str | None = None) -> _Parser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
    parser.set_defaults(module=module or name)
    return parser


def _add_json(parser: _Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output (docs/json.md)")


def _add_run(commands: "argparse._SubParsersAction[_Parser]") -> None:
    defaults = Settings()
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
    network = run.add_argument_group("network")
    network.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a network of `sr models`, a checkpoint (.safetensors, .pth), or basicsr:OPTIONS.yml "
        "(the one that ships for the scale)",
    )
    network.add_argument(
        "--scale", type=int, metavar="N", help="2 or 4; with --model, refuse a network of another scale (2)"
    )
    network.add_argument("--device", choices=("auto", "cpu", "cuda"), default=defaults.device, help="(%(default)s)")
    network.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default=defaults.precision,
        help="auto: fp16 on GPUs, bf16 on CPUs that compute it natively, else fp32",
    )
    network.add_argument("--tile", type=int, metavar="PX", help="side of a tile in input pixels; whole frames if small")
    coding = run.add_argument_group("encoding")
    coding.add_argument(
        "--codec",
        choices=get_args(Codec),
        default=defaults.codec,
        help="h264, hevc: .mp4 .mov .mkv; av1: .mp4 .mkv .webm; prores: .mov .mkv; ffv1: .mkv (%(default)s)",
    )
    coding.add_argument(
        "--crf",
        type=int,
        metavar="N",
        help="0 best to 51 worst quality, for av1 to 63 (h264, hevc: 18; av1: 20; prores and ffv1 have none)",
    )
    coding.add_argument(
        "--preset", default=defaults.preset, metavar="P", help="ultrafast … veryslow, for h264, hevc, av1 (%(default)s)"
    )
    coding.add_argument(
        "--prores-profile", choices=get_args(ProresProfile), help="(hq, or 4444 for a source of full chroma)"
    )
    coding.add_argument(
        "--segment-codec",
        choices=("delivery", "mezzanine"),
        default=defaults.segment_codec,
        help="upscale writes the delivery codec itself, or lossless segments for `sr encode` (%(default)s)",
    )
    run.add_argument(
        "--deinterlace",
        choices=("auto", "off"),
        default=defaults.deinterlace,
        help="off: interlaced frames are upscaled as they are, woven (%(default)s)",
    )
    run.add_argument("--strict", action="store_true", help="refuse a damaged source instead of upscaling what decodes")
    run.add_argument(
        "--work-dir", metavar="DIR", help="where unfinished work is kept (.sr-work beside a local OUTPUT, else here)"
    )
    run.add_argument(
        "--chunk-segments", type=_count, metavar="N", help="segments in a chunk; does not change the result"
    )
    _add_json(run)


def _add_probe(commands: "argparse._SubParsersAction[_Parser]") -> None:
    probe = _add(commands, "probe", "say what is in a video file and what would be done about it")
    probe.set_defaults(reads_media=True)
    probe.add_argument("input", metavar="INPUT", help="a video file, or s3://bucket/key")
    probe.add_argument("--model", metavar="NAME|PATH", help="for the plan (the one that ships)")
    _add_json(probe)


def _add_models(commands: "argparse._SubParsersAction[_Parser]") -> None:
    models = _add(commands, "models", "list the networks that can be used, or pull one that does not ship")
    models.set_defaults(pull=None)
    _add_json(models)
    actions = models.add_subparsers(title="actions", metavar="ACTION")
    pull = actions.add_parser("pull", help="download a published network into the model store (SR_MODELS)")
    pull.add_argument("pull", metavar="NAME", help="a network of `sr models`")
    pull.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as for `sr models`")


def _add_stage(commands: "argparse._SubParsersAction[_Parser]", stage: Stage) -> None:
    parser = _add(commands, stage.value, _STAGE_HELP[stage], module="stage")
    parser.set_defaults(stage=stage, is_work=True, reads_media=True)
    parser.add_argument(
        FLAG_JOB, required=True, metavar="URI", help="the job folder: a directory or s3://bucket/prefix"
    )
    if stage in (Stage.UPSCALE, Stage.ENCODE):
        parser.add_argument(FLAG_CHUNK, required=True, type=int, metavar="N", help="index of the chunk, from 0")
    if stage == Stage.EXTRACT:
        parser.add_argument(
            "--chunk-segments", type=_count, metavar="N", help="segments in a chunk; does not change the result"
        )
    _add_json(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
