"""Frames in their order: what each is, what comes of it, and which of those that were made in part are checked.

Here is what the two ways that reuse parts of frames on a CPU, `sequence` and `layered`, have in common.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from sr_core.inference.conversion import ConversionOf
from sr_core.types import ColorInfo

CHECK_EVERY = 500
"""Partly computed frames from one check to the next: it costs a whole frame."""


class Format(NamedTuple):
    """What planes mean: see `color.planes_to_rgb`."""

    chroma: str
    bit_depth: int
    color: ColorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A frame that was upscaled."""

    planes: tuple[Tensor, ...]
    """(1, height, width) each, as `Conversion.planes` gives them."""
    computed_share: float = 1.0
    """What went through the network, surroundings included, over what a whole frame would be; at most 1."""
    busy_seconds: float = 0.0
    """For how long threads were at work on it, together."""


@dataclass(eq=False, slots=True)
class Step:
    """One frame, to be upscaled by whichever thread comes to it."""

    planes: tuple[Tensor, ...]
    """(1, height, width) each, on the engine's device."""
    format: Format
    result: "Future[Result]" = field(default_factory=Future)

    def is_like(self, other: "Step") -> bool:
        """Whether the two can be compared: they have one format and one size."""
        return self.format == other.format and _sizes(self.planes) == _sizes(other.planes)

    def rgb(self, conversion: ConversionOf, *, quarter_turns: int) -> Tensor:
        """float32 (1, 3, height, width), turned clockwise."""
        rgb = conversion(*self.format).rgb(self.planes)
        return torch.rot90(rgb, -quarter_turns, dims=(2, 3)) if quarter_turns else rgb


class Checks:
    """Says which of the frames that were computed in part are to be computed whole as well; to any threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.partly_computed = 0
        """Frames so far."""

    def is_due(self) -> bool:
        """Whether the next one is; to be asked once for each: the first, and one in every `CHECK_EVERY`, are."""
        with self._lock:
            self.partly_computed += 1
            return self.partly_computed % CHECK_EVERY == 1


def _sizes(planes: Sequence[Tensor]) -> list[torch.Size]:
    return [plane.shape for plane in planes]
