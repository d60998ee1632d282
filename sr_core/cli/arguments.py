"""How command lines are read: wrong usage is wrong input, told in one line. Knows no command."""

import argparse
import math
import re
from fractions import Fraction
from typing import NoReturn

from sr_core.errors import InputError

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


class Parser(argparse.ArgumentParser):
    """Raises InputError with one line instead of printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def count(text: str) -> int:
    """A number from 1 on. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def moment(text: str) -> Fraction:
    """Seconds, from ``12.5`` or ``1:02:12.5``. Raises ArgumentTypeError for anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write seconds (12.5) or 1:02:12.5")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds)


def dollars(text: str) -> float:
    """An amount of money. Raises ArgumentTypeError for anything but a positive number."""
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 < amount < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount in dollars, such as 12.50")
    return amount


def port(text: str) -> int:
    """A TCP port. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)
