"""How command lines are read: wrong usage is wrong input, told in one line. Knows no command."""

import argparse
from typing import NoReturn

from sr_core.errors import InputError


class Parser(argparse.ArgumentParser):
    """Raises InputError with one line instead of printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def count(text: str) -> int:
    """A number from 1 on. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
