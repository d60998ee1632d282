"""A job whose segments are written, for tests of what is made of them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from sr_core.planning import make_plan
from sr_core.timestamps import FrameTable
from sr_core.types import Plan, Segment, Settings
from sr_core.video.join import Joined, join
from sr_core.video.probe import probe
from sr_core.video.read import read_source
from sr_core.video.scan import scan
from sr_core.video.verify import verify
from sr_core.video.write import SegmentWriter
from tests import builders

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}


@dataclass(frozen=True)
class Work:
    """Everything that `join` needs, made from a source with a network that changes nothing."""

    source: Path
    plan: Plan
    frames: FrameTable
    segments: list[tuple[Segment, Path]]

    def join(self, output: Path) -> Joined:
        container = CONTAINERS[output.suffix]
        return join(self.segments, self.source, self.plan, self.frames, container=container, output=output)

    def verify(self, output: Path, joined: Joined) -> None:
        verify(output, self.plan, self.frames, joined, container=CONTAINERS[output.suffix])


def worked(source: Path, settings: Settings | None = None) -> Work:
    info = probe(source)
    found = scan(source, info)
    request = builders.request(settings or Settings(preset="veryfast"))
    plan = make_plan(request, builders.model(scale=1), info.model_copy(update={"frame_count": len(found.frames)}))
    pictures = read_source(source, info.stream_index, found.frames)
    segments = []
    for segment in plan.segments:
        path = source.parent / f"segment-{segment.index}.mkv"
        with SegmentWriter.of_plan(path, plan, plan.delivery) as writer:
            for _ in range(segment.frame_count):
                writer.write(next(pictures)[1])
        segments.append((segment, path))
    return Work(source, plan, found.frames, segments)


def shown_times(path: Path) -> list[Fraction]:
    """When each frame is shown, by decoding the file."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in frames]


def payloads(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]
