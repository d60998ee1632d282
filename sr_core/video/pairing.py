"""Frames of several videos that are shown at the same time, paired while they are decoded.

What does not pair is refused at the first frame that shows it, so nothing is kept but the frames at hand.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av

from sr_core.errors import InputError
from sr_core.types import VideoInfo
from sr_core.video.read import decoded, deinterlaced
from sr_core.video.scan import check_shape

TOLERANCE_SECONDS = Fraction(2, 1000)
"""Matroska rounds times to a millisecond: the first frame's and another's, on both sides, by half of one each."""
_WHAT_TO_GIVE = "give a video and what was made of it, frame for frame"


@dataclass(frozen=True, slots=True)
class Video:
    """A file, and what probing found in it."""

    path: Path
    info: VideoInfo


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame and when it is shown, counted from where the file's clock begins."""

    seconds: Fraction
    frame: av.VideoFrame


def frames_shown(video: Video) -> Generator[Shown, None, None]:
    """Every frame of a video as a player shows it, interlaced ones made progressive.

    A missing or backward time is replaced by the previous one plus a frame's duration at the average rate, as in
    `scan`. Raises InputError where the picture changes its size or pixel format.
    """
    info, previous = video.info, None
    frames = _unchanging(video)
    for frame in deinterlaced(frames) if info.is_interlaced else frames:
        seconds = None
        if frame.pts is not None and frame.time_base is not None:
            seconds = frame.pts * Fraction(frame.time_base) - info.clock_start_seconds
        if previous is not None and (seconds is None or seconds <= previous):
            seconds = previous + 1 / info.rate
        previous = seconds or Fraction(0)
        yield Shown(previous, frame)


def _unchanging(video: Video) -> Iterator[av.VideoFrame]:
    for index, frame in enumerate(decoded(video.path, video.info.stream_index)):
        check_shape(video.path, video.info, frame, index)
        yield frame


def paired(videos: Sequence[Video]) -> Generator[tuple[Shown, ...], None, None]:
    """One frame of each video at a time, those that are shown at the same time; how they start may differ.

    Raises InputError at the first frame without a counterpart, and when no frame decodes.
    """
    starts: list[Fraction] = []
    with ExitStack() as stack:
        streams = [stack.enter_context(closing(frames_shown(video))) for video in videos]
        for count, together in enumerate(zip_longest(*streams)):
            found = tuple(shown for shown in together if shown is not None)
            if len(found) < len(videos):
                raise _without_counterpart(videos, together, count)
            starts = starts or [shown.seconds for shown in found]
            passed = [shown.seconds - start for shown, start in zip(found, starts, strict=True)]
            for video, seconds in zip(videos, passed, strict=True):
                if abs(seconds - passed[0]) > TOLERANCE_SECONDS:
                    raise InputError(
                        f"frame {count} of {video.path} is shown {float(seconds):.3f} s after the first, that of "
                        f"{videos[0].path} {float(passed[0]):.3f} s; {_WHAT_TO_GIVE}"
                    )
            yield found
    if not starts:
        raise _empty(videos[0])


def _without_counterpart(videos: Sequence[Video], together: Sequence[Shown | None], count: int) -> InputError:
    """What it means that one has ended after `count` frames, and another has not."""
    shorter = videos[list(together).index(None)]
    if not count:
        return _empty(shorter)
    longer = next(video for video, shown in zip(videos, together, strict=True) if shown is not None)
    return InputError(f"{shorter.path} has {count} frames and {longer.path} has more; {_WHAT_TO_GIVE}")


def _empty(video: Video) -> InputError:
    return InputError(f"{video.path}: no frame decodes; the file is damaged or empty")
