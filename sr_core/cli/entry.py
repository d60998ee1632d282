"""Where `sr` begins: a request to stop counts while the rest of the program is still being imported."""

import os
import signal
import sys
from types import FrameType

from sr_core.contract import PROGRAM, ExitCode


def main() -> int:
    """What the installed script calls. Later, the command itself decides what a signal does (`signals`)."""
    _replace_closed_streams()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from sr_core.cli.main import main as call

    return call()


def _replace_closed_streams() -> None:
    """Where the caller has closed a standard stream, nothing takes its place.

    Else the next file that is opened would have its number, and receive what libraries write to it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != descriptor:
                os.dup2(nothing, descriptor)
                os.close(nothing)
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", encoding="utf-8"))  # noqa: SIM115, PTH123


def _stop(_number: int, _frame: FrameType | None) -> None:
    """At once: nothing has begun, or everything has ended."""
    os.write(2, f"{PROGRAM}: stopped\n".encode())
    os._exit(ExitCode.INTERRUPTED)
