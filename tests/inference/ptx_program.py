"""A kernel's instructions and the GPU's memory, for `ptx`."""

import re
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Lanes = NDArray[Any]
"""One number for each thread of a block."""


class Instruction(NamedTuple):
    guard: str | None
    """A predicate, with ``!`` before it if it must not hold."""
    name: str
    operands: list[str]


class Program:
    """One kernel of a compiled source. Raises KeyError where there is none of that name."""

    def __init__(self, text: str, name: str) -> None:
        bodies = dict(re.findall(r"\.entry (\w+)\(.*?\n\{\n(.*?)\n\}\n", text, re.DOTALL))
        self.parameters = re.findall(rf"{name}_param_\d+(?=,?\n)", text)
        self.instructions: list[Instruction] = []
        self.labels: dict[str, int] = {}
        for line in bodies[name].splitlines():
            line = line.split("//")[0].strip()
            if label := re.fullmatch(r"(\$\w+):", line):
                self.labels[label[1]] = len(self.instructions)
            elif line and not line.startswith("."):
                found = re.fullmatch(r"(?:@(!?%p\d+)\s+)?([\w.:]+)\s*(.*?);", line)
                assert found, f"not understood: {line}"
                operands = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+", found[3])
                self.instructions.append(Instruction(found[1], found[2], operands))


class Memory:
    """The GPU's: arrays in one space of addresses, with nothing between them."""

    _GAP = 4096

    def __init__(self) -> None:
        self.content = np.zeros(0, np.uint8)
        self._is_there = np.zeros(0, np.bool_)

    def hold(self, values: Tensor) -> int:
        """Copies a tensor into it, and returns its address."""
        raw = values.contiguous().view(torch.uint8).numpy().ravel()
        gap = self._GAP + -len(raw) % 16
        address = len(self.content) + self._GAP
        self.content = np.concatenate([self.content, np.zeros(self._GAP, np.uint8), raw, np.zeros(gap, np.uint8)])
        self._is_there = np.concatenate(
            [self._is_there, np.zeros(self._GAP, np.bool_), np.ones(len(raw), np.bool_), np.zeros(gap, np.bool_)]
        )
        return address

    def places(self, addresses: Lanes, size: int) -> Lanes:
        """(threads, size): where the bytes of these words lie. Fails where nothing is."""
        places = addresses.astype(np.int64)[:, None] + np.arange(size)
        assert not np.any(addresses % size), "words lie at multiples of their size"
        assert self._is_there[places].all(), "beyond what was given"
        return places
