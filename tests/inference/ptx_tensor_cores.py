"""What the threads of a warp do together on tensor cores: PTX manual 9.0, "ldmatrix" and "Matrix Fragments for mma".

Numbers lie in the threads' registers as there: `groupID` is a lane's number over four, `threadID_in_group` the rest.
"""

import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_LANE = np.arange(32)
_GROUP, _IN_GROUP = _LANE // 4, _LANE % 4


def load_matrices(rows: NDArray[np.uint8]) -> list[NDArray[np.uint32]]:
    """Four 8×8 matrices of 16 bits a warp.

    Args:
        rows: (threads, 16): the bytes that each thread names; threads 8i to 8i + 7 of a warp name the rows of the i-th.

    Returns:
        for each matrix the word of each thread: row `lane / 4`, the two numbers from column `2 · (lane % 4)` on.
    """
    words = rows.reshape(-1, 4, 8, 16).view(np.uint32)  # warp, matrix, row, word
    return [words[:, matrix][:, _GROUP, _IN_GROUP].reshape(-1) for matrix in range(4)]


def multiply(
    name: str, left: list[NDArray[Any]], right: list[NDArray[Any]], sums: list[NDArray[Any]]
) -> list[NDArray[np.float32]]:
    """``mma.sync.aligned.m16n8k8`` or ``…k16``, row by column, of fp16 or bf16 into fp32: sums + left · right."""
    found = re.fullmatch(r"mma\.sync\.aligned\.m16n8k(8|16)\.row\.col\.f32\.(f16|bf16)\.\2\.f32", name)
    assert found, f"a multiplication that is not known: {name}"
    depth, kind = int(found[1]), {"f16": torch.float16, "bf16": torch.bfloat16}[found[2]]
    warps = len(sums[0]) // 32
    one = np.zeros((warps, 16, depth), np.float32)
    other = np.zeros((warps, depth, 8), np.float32)
    for number, register in enumerate(left):
        for half, values in enumerate(_halves(register, kind)):
            # a0, a1: row groupID; a2, a3: row groupID + 8; a4 to a7: the same, eight columns further
            one[:, _GROUP + number % 2 * 8, _IN_GROUP * 2 + half + number // 2 * 8] = values
    for number, register in enumerate(right):
        for half, values in enumerate(_halves(register, kind)):
            other[:, _IN_GROUP * 2 + half + number * 8, _GROUP] = values
    product = one @ other
    # c0, c1: row groupID; c2, c3: row groupID + 8
    places = [(_GROUP + number // 2 * 8, _IN_GROUP * 2 + number % 2) for number in range(4)]
    return [before + product[:, row, column].reshape(-1) for before, (row, column) in zip(sums, places, strict=True)]


def _halves(register: NDArray[Any], kind: torch.dtype) -> list[NDArray[np.float32]]:
    """The two numbers of a register, the one in its lower half first, by warp and lane."""
    both = torch.from_numpy(register.copy().view(np.uint16)).view(kind).float().numpy().reshape(-1, 32, 2)
    return [both[..., 0], both[..., 1]]
