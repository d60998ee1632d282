"""Runs compiled kernels (PTX) on a CPU: what a block's threads would do, instruction by instruction, side by side.

It knows the instructions of layer.cu's kernels and no others; their meaning, and where the operands of tensor cores
lie, are the PTX manual's (9.0). Threads that part meet again at the first instruction that any of them has yet to
execute, so that missing barriers do not show: they do in `emulated`.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.inference.ptx_program import Lanes, Memory, Program
from tests.inference.ptx_tensor_cores import load_matrices, multiply

_KINDS = {"p": np.bool_, "rs": np.uint16, "r": np.uint32, "rd": np.uint64, "f": np.float32}
_TYPES = {
    **{f"{sign}{bits}": np.dtype(f"{kind}{bits // 8}") for sign, kind in ("uu", "si", "bu") for bits in (16, 32, 64)},
    "f32": np.dtype(np.float32),
}
_WIDER = {16: 32, 32: 64}
_COMPARED: dict[str, Callable[[Lanes, Lanes], Lanes]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_COMPUTED: dict[str, Callable[..., Lanes]] = {
    # The product of two fp32 numbers is exact in fp64
    "fma.rn": lambda a, b, c: (a.astype(np.float64) * b + c).astype(np.float32),
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "mul.lo": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.logical_not,
    "mad.lo": lambda a, b, c: a * b + c,
    "mov": lambda a: a,
    "cvta.to.global": lambda a: a,
    "shl": lambda a, b: a << b.astype(a.dtype),
    "shr": lambda a, b: a >> b.astype(a.dtype),
}


class _Block:
    """One block of threads on its way through a program."""

    def __init__(
        self, program: Program, arguments: list[int], memory: Memory, index: tuple[int, ...], sizes: tuple[int, int]
    ) -> None:
        threads, shared_bytes = sizes
        self._program, self._memory = program, memory
        self._arguments = dict(zip(program.parameters, arguments, strict=True))
        self._shared = np.full(shared_bytes, 0xFF, np.uint8)
        self._special = {
            f"%ctaid.{axis}": np.full(threads, at, np.uint32) for axis, at in zip("xyz", index, strict=True)
        }
        self._special["%tid.x"] = np.arange(threads, dtype=np.uint32)
        self._registers: dict[str, Lanes] = {}
        self._at = np.zeros(threads, np.int64)
        self._copies: list[tuple[Lanes, Lanes]] = []

    def run(self) -> None:
        end = len(self._program.instructions)
        while (place := int(self._at.min())) < end:
            here = self._at == place
            guard, name, operands = self._program.instructions[place]
            self._at[here] += 1
            if guard is not None:
                here = here & (self._registers[guard.lstrip("!")] != guard.startswith("!"))
            if name == "bra":
                self._at[here] = self._program.labels[operands[0]]
            elif name == "ret":
                self._at[here] = end
            else:
                self._execute(name, operands, here)

    def _execute(self, name: str, operands: list[str], here: Lanes) -> None:
        operation, _, kind = name.rpartition(".")
        if name in ("bar.sync", "bar.warp.sync"):
            assert here.all(), "a barrier for all"
        elif name.startswith(("ldmatrix.", "mma.")):
            assert here.all(), "a warp's threads together"
            self._together(name, operands)
        elif name.startswith("cp.async"):
            self._copy(name, operands, here)
        elif name.startswith(("ld.global", "ld.shared", "st.global", "st.shared")):
            self._move(name, operands, here)
        elif name.startswith("ld.param"):
            self._set(operands[0], np.full(len(here), self._arguments[operands[1][1:-1]], np.uint64), here)
        elif name.startswith("setp."):
            compare, kind = name.split(".")[1:]
            values = [self._value(each, kind) for each in operands[1:]]
            self._set(operands[0], _COMPARED[compare](*values), here)
        elif operation == "selp":
            one, other = (self._value(each, kind) for each in operands[1:3])
            self._set(operands[0], np.where(self._registers[operands[3]], one, other), here)
        elif operation.startswith("cvt."):
            self._set(operands[0], self._converted(operation, self._value(operands[1], kind)), here)
        elif operation == "mul.wide":
            wide = f"{kind[0]}{_WIDER[int(kind[1:])]}"
            one, other = (self._value(each, kind).astype(_TYPES[wide]) for each in operands[1:])
            self._set(operands[0], one * other, here)
        elif operation == "mul.hi":
            one, other = (self._value(each, kind).astype(np.int64) for each in operands[1:])
            self._set(operands[0], (one * other) >> 32, here)
        elif operation == "bfi":
            value, into = (self._value(each, kind) for each in operands[1:3])
            first, count = (self._value(each, "u32").astype(value.dtype) for each in operands[3:])
            mask = (value.dtype.type(1) << count) - value.dtype.type(1) << first
            self._set(operands[0], into & ~mask | value << first & mask, here)
        elif name == "mov.b32" and operands[1].startswith("{"):
            low, high = (self._value(each, "u16").astype(np.uint32) for each in _listed(operands[1]))
            self._set(operands[0], low | high << np.uint32(16), here)
        else:
            compute = _COMPUTED.get(operation)
            assert compute is not None, f"an instruction that is not known: {name}"
            self._set(operands[0], compute(*(self._value(each, kind) for each in operands[1:])), here)

    def _value(self, operand: str, kind: str) -> Lanes:
        """Of an operand, taken as a type."""
        lanes = len(self._at)
        if operand in self._special:
            return self._special[operand]
        if operand == "memory":  # shared memory begins at 0
            return np.zeros(lanes, np.uint64)
        if operand.startswith("%"):
            value = self._registers[operand]
            dtype = value.dtype if kind == "pred" else _TYPES[kind]
            return value if value.dtype == dtype else value.view(dtype)
        if operand.startswith("0f"):
            return np.full(lanes, int(f"0x{operand[2:]}", 0), np.uint32).view(np.float32)
        bits = 64 if kind == "pred" else int(kind[1:])
        return np.full(lanes, int(operand, 0) % (1 << bits), f"u{bits // 8}").view(_TYPES[kind])

    def _set(self, register: str, value: Lanes, here: Lanes) -> None:
        found = re.fullmatch(r"%([a-z]+)\d+", register)
        assert found, register
        dtype = np.dtype(_KINDS[found[1]])
        if value.dtype.itemsize == dtype.itemsize and value.dtype != dtype:
            value = value.view(dtype)
        before = self._registers.get(register, np.zeros(len(here), dtype))
        self._registers[register] = np.where(here, value.astype(dtype), before)

    @staticmethod
    def _converted(operation: str, value: Lanes) -> Lanes:
        match operation.split(".")[1:]:
            case ["rn", "f16"]:
                return torch.from_numpy(value.copy()).to(torch.float16).view(torch.uint16).numpy()
            case ["rn", "bf16"]:
                return torch.from_numpy(value.copy()).to(torch.bfloat16).view(torch.uint16).numpy()
            case ["rmi", "f32"]:
                return np.floor(value)
            case ["rzi", "u32"]:
                return value.astype(np.uint32)
            case [kind]:
                return value.astype(_TYPES[kind])
        raise AssertionError(f"a conversion that is not known: {operation}")

    def _addresses(self, operand: str) -> Lanes:
        register, _, offset = operand[1:-1].partition("+")
        base = self._value(register, {"r": "u32", "rd": "u64"}[register.strip("%0123456789")])
        return base.astype(np.int64) + int(offset or 0)

    def _words(self, where: str, addresses: Lanes, size: int) -> tuple[NDArray[np.uint8], Lanes]:
        """The memory, and the places (threads, size) of words in it."""
        if where == "global":
            return self._memory.content, self._memory.places(addresses, size)
        assert not np.any(addresses % size), "words lie at multiples of their size"
        assert bool(np.all((addresses >= 0) & (addresses + size <= len(self._shared)))), "beyond shared memory"
        return self._shared, addresses[:, None] + np.arange(size)

    def _move(self, name: str, operands: list[str], here: Lanes) -> None:
        """Loads and stores, of one number or four."""
        if not here.any():
            return
        way, where = name.split(".")[:2]
        kind = name.rsplit(".", 1)[1]
        size = int(kind[1:]) // 8
        registers, place = operands if way == "ld" else operands[::-1]
        named = _listed(registers)
        memory, places = self._words(where, self._addresses(place)[here], size * len(named))
        for number, register in enumerate(named):
            word = places[:, size * number : size * number + size]
            if way == "ld":
                loaded = np.zeros(len(here), _TYPES[kind])
                loaded[here] = memory[word].view(_TYPES[kind])[:, 0]
                self._set(register, loaded, here)
            else:
                memory[word] = self._value(register, "u32")[here, None].view(np.uint8)[:, :size]

    def _copy(self, name: str, operands: list[str], here: Lanes) -> None:
        """Copies past the registers come when they are waited for."""
        if name == "cp.async.wait_all":
            for places, content in self._copies:
                self._shared[places] = content
            self._copies.clear()
            return
        to, source = (self._addresses(each)[here] for each in operands[:2])
        assert operands[2] == "16"
        _, places = self._words("shared", to, 16)
        content = self._memory.content[self._memory.places(source, 16)]
        self._copies.append((places, np.where((self._value(operands[3], "u32")[here] == 16)[:, None], content, 0)))

    def _together(self, name: str, operands: list[str]) -> None:
        everyone = np.ones(len(self._at), np.bool_)
        if name.startswith("ldmatrix."):
            assert name == "ldmatrix.sync.aligned.m8n8.x4.shared.b16"
            _, places = self._words("shared", self._addresses(operands[1]), 16)
            for register, value in zip(_listed(operands[0]), load_matrices(self._shared[places]), strict=True):
                self._set(register, value, everyone)
            return
        left, right = ([self._value(each, "u32") for each in _listed(operand)] for operand in operands[1:3])
        sums = [self._value(each, "f32") for each in _listed(operands[3])]
        for register, result in zip(_listed(operands[0]), multiply(name, left, right, sums), strict=True):
            self._set(register, result, everyone)


def _listed(operand: str) -> list[str]:
    return re.findall(r"[^{},\s]+", operand)


def run(
    program: Program, arguments: Sequence[Tensor | int], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
) -> None:
    """Runs all blocks; what they write goes back into the tensors, which must be contiguous."""
    memory = Memory()
    tensors = [each for each in arguments if isinstance(each, Tensor)]
    addresses = [memory.hold(each) for each in tensors]
    sizes = [each for each in arguments if not isinstance(each, Tensor)]
    with np.errstate(over="ignore"):
        for index in _indices(grid):
            _Block(program, [*addresses, *sizes], memory, index, (threads, shared_bytes)).run()
    for tensor, address in zip(tensors, addresses, strict=True):
        raw = memory.content[address : address + tensor.nbytes]
        tensor.view(torch.uint8).view(-1).copy_(torch.from_numpy(raw.copy()))


def _indices(grid: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    columns, rows, count = grid
    return ((x, y, z) for z in range(count) for y in range(rows) for x in range(columns))
