"""What becomes of the source's other streams: copied, converted, or left out by name.

Audio, subtitles, attachments, cover art and other video streams keep their packets, languages, titles and dispositions.
What the container cannot hold is converted (see `convert`), or else left out: both with a warning.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from sr_core.types import Plan
from sr_core.video.convert import NotConverted, convert_stream
from sr_core.video.labels import Labels, stream_tags
from sr_core.video.open import open_source

_MAX_SAR_TERM = 1 << 15
_PICTURE_TYPES = {"png": "image/png", "mjpeg": "image/jpeg", "bmp": "image/bmp"}
_CHAPTER_TRACK = "bin_data"
"""How the QuickTime demuxer shows the text track that only repeats the chapters."""


@dataclass(slots=True)
class Track:
    """A stream of the result, as it was written; `verify` holds the file against it."""

    kind: str
    codec: str
    is_picture: bool = False
    """Cover art; containers put it where they like."""
    labels: Labels | None = None
    """None for cover art, which has none of its own."""
    packet_count: int = 0
    first_seconds: Fraction | None = None
    """Presentation time of the first packet."""
    hasher: Any = field(default_factory=hashlib.sha256)
    """sha256 over the payloads of all packets, in order."""

    def add(self, packet: Any) -> None:
        if self.first_seconds is None and packet.pts is not None:
            self.first_seconds = packet.pts * Fraction(packet.time_base)
        self.packet_count += 1
        self.hasher.update(packet)


class SourceStreams:
    """Maps the source's streams to those of the result, and gives the packets of all but the upscaled one.

    Args:
        out: the open output container, without streams.
        original: the open source container, which lies at `source`.
        container: the muxer's name.
        folder: for converted streams; their files are removed when `stack` closes.
    """

    def __init__(
        self, out: Any, original: Any, plan: Plan, *, container: str, source: Path, folder: Path, stack: ExitStack
    ) -> None:
        self.outputs: dict[int, tuple[Any, Track]] = {}
        """By the index in the source: the stream of the result and what was written into it."""
        self.warnings: list[str] = []
        self._converted: dict[int, Any] = {}
        self._in_header: set[int] = set()
        self._out, self._original, self._plan, self._container = out, original, plan, container
        self._source, self._folder, self._stack = source, folder, stack

    def add_all(self, upscaled: Any) -> None:
        """Adds every stream in the source's order; `upscaled` is the template for the upscaled one."""
        for stream in self._original.streams:
            if stream.index == self._plan.video.stream_index:
                made = self._add_upscaled(upscaled)
            elif codec_name(stream) == _CHAPTER_TRACK and self._original.chapters():
                continue  # chapters are carried as chapters
            elif is_timecode(stream):
                continue  # the video's tag says the same; muxers that have such tracks make one from it
            else:
                made = self._copy(stream) or self._convert(stream)
            if made is None:
                continue
            made.disposition = stream.disposition
            made.metadata.update(stream_tags(stream.metadata, container=self._container))
            if stream.index not in self.outputs:
                track = Track(kind=made.type, codec=codec_name(made), is_picture=is_picture(stream))
                track.labels = Labels.of(stream)
                self.outputs[stream.index] = made, track

    def _add_upscaled(self, template: Any) -> Any:
        made = self._out.add_stream_from_template(template, opaque=True)
        made.time_base = self._plan.video.time_base
        made.codec_context.sample_aspect_ratio = self._plan.video.upright_sar.limit_denominator(_MAX_SAR_TERM)
        if made.codec_context.name == "hevc" and self._container in ("mp4", "mov"):
            made.codec_context.codec_tag = "hvc1"  # Apple's players refuse the default, hev1
        if self._plan.delivery.tag is not None:
            made.codec_context.codec_tag = self._plan.delivery.tag
        return made

    def _copy(self, stream: Any) -> Any:
        if self._container == "matroska" and is_picture(stream):
            return self._attach_picture(stream)
        return self._out.add_stream_from_template(stream, opaque=True) if _can_hold(self._container, stream) else None

    def _attach_picture(self, stream: Any) -> Any:
        """Matroska keeps cover art as an attachment; readers show it as a picture stream again."""
        media_type = _PICTURE_TYPES.get(codec_name(stream))
        if media_type is None:
            return None
        with open_source(self._source) as again:
            packet = next((packet for packet in again.demux(again.streams[stream.index]) if packet.size), None)
        if packet is None:
            return None
        made = self._out.add_attachment(f"cover.{media_type[6:]}", media_type, bytes(packet))
        track = Track(kind="video", codec=codec_name(stream), is_picture=True)
        track.add(packet)
        self.outputs[stream.index] = made, track
        self._in_header.add(stream.index)
        return made

    def _convert(self, stream: Any) -> Any:
        """The converted stream; None, and a warning that says why, where there is none."""
        cannot_hold = f"{self._container} cannot hold it"
        try:
            path, note = convert_stream(
                self._source, stream.index, stream.type, container=self._container, folder=self._folder
            )
        except NotConverted as error:
            reason = f"{cannot_hold}{error}"
            self.warnings.append(f"stream {stream.index} ({codec_name(stream)}) is left out: {reason}")
            return None
        self._stack.callback(path.unlink)
        converted = self._stack.enter_context(open_source(path)).streams[0]
        self._converted[stream.index] = converted
        self.warnings.append(
            f"stream {stream.index} is converted from {codec_name(stream)} to {codec_name(converted)}: "
            f"{cannot_hold}{note}"
        )
        return self._out.add_stream_from_template(converted, opaque=True)

    def packets(self) -> list[Iterator[tuple[int, Any]]]:
        """Iterators of (index in the source, packet): one for each converted stream, one for all copied ones."""
        copied = [
            stream
            for stream in self._original.streams
            if stream.index in self.outputs
            and stream.index not in self._converted
            and stream.index not in self._in_header
            and stream.index != self._plan.video.stream_index
            and stream.type != "attachment"
        ]
        iterators = [self._packets(stream.container, [stream], index) for index, stream in self._converted.items()]
        return [*iterators, self._packets(self._original, copied, None)] if copied else iterators

    def _packets(self, container: Any, streams: list[Any], index: int | None) -> Iterator[tuple[int, Any]]:
        offset = self._plan.video.clock_start_seconds
        try:
            for packet in container.demux(streams):
                if not packet.size:
                    continue
                shift = round(offset / packet.time_base)
                if shift:
                    packet.pts = None if packet.pts is None else packet.pts - shift
                    packet.dts = None if packet.dts is None else packet.dts - shift
                yield packet.stream_index if index is None else index, packet
        except MemoryError:
            raise  # FFmpeg's is an FFmpegError as well
        except (av.FFmpegError, EOFError):
            return  # the rest of a truncated file


def is_timecode(stream: Any) -> bool:
    """Whether the stream is QuickTime's track that says at what time of day the first frame was taken."""
    return stream.type == "data" and "timecode" in stream.metadata


def is_picture(stream: Any) -> bool:
    """Whether the stream is cover art."""
    return stream.type == "video" and bool(stream.disposition & type(stream.disposition).attached_pic)


def _can_hold(container: str, stream: Any) -> bool:
    """Asks the muxer itself: it writes a header with that stream alone. Its tables do not know every refusal."""
    if stream.type == "attachment":
        return container == "matroska"
    if is_picture(stream) and container == "mov":
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def codec_name(stream: Any) -> str:
    """The decoder's name; for data, which has none, what the demuxer calls it."""
    if stream.codec_context is not None:
        return str(stream.codec_context.name)
    return str(stream.name or "data") if stream.type == "data" else str(stream.type)
