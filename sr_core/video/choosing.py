"""Which frames of a video are shown to people: those asked for, or the richest in detail of equal parts of it.

Frames are offered one by one, and at most two are held: the same video always gives the same choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from sr_core.video.frames import Planes, from_av
from sr_core.video.pairing import Shown

_ROW_STEP = 4
"""Rows looked at: enough to see detail, and fields of interlaced frames never meet."""
_LEAST_DETAIL_CODES = 0.5
"""Mean difference of neighbours, in 8-bit codes, below which a frame is black, white or empty."""

_ROUNDING_SECONDS = Fraction(1, 2000)
"""Times are told to a millisecond: what was told means the same frame when it is asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is shown at one time: the source's frame and the output's."""

    index: int
    source: Shown
    output: Shown


class Choice(Protocol):
    """Takes all frames in order and gives those that are chosen, in order, each once."""

    def offer(self, candidate: Candidate) -> Iterator[Candidate]: ...

    def rest(self) -> Iterator[Candidate]: ...


def choice(count: int, times: Sequence[Fraction], duration_seconds: float) -> Choice:
    """At the `times`, if there are any; otherwise `count` frames spread over the duration."""
    return _At(times) if times else _ByDetail(count, Fraction(duration_seconds).limit_denominator(1_000_000))


class _At:
    """The frames that are on the screen at given times."""

    def __init__(self, times: Sequence[Fraction]) -> None:
        self._times = sorted(set(times))
        self._current: Candidate | None = None

    def offer(self, candidate: Candidate) -> Iterator[Candidate]:
        chosen = False
        while self._times and candidate.source.seconds > self._times[0] + _ROUNDING_SECONDS:
            if self._current is None:  # before the first frame, which is then the nearest
                break
            self._times.pop(0)
            chosen = True
        if chosen and self._current is not None:
            yield self._current
        self._current = candidate

    def rest(self) -> Iterator[Candidate]:
        if self._times and self._current is not None:
            yield self._current


class _ByDetail:
    """From each of as many equal parts of the video, the frame in which neighbouring samples differ most."""

    def __init__(self, count: int, duration: Fraction) -> None:
        self._part_seconds = duration / count
        self._count = count
        self._part = 0
        self._start: Fraction | None = None
        self._best: Candidate | None = None
        self._best_detail = 0.0
        self._fallback: Candidate | None = None
        """Where the whole video is empty, its first frame."""

    def offer(self, candidate: Candidate) -> Iterator[Candidate]:
        if self._start is None:
            self._start, self._fallback = candidate.source.seconds, candidate
        passed = candidate.source.seconds - self._start
        part = min(int(passed / self._part_seconds), self._count - 1) if self._part_seconds else 0
        if part != self._part:
            yield from self._take()
            self._part = part
        detail = detail_codes(from_av(candidate.source.frame))
        if detail >= _LEAST_DETAIL_CODES and detail > self._best_detail:
            self._best, self._best_detail = candidate, detail

    def rest(self) -> Iterator[Candidate]:
        yield from self._take()
        if self._fallback is not None:
            yield self._fallback

    def _take(self) -> Iterator[Candidate]:
        if self._best is not None:
            yield self._best
            self._fallback = None
        self._best, self._best_detail = None, 0.0


def detail_codes(planes: Planes) -> float:
    """Mean difference of a luma (or green) sample from its right neighbour, in codes of 8 bits."""
    rows = planes.planes[0][::_ROW_STEP].astype(np.int32)
    if rows.shape[1] < 2:
        return 0.0
    return float(np.abs(np.diff(rows, axis=1)).mean()) / (1 << (planes.format.bit_depth - 8))
