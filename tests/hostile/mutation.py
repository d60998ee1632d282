"""Spoiling files as transfers, disks and attackers do, the same way for the same seed.

A mutation knows nothing of the format; the numbers that it writes over others are those that parsers trip on.
"""

import random
import struct
from collections.abc import Callable

_HEADER_BYTES = 2048
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def _flip_a_few(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _flip_many(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(max(8, len(data) // chance.choice((100, 1000, 5000)))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _cut_off(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randint(1, len(data) - 1)]


def _edit_header(data: bytearray, chance: random.Random) -> bytearray:
    """Where sizes, counts and codes stand: at the start, or at the end, where QuickTime often has its index."""
    start = 0 if chance.random() < 0.6 else max(0, len(data) - _HEADER_BYTES)
    for _ in range(chance.randint(1, 6)):
        _overwrite(data, start + chance.randrange(min(_HEADER_BYTES, len(data))), chance)
    return data


def _edit_anywhere(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randint(1, 12)):
        _overwrite(data, chance.randrange(len(data)), chance)
    return data


def _lose_a_block(data: bytearray, chance: random.Random) -> bytearray:
    start, size = _block(data, chance)
    return data[:start] + data[start + size :]


def _blank_a_block(data: bytearray, chance: random.Random) -> bytearray:
    start, size = _block(data, chance)
    data[start : start + size] = bytes([chance.choice((0, 0xFF))]) * size
    return data


def _repeat_a_block(data: bytearray, chance: random.Random) -> bytearray:
    start, size = _block(data, chance)
    return data[: start + size] * 1 + data[start : start + size] * chance.randint(1, 20) + data[start + size :]


def _scramble_a_block(data: bytearray, chance: random.Random) -> bytearray:
    start, size = _block(data, chance)
    data[start : start + size] = chance.randbytes(size)
    return data


MUTATIONS: dict[str, Callable[[bytearray, random.Random], bytearray]] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _flip_a_few,
        _flip_many,
        _cut_off,
        _edit_header,
        _edit_anywhere,
        _lose_a_block,
        _blank_a_block,
        _repeat_a_block,
        _scramble_a_block,
    )
}


def mutate(data: bytes, kind: str, *, seed: int) -> bytes:
    """Spoils `data`, of at least two bytes, in the way that `kind` of `MUTATIONS` names."""
    return bytes(MUTATIONS[kind](bytearray(data), random.Random(f"{kind} {seed}")))


def _block(data: bytearray, chance: random.Random) -> tuple[int, int]:
    size = min(len(data) // 2, chance.choice((4, 64, 1024, 16384)))
    return chance.randrange(len(data) - size), size


def _overwrite(data: bytearray, position: int, chance: random.Random) -> None:
    value = chance.choice(_EXTREMES)
    for width, code in ((1, "B"), (2, ">H"), (4, ">I"), (8, ">Q")):
        if value < 1 << 8 * width and chance.random() < 0.5:
            field = struct.pack(code, value)
            data[position : position + width] = field[: len(data) - position]
            return
    data[position] = value & 0xFF
