"""What the stages ask of a media file, asked in a process of its own: the only way in which they touch one.

Each question is a function that runs in a reader (see `isolation`) and one around it that says what the reader may take
and open (`bounds`).
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeVar

from sr_core.errors import InputError, IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk, Encoding, Plan, Segment, VideoInfo
from sr_core.video import limits
from sr_core.video.bounds import bounds_before_probing, bounds_for
from sr_core.video.cut import CutChunk, cut
from sr_core.video.frames import Planes
from sr_core.video.isolation import isolated
from sr_core.video.join import join
from sr_core.video.probe import probe
from sr_core.video.read import DecodesOtherwise, read_copied, read_lossless, read_segment
from sr_core.video.reader import Tell
from sr_core.video.scan import Scan, scan
from sr_core.video.verify import verify

_TELL_SECONDS = 0.05
"""How often a reader tells how far it is."""
Carrier = Literal["copy", "lossless"]
Kind = TypeVar("Kind")


def probe_source(path: Path, *, while_waiting: Callable[[], None] = lambda: None) -> VideoInfo:
    """`probe` in a reader. Raises InputError also when the file is over one of the `limits`."""
    bounds = bounds_before_probing(readable=(path,))
    watch = Growth(path, while_waiting)
    info = expect(VideoInfo, result_of(isolated(_probe, path, subject=path, bounds=bounds, while_waiting=watch)), path)
    watch()
    _check_frames(path, info.frame_count, "says that it has")
    return info


def scan_source(
    path: Path,
    info: VideoInfo,
    *,
    deinterlace: bool = False,
    on_frame: Callable[[int], None] = lambda _: None,
    while_waiting: Callable[[], None] = lambda: None,
) -> Scan:
    """`scan` in a reader. `on_frame` is told now and then how many frames there were so far, and in the end.

    `while_waiting` is called a few times a second, also while no frame comes; what it raises ends the reader.

    Raises InputError also when there are more frames than the limit, or the file grows while it is read.
    """
    watch = Growth(path, while_waiting)

    def tell(count: int) -> None:
        watch()
        on_frame(count)

    bounds = bounds_for(info, readable=(path,))
    job = isolated(_scan, path, info, deinterlace, subject=path, bounds=bounds, while_waiting=watch)
    found = expect(Scan, result_of(job, tell), path)
    tell(len(found.frames))
    return found


def cut_source(
    path: Path,
    info: VideoInfo,
    found: Scan,
    chunks: Sequence[Chunk],
    *,
    lossless: Encoding,
    folder: Path,
    while_waiting: Callable[[], None] = lambda: None,
) -> Iterator[CutChunk]:
    """`cut` in a reader. `while_waiting` is called a few times a second; what it raises ends the reader."""
    bounds = bounds_for(info, passes=3, readable=(path,), writable=(folder,))
    job = isolated(
        _cut,
        path,
        info,
        found,
        list(chunks),
        lossless,
        folder,
        subject=path,
        bounds=bounds,
        while_waiting=while_waiting,
    )
    for made in job:
        made = expect(CutChunk, made, path)
        if made.path.parent != folder:
            raise InputError(f"{path}: the process that reads it names {made.path}; do not trust the file")
        yield made


def read_chunk(
    path: Path, carrier: Carrier, info: VideoInfo, frames: FrameTable, start_frame: int, end_frame: int
) -> Generator[Planes, None, None]:
    """Frames [start_frame, end_frame) of a chunk file, by `read_copied` or `read_lossless` in a reader.

    Raises InputError when a copied frame does not decode twice to the same picture, as some decoders' damaged ones.
    """
    bounds = bounds_for(info, readable=(path,))
    for frame in isolated(_read_chunk, path, carrier, frames, start_frame, end_frame, subject=path, bounds=bounds):
        yield expect(Planes, frame, path)


def read_frames(path: Path, plan: Plan) -> Generator[Planes, None, None]:
    """All frames of a segment of the plan, by `read_segment` in a reader."""
    upscaled = plan.video.model_copy(update={"width_px": plan.width_px, "height_px": plan.height_px})
    for frame in isolated(_read_frames, path, subject=path, bounds=bounds_for(upscaled, readable=(path,))):
        yield expect(Planes, frame, path)


def join_and_verify(
    segments: Sequence[tuple[Segment, Path]],
    source: Path,
    plan: Plan,
    frames: FrameTable,
    *,
    container: str,
    output: Path,
    on_packet: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """`join`, then `verify`, in a reader: both touch what the source's other streams hold. Returns the warnings."""
    files = [source, *{path.parent for _, path in segments}]
    bounds = bounds_for(plan.video, passes=3, readable=tuple(files), writable=(output.parent,))
    job = isolated(
        _join_and_verify,
        *(list(segments), source, plan, frames, container, output),
        subject=source,
        bounds=bounds,
        while_waiting=on_packet,
    )
    return tuple(map(str, result_of(job, lambda _: on_packet())))


# What runs in the reader.


def _probe(_tell: Tell, path: Path) -> VideoInfo:
    return probe(path)


def _scan(tell: Tell, path: Path, info: VideoInfo, deinterlace: bool) -> Scan:
    now_and_then = NowAndThen(tell)

    def on_frame(count: int) -> None:
        _check_frames(path, count, "has more than")
        now_and_then(count)

    return scan(path, info, deinterlace=deinterlace, on_frame=on_frame)


def _cut(
    tell: Tell, path: Path, info: VideoInfo, found: Scan, chunks: Sequence[Chunk], lossless: Encoding, folder: Path
) -> None:
    try:
        for made in cut(path, info, found, chunks, lossless=lossless, folder=folder):
            tell(made)
    except IntegrityError as error:
        raise InputError(
            f"{path} does not decode twice to the same frames ({error}); it is damaged, or changes while it is read: "
            "try a copy made by another tool"
        ) from error


def _read_chunk(tell: Tell, path: Path, carrier: Carrier, frames: FrameTable, start_frame: int, end_frame: int) -> None:
    if carrier == "lossless":
        for frame in read_lossless(path, frames, start_frame, end_frame):
            tell(frame)
        return
    try:
        for frame in read_copied(path, frames, start_frame, end_frame):
            tell(frame)
    except DecodesOtherwise as error:
        raise InputError(  # its packets are the source's to the last byte, and it was decoded right when it was cut
            f"{error}, and did when it was cut; the source is damaged there: try a copy made by another tool"
        ) from error


def _read_frames(tell: Tell, path: Path) -> None:
    for frame in read_segment(path):
        tell(frame)


def _join_and_verify(
    tell: Tell,
    segments: Sequence[tuple[Segment, Path]],
    source: Path,
    plan: Plan,
    frames: FrameTable,
    container: str,
    output: Path,
) -> tuple[str, ...]:
    now_and_then = NowAndThen(tell)

    def on_packet() -> None:
        now_and_then(None)

    joined = join(segments, source, plan, frames, container=container, output=output, on_packet=on_packet)
    lost = verify(output, plan, frames, joined, container=container, on_packet=on_packet)
    return (*joined.warnings, *lost)


class NowAndThen:
    """Tells how far a reader is, the first time and then not too often."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._next = 0.0

    def __call__(self, value: object) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TELL_SECONDS
            self._tell(value)


# What is on this side, and what both sides share.


class Growth:
    """Refuses a file that somebody is still writing, as reading it might never end, or that is taken away."""

    def __init__(self, path: Path, then: Callable[[], None] = lambda: None) -> None:
        self._path, self._then = path, then
        self._first_bytes = self._size_bytes()

    def __call__(self) -> None:
        if self._size_bytes() > self._first_bytes:
            raise InputError(f"{self._path} grows while it is read; wait until it is complete")
        self._then()

    def _size_bytes(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be looked at any more ({error.strerror}); see that its drive or share is there"
            ) from error


def _check_frames(path: Path, count: int, verb: str) -> None:
    highest = limits.current().frames
    if count > highest:
        raise InputError(f"{path} {verb} {count} frames, over the limit of {highest}; {limits.over('frames')}")


def result_of(job: Generator[Any, None, Any], on_item: Callable[[Any], None] = lambda _: None) -> Any:
    """What the generator returns, after everything it yields."""
    with closing(job):
        while True:
            try:
                on_item(next(job))
            except StopIteration as end:
                return end.value


def expect(kind: type[Kind], value: object, path: Path) -> Kind:
    """What a reader told, if it is what was asked for."""
    if not isinstance(value, kind):
        raise InputError(f"{path}: the process that reads it says {type(value).__name__}; do not trust the file")
    return value
