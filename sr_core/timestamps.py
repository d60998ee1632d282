"""The record of a source's frames: when each is shown, and its checksum.

Columns rather than objects, so that a film's 200,000 frames stay small: about 12 bytes a frame in memory. It is made by
the decoding pass of extract and is the only authority on times; containers between stages merely carry packets.
"""

import json
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Self

UNSTEADY = (1 << 64) - 1
"""In place of a checksum: the source is damaged there, and decoding it again may give another picture."""


@dataclass(slots=True)
class FrameTable:
    """Frames in the order in which they are shown."""

    time_base: Fraction
    """Seconds per unit of `pts`."""
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    """Presentation times, strictly increasing."""
    checksums: "array[int]" = field(default_factory=lambda: array("Q"))
    """`Planes.checksum` of each frame, or `UNSTEADY`."""
    last_duration: int = 0
    """How long the last frame is shown, in units of `time_base`."""

    def __len__(self) -> int:
        return len(self.pts)

    def append(self, pts: int, checksum: int) -> None:
        """Adds the next frame. Raises ValueError unless `pts` is later than the last one."""
        if self.pts and pts <= self.pts[-1]:
            raise ValueError(f"frame {len(self.pts)} at {pts} does not come after the one at {self.pts[-1]}")
        self.pts.append(pts)
        self.checksums.append(checksum)

    def seconds(self, index: int) -> Fraction:
        """When the frame is shown."""
        return self.pts[index] * self.time_base

    def duration(self, index: int) -> int:
        """How long the frame is shown, in units of `time_base`."""
        return self.pts[index + 1] - self.pts[index] if index + 1 < len(self.pts) else self.last_duration

    @property
    def total_seconds(self) -> Fraction:
        """From the first frame's start to the last one's end."""
        return (self.pts[-1] + self.last_duration - self.pts[0]) * self.time_base if self.pts else Fraction(0)

    def is_variable(self) -> bool:
        """Whether the distances between frames differ by more than rounding to the time base explains."""
        steps = {later - earlier for earlier, later in pairwise(self.pts)}
        return bool(steps) and max(steps) - min(steps) > 1

    def to_json(self) -> bytes:
        return (
            json.dumps(
                {
                    "time_base": str(self.time_base),
                    "last_duration": self.last_duration,
                    "pts": self.pts.tolist(),
                    "checksums": self.checksums.tolist(),
                },
                separators=(",", ":"),
            )
            + "\n"
        ).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Reads what `to_json` wrote. Raises ValueError or KeyError when it is not that."""
        content = json.loads(data)
        table = cls(
            time_base=Fraction(content["time_base"]),
            pts=array("q", content["pts"]),
            checksums=array("Q", content["checksums"]),
            last_duration=int(content["last_duration"]),
        )
        if len(table.pts) != len(table.checksums):
            raise ValueError("as many times as checksums are needed")
        return table
