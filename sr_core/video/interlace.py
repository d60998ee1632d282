"""Interlaced frames: made progressive one by one, and film that was spread over them (telecine) recognised.

Only frames that the decoder marks as interlaced are changed, so a broadcast that switches keeps its progressive parts.
There are as many frames afterwards as before, at the same times.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from sr_core.timestamps import FrameTable
from sr_core.video.formats import target_of
from sr_core.video.frames import Plane

_COLUMN_STEP = 4
"""Columns looked at when fields are compared: enough to see motion."""
_MOVED_CODES = 1.0
"""Mean difference, in 8-bit codes, from which a field is held to show motion."""
_REPEAT_RATIO = 2.0
"""How much more one field must have changed than the other for the other to be held a repeat."""
_FEW_REPEATS = 5
_CADENCE_FRAMES = 5
_IN_PHASE_SHARE = 0.6
"""Of the repeats, those that keep the cadence; an edit shifts it, and one in five would keep it by chance."""
_FIELD_SECONDS = Fraction(1001, 60000)


class Deinterlacer:
    """Feeds decoded frames through bwdif ("Bob Weaver", as in the BBC's R&D report WHP 102, with yadif's checks)."""

    def __init__(self) -> None:
        self.interlaced_count = 0
        self._graph: Graph | None = None

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Takes the next frame, and gives those that are done: it looks one frame ahead."""
        self.interlaced_count += frame.interlaced_frame
        if self._graph is None:
            self._graph = _graph(frame)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterator[av.VideoFrame]:
        """The rest, after the last frame."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()

    def _pull(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None, "it is made for the first frame"
        while True:
            try:
                frame: Any = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame


def _graph(frame: av.VideoFrame) -> Graph:
    """buffer → format → bwdif → sink, for frames like this one."""
    target = target_of(frame.format.name)
    assert target is not None, "probing refuses other pixel formats"
    name = frame.format.name if frame.format.name.startswith("yuvj") else target.format.name
    graph = Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
        ),
        graph.add("format", pix_fmts=name),
        graph.add("bwdif", mode="send_frame", parity="auto", deint="interlaced"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph


class PulldownDetector:
    """Looks for fields that are shown twice in the cadence of 3:2 pulldown, in frames given in order."""

    def __init__(self) -> None:
        self._before: tuple[NDArray[np.int32], ...] = ()
        self._count = 0
        self._repeats = tuple([0] * _CADENCE_FRAMES for _ in range(2))
        """For the top and the bottom field: how many repeats fell on each of five frames."""

    def add(self, luma: Plane, *, bit_depth: int) -> None:
        fields = tuple(luma[first::2, ::_COLUMN_STEP].astype(np.int32) for first in (0, 1))
        before, self._before = self._before, fields
        self._count += 1
        if not before or before[0].shape != fields[0].shape:
            return
        code = 1 << (bit_depth - 8)
        top, bottom = (float(np.abs(now - then).mean()) / code for now, then in zip(fields, before, strict=True))
        if max(top, bottom) < _MOVED_CODES:
            return
        for repeats, own, other in zip(self._repeats, (top, bottom), (bottom, top), strict=True):
            repeats[self._count % _CADENCE_FRAMES] += own * _REPEAT_RATIO < other

    @property
    def is_pulldown(self) -> bool:
        """Whether each field is repeated once in five frames: film at four fifths of the rate."""
        return all(
            sum(repeats) >= _FEW_REPEATS and max(repeats) > _IN_PHASE_SHARE * sum(repeats) for repeats in self._repeats
        )


def has_soft_pulldown(frames: FrameTable) -> bool:
    """Whether frames last two and three fields in turn, as MPEG-2 has it with its flag `repeat_first_field`."""
    two = round(2 * _FIELD_SECONDS / frames.time_base)
    three = round(3 * _FIELD_SECONDS / frames.time_base)
    kinds = [2 if abs(step - two) <= 1 else 3 if abs(step - three) <= 1 else 0 for step in _steps(frames)]
    turns = sum(1 for one, other in pairwise(kinds) if {one, other} == {2, 3})
    return len(kinds) >= 4 * _CADENCE_FRAMES and turns > len(kinds) * 0.8


def _steps(frames: FrameTable) -> list[int]:
    return [later - earlier for earlier, later in pairwise(frames.pts)]
