"""Two videos, or three, looked at together in a process of its own: measured, and some frames made pictures.

Everything is decoded once. See `pairing` for which frames belong together, `difference` for the measures, `choosing`
for the frames that are shown and `rendering` for how they are shown.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sr_core.errors import InputError
from sr_core.likeness import Measured
from sr_core.types import VideoInfo
from sr_core.video import limits
from sr_core.video.bounds import bounds_for
from sr_core.video.choosing import Candidate, choice
from sr_core.video.confinement import Bounds
from sr_core.video.difference import Difference
from sr_core.video.frames import Planes
from sr_core.video.isolation import isolated
from sr_core.video.pairing import Video, paired
from sr_core.video.reader import Tell
from sr_core.video.rendering import ENLARGED_BY, REDUCED_BY, Renderer, displayed_size_px
from sr_core.video.source import Growth, NowAndThen, expect


@dataclass(frozen=True, slots=True)
class Pictures:
    """One time of both videos, as a player shows it: upright, in square samples, of the same size."""

    index: int
    """Of the frame, from 0."""
    seconds: Fraction
    """When it is shown, on the source's clock."""
    source: Planes
    """Enlarged to the output's size."""
    output: Planes


def compare_videos(
    source: Video,
    output: Video,
    reference: Video | None = None,
    *,
    count: int = 0,
    times: Sequence[Fraction] = (),
) -> Generator[int | Pictures, None, Measured]:
    """Compares every frame, in a reader.

    Yields how many frames there were so far, now and then, and the `Pictures` that are chosen, in order: of `count`
    frames with much detail, spread over the source, or at the given times.

    Raises InputError where the frames do not pair, or a file is over a limit or cannot be read.
    """
    videos = [source, output, *([reference] if reference is not None else [])]
    subject = " or ".join(str(video.path) for video in videos)
    arguments = [part for video in videos for part in (video.path, video.info)]
    watches = [Growth(video.path) for video in videos]

    def watch() -> None:
        for each in watches:
            each()

    bounds = bounds_of(videos)
    job = isolated(_compare, count, list(times), *arguments, subject=subject, bounds=bounds, while_waiting=watch)
    size = displayed_size_px(output.info)
    with closing(job):
        while True:
            try:
                told = next(job)
            except StopIteration as end:
                return expect(Measured, end.value, output.path)
            watch()
            if isinstance(told, int):
                yield told
            else:
                yield _pictures(told, size, output.path)


def bounds_of(videos: Sequence[Video], writable: Sequence[Path] = ()) -> Bounds:
    """What reading several videos at once may take."""
    each = [bounds_for(video.info) for video in videos]
    return Bounds(
        memory_bytes=min(sum(bounds.memory_bytes for bounds in each), limits.current().memory_bytes),
        cpu_seconds=sum(bounds.cpu_seconds for bounds in each),
        silence_seconds=each[0].silence_seconds,
        readable=tuple(video.path for video in videos),
        writable=tuple(writable),
    )


def _pictures(told: Any, size_px: tuple[int, int], path: Path) -> Pictures:
    match told:
        case (int(index), Fraction() as seconds, Planes() as source, Planes() as output):
            if {(each.width_px, each.height_px) for each in (source, output)} == {size_px}:
                return Pictures(index, seconds, source, output)
    raise InputError(f"{path}: the process that reads it tells of no such pictures; do not trust the file")


# What runs in the reader.


def _compare(tell: Tell, count: int, times: list[Fraction], *parts: Any) -> Measured:
    videos = [Video(path, info) for path, info in zip(parts[::2], parts[1::2], strict=True)]
    source, output = (video.info for video in videos[:2])
    work = _Comparison(tell, source, output, videos[2].info if len(videos) > 2 else None)
    chosen = choice(count, times, source.duration_seconds)
    now_and_then = NowAndThen(tell)
    with closing(paired(videos)) as pairs:
        for index, shown in enumerate(pairs):
            if index == 0:
                _check_times(times, shown[0].seconds, videos[0])
            work.measure([each.frame for each in shown], [each.seconds for each in shown])
            for candidate in chosen.offer(Candidate(index, shown[0], shown[1])):
                work.show(candidate)
            now_and_then(index + 1)
    for candidate in chosen.rest():
        work.show(candidate)
    return work.measured()


def _check_times(times: Sequence[Fraction], start: Fraction, source: Video) -> None:
    """Raises InputError where one is after the end, now that it is known when the first frame is shown."""
    end = float(start) + source.info.duration_seconds
    if times and max(times) > end:
        raise InputError(f"--at {float(max(times)):g}: {source.path} ends at {end:.3f} s; choose a time before that")


class _Comparison:
    """What is done with frames that belong together."""

    def __init__(self, tell: Tell, source: VideoInfo, output: VideoInfo, reference: VideoInfo | None) -> None:
        self._tell = tell
        size = displayed_size_px(output)
        self._renderers = Renderer(source, size), Renderer(output, size)
        self._round_trip = Difference(output, source, flags=REDUCED_BY)
        self._to_reference: tuple[Difference, ...] = ()
        if reference is not None:
            self._to_reference = tuple(Difference(each, reference, flags=ENLARGED_BY) for each in (output, source))
        self._count = 0
        self._shift, self._worst_error = Fraction(0), Fraction(0)

    def measure(self, frames: Sequence[Any], seconds: Sequence[Fraction]) -> None:
        """Frames of the source, the output and perhaps the reference, and when each is shown."""
        if not self._count:
            self._shift = seconds[1] - seconds[0]
        self._count += 1
        self._worst_error = max(self._worst_error, abs(seconds[1] - seconds[0] - self._shift))
        self._round_trip.add(frames[1], frames[0], seconds[0])
        for difference, frame in zip(self._to_reference, (frames[1], frames[0]), strict=False):
            difference.add(frame, frames[2], seconds[0])

    def show(self, candidate: Candidate) -> None:
        source, output = (
            renderer.render(shown.frame)
            for renderer, shown in zip(self._renderers, (candidate.source, candidate.output), strict=True)
        )
        self._tell((candidate.index, candidate.source.seconds, source, output))

    def measured(self) -> Measured:
        output, enlargement = [difference.likeness() for difference in self._to_reference] or (None, None)
        return Measured(
            frame_count=self._count,
            shift_seconds=float(self._shift),
            worst_time_error_seconds=float(self._worst_error),
            round_trip=self._round_trip.likeness(),
            output_to_reference=output,
            enlargement_to_reference=enlargement,
        )
