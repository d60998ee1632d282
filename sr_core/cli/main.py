"""`sr`: calls the command, and is the one place where errors become exit codes.

Sub-commands are imported when they are called, so that `sr probe` does not wait for torch.
"""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial

from sr_core.cli.imports import import_uncollected
from sr_core.cli.output import OutputClosedError, note, show_json, standard_output
from sr_core.cli.parser import parse
from sr_core.cli.signals import interruptible, stopping_at_once
from sr_core.contract import PROGRAM, ExitCode
from sr_core.errors import HostCapacity, InputError, Interrupted, SrError
from sr_core.heap import use_one_heap
from sr_core.interruption import Interruption
from sr_core.onednn import keep_kernels
from sr_core.told import ToldError
from sr_core.video import nursery

_OF_INFERENCE = ("torch", "safetensors", "jinja2")
"""Modules that the images of the CPU stages, and whoever only deploys, do without."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    use_one_heap()
    keep_kernels()
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    options = argparse.Namespace(json="--json" in arguments, is_work=False)  # until they are parsed
    try:
        with standard_output():  # nothing but help is written here
            options = parse(arguments)
        told = _call(options)
    except OutputClosedError:
        return ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 — the last line of defence
        meant = _meaning(error, options)
        _tell(meant, as_json=options.json)
        if "stage" in options:
            _leave(meant, options)
        return meant.exit_code
    return ExitCode.OK if told is None else told.exit_code


def _call(options: argparse.Namespace) -> SrError | None:
    """Returns the error, if any, that the command has told itself, among other things."""
    # Before the import: torch takes seconds, and a request to stop must not be lost on the way.
    with _interruptible(options) if options.is_work else stopping_at_once() as options.interruption:
        if options.reads_media:
            nursery.start(also=options.readers_import)  # its imports go on beside those of torch
        told: SrError | None = import_uncollected(f"sr_core.cli.{options.module}").run(options)
    return told


def _interruptible(options: argparse.Namespace) -> AbstractContextManager[Interruption]:
    return interruptible(tell=partial(_tell, as_json=options.json))


def _meaning(error: BaseException, options: argparse.Namespace) -> SrError:
    """What an exception means to whoever called the command; of a defect, the traceback is shown."""
    match error:
        case SrError() if error.exit_code != ExitCode.INTERNAL:
            return error
        case KeyboardInterrupt():
            gone_on = "stopped at once; the same command goes on from what is finished"
            return Interrupted(gone_on if options.is_work else "stopped; nothing is left behind")
        case ModuleNotFoundError() if error.name in _OF_INFERENCE:
            return InputError(
                f"this needs {error.name}, which is not installed here: pip install '.[inference]'; "
                "extract in the cloud has none, and takes published networks and compact ones in .safetensors"
            )
        case MemoryError():
            remedy = ", or smaller tiles (--tile)" if options.is_work and "tile" in options else ""
            return HostCapacity(f"out of memory; use a machine with more{remedy}")
    traceback.print_exception(error)
    return SrError(f"a defect of this program: {type(error).__name__}: {error}")


def _tell(error: SrError, *, as_json: bool) -> None:
    told = ToldError.of(error)
    if as_json:
        with suppress(OutputClosedError, SrError):  # the exit code and the line below still tell
            show_json({"error": told.model_dump()}, indent=None)
    note(f"{PROGRAM}: {told.message}")


def _leave(error: SrError, options: argparse.Namespace) -> None:
    """Never in the way of the error itself. Of an interruption nothing is left: its time is for ending."""
    if error.exit_code != ExitCode.INTERRUPTED:
        with suppress(Exception, KeyboardInterrupt):
            import_uncollected("sr_core.cli.stage").leave_error(options, ToldError.of(error))
