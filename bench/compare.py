"""Holds an upscaled file against its source, by decoding both with PyAV alone.

Shares no code with `sr_core`, so that a mistake there cannot hide here; the rule for colours that a file leaves unsaid
is written down once more. The first video stream is compared, picture by picture, so that length costs nothing.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

LEAST_PSNR_DB = 30.0
"""Of luma, in every frame."""
MOST_MEAN_SHIFT = 1.0
"""Of each plane, in every frame, in code values of 8 bits."""
_MATROSKA_TOLERANCE_SECONDS = Fraction(1, 2000)
_SOUND_TOLERANCE_SECONDS = Fraction(1, 1000)
"""Of an audio packet's time, on top of what the container rounds to."""
_UNSPECIFIED, _BT709, _BT470BG, _SMPTE170M = 2, 1, 5, 6
"""Matrix codes of ITU-T H.273, table 4."""
_LIMITED, _FULL = 1, 2
"""libavutil's AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG."""

Samples = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found. `problems` is empty when everything holds."""

    frames_in: int
    frames_out: int
    worst_time_error_seconds: float
    """Over all frames that both have."""
    audio_packets: int
    """Of all audio streams of the source."""
    psnr_db: float
    """Of luma, source against the scaled down result, over the whole clip; infinite when they are equal."""
    worst_psnr_db: float
    """Of the worst frame."""
    mean_shifts: tuple[float, ...]
    """Result minus source, mean of each plane over the whole clip, in code values of 8 bits."""
    worst_mean_shift: float
    """Largest absolute value in any plane of any frame."""
    problems: tuple[str, ...]


def compare(source: Path, result: Path, *, scale: int = 2) -> Comparison:
    """Compares pictures, times, tags and sound. `scale` is how much larger the result's sides are."""
    with av.open(str(source)) as before, av.open(str(result)) as after:
        tolerance = _MATROSKA_TOLERANCE_SECONDS if "matroska" in after.format.name else Fraction(0)
        picture = _Picture(scale, tolerance)
        for old, new in zip_longest(before.decode(before.streams.video[0]), after.decode(after.streams.video[0])):
            picture.add(old, new)
        shapes = _shape_problems(before.streams.video[0], after.streams.video[0], scale)
    packets, sound_problems = _compare_sound(source, result, tolerance)
    return picture.comparison(packets, (*shapes, *sound_problems))


def area_average(plane: Samples, scale: int) -> Samples:
    """Sums of `scale` × `scale` blocks of an (H, W) plane: (H // scale, W // scale), so `scale`² times the average."""
    height, width = (side // scale for side in plane.shape)
    blocks = plane[: height * scale, : width * scale].reshape(height, scale, width, scale)
    return np.asarray(blocks.sum(axis=(1, 3)))


def psnr_db(squared_error: float, sample_count: int, peak: int) -> float:
    """Peak signal-to-noise ratio of a summed squared error; infinite when there is none."""
    return math.inf if squared_error == 0 else 10 * math.log10(peak**2 * sample_count / squared_error)


def expected_tags(frame: Any) -> tuple[int, int, int, int]:
    """(matrix, range, primaries, transfer) that the result must bear for a source frame.

    An unspecified matrix is BT.601 up to 576 lines and 1024 columns and BT.709 above, an unspecified range limited; the
    two codes of BT.601 mean the same coefficients and become one.
    """
    matrix = int(frame.colorspace)
    if matrix in (_UNSPECIFIED, 0):
        matrix = _SMPTE170M if frame.height <= 576 and frame.width <= 1024 else _BT709
    is_full = int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj")
    return (
        _SMPTE170M if matrix == _BT470BG else matrix,
        _FULL if is_full else _LIMITED,
        int(frame.color_primaries),
        int(frame.color_trc),
    )


class _Picture:
    """Gathers what the frames show."""

    def __init__(self, scale: int, tolerance: Fraction) -> None:
        self._scale, self._tolerance = scale, tolerance
        self._frames_in = self._frames_out = 0
        self._worst_time_error = Fraction(0)
        self._squared_error, self._luma_samples = 0.0, 0
        self._shift_sums: list[float] = []
        self._worst_psnr_db, self._worst_shift = math.inf, 0.0
        self._peak = 255
        self._problems: dict[str, str] = {}
        """The first of each kind."""

    def add(self, old: Any, new: Any) -> None:
        """Compares two frames; either may be None where one file has more than the other."""
        index = self._frames_in
        self._frames_in += old is not None
        self._frames_out += new is not None
        if old is None or new is None:
            return
        self._compare_times(old, new, index)
        if index == 0:
            self._compare_tags(old, new)
        size = (old.width * self._scale, old.height * self._scale)
        if (new.width, new.height) != size or _planar(new) != _planar(old):
            self._note(
                "picture", f"frame {index} is {new.width}×{new.height} {new.format.name}, not {size} {_planar(old)}"
            )
            return
        self._compare_samples(old, new, index)

    def _compare_times(self, old: Any, new: Any, index: int) -> None:
        if old.pts is None or new.pts is None:
            self._note("time", f"frame {index} has no time")
            return
        error = abs(new.pts * Fraction(new.time_base) - old.pts * Fraction(old.time_base))
        self._worst_time_error = max(self._worst_time_error, error)
        if error > self._tolerance:
            self._note("time", f"frame {index} is shown {float(error) * 1000:.3f} ms off")

    def _compare_tags(self, old: Any, new: Any) -> None:
        found = (int(new.colorspace), int(new.color_range), int(new.color_primaries), int(new.color_trc))
        if found != expected_tags(old):
            self._note("tags", f"colour tags are {found}, not {expected_tags(old)}")

    def _compare_samples(self, old: Any, new: Any, index: int) -> None:
        depth = old.format.components[0].bits
        self._peak = (1 << depth) - 1
        area = self._scale**2
        shifts = []
        for number, (before, after) in enumerate(zip(_planes(old), _planes(new), strict=True)):
            reduced = area_average(after, self._scale)
            error = reduced - area * before[: reduced.shape[0], : reduced.shape[1]]
            shifts.append(float(error.sum()) / (error.size * area) / (1 << (depth - 8)))
            if number == 0:
                squared = float(np.square(error).sum()) / area**2
                self._squared_error += squared
                self._luma_samples += error.size
                self._worst_psnr_db = min(self._worst_psnr_db, psnr_db(squared, error.size, self._peak))
        self._shift_sums = [total + shift for total, shift in zip(self._shift_sums or [0.0] * 3, shifts, strict=False)]
        self._worst_shift = max(self._worst_shift, *map(abs, shifts))
        if self._worst_psnr_db <= LEAST_PSNR_DB:
            self._note("luma", f"frame {index}: PSNR of luma {self._worst_psnr_db:.1f} dB")
        if self._worst_shift >= MOST_MEAN_SHIFT:
            self._note("mean", f"frame {index}: a plane's mean shifts by {self._worst_shift:.2f} code values")

    def _note(self, kind: str, problem: str) -> None:
        self._problems.setdefault(kind, problem)

    def comparison(self, audio_packets: int, other_problems: tuple[str, ...]) -> Comparison:
        if self._frames_in != self._frames_out:
            self._note("count", f"{self._frames_in} frames in, {self._frames_out} out")
        compared = min(self._frames_in, self._frames_out) or 1
        return Comparison(
            frames_in=self._frames_in,
            frames_out=self._frames_out,
            worst_time_error_seconds=float(self._worst_time_error),
            audio_packets=audio_packets,
            psnr_db=psnr_db(self._squared_error, self._luma_samples, self._peak),
            worst_psnr_db=self._worst_psnr_db,
            mean_shifts=tuple(total / compared for total in self._shift_sums),
            worst_mean_shift=self._worst_shift,
            problems=(*self._problems.values(), *other_problems),
        )


def _planar(frame: Any) -> str:
    """The pixel format; the old names for full range say nothing about depth or subsampling."""
    return str(frame.format.name).replace("yuvj", "yuv")


def _planes(frame: Any) -> Iterator[Samples]:
    """(height, width) of each plane, without the padding of its rows."""
    dtype = np.uint8 if frame.format.components[0].bits == 8 else np.dtype("<u2")
    for plane in frame.planes:
        rows = np.frombuffer(plane, dtype=dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
        yield rows[: plane.height, : plane.width].astype(np.int64)


def _shape_problems(before: Any, after: Any, scale: int) -> tuple[str, ...]:
    old, new = (stream.sample_aspect_ratio or Fraction(1) for stream in (before, after))
    size = tuple(side * scale for side in (before.codec_context.width, before.codec_context.height))
    found = (after.codec_context.width, after.codec_context.height)
    problems = []
    if old != new:
        problems.append(f"the sample aspect ratio is {new}, not {old}")
    if size != found:
        problems.append(f"the picture is {found[0]}×{found[1]}, not {size[0]}×{size[1]}")
    return tuple(problems)


def _compare_sound(source: Path, result: Path, tolerance: Fraction) -> tuple[int, tuple[str, ...]]:
    """Number of the source's audio packets, and what differs in payloads and times."""
    old, new = _sound(source), _sound(result)
    problems = []
    if len(old) != len(new):
        problems.append(f"{len(old)} audio streams in, {len(new)} out")
    for number, (before, after) in enumerate(zip(old, new, strict=False)):
        if [digest for digest, _ in before] != [digest for digest, _ in after]:
            problems.append(f"audio stream {number}: the packets are not the source's ({len(before)}, {len(after)})")
            continue
        error = max(
            (abs(late - early) for (_, early), (_, late) in zip(before, after, strict=True)), default=Fraction(0)
        )
        if error > tolerance + _SOUND_TOLERANCE_SECONDS:
            problems.append(f"audio stream {number}: a packet is played {float(error) * 1000:.3f} ms off")
    return sum(map(len, old)), tuple(problems)


def _sound(path: Path) -> list[list[tuple[bytes, Fraction]]]:
    """(sha256 of the payload, presentation time in seconds) of every packet, for each audio stream."""
    with av.open(str(path)) as container:
        found: dict[int, list[tuple[bytes, Fraction]]] = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if found else ():
            if packet.size:
                time = (packet.pts or 0) * Fraction(packet.time_base or 1)
                found[packet.stream_index].append((hashlib.sha256(bytes(packet)).digest(), time))
        return list(found.values())
