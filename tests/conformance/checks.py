"""What must be the same in a result as in its source, one function for each group of traits.

The result is one of a network that repeats every pixel `SCALE` times in both directions, so that the pictures
themselves can be compared. Each function gives findings; one that does not hold says what was found.
"""

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import numpy as np

from .expected import Expected, Finding
from .reading import FULL_RANGE, File, Picture, Plane, Shown, Stream, read_file, read_frames, read_picture, shown

SCALE = 2
_LUMA_CODES = 1.6
"""Mean difference, in 8-bit codes, that coding may cost."""
_CHROMA_CODES = 2.5
"""Mean difference over the cells of a coarse grid: chroma is resampled, and sited anew, on the way."""
_GRID = (5, 6)
_MILLISECOND = Fraction(1, 1000)
_SAME_LANGUAGE = ({"fre", "fra"}, {"ger", "deu"})
"""ISO 639-2 has two codes for some."""
_MPEG_AUDIO = {"mp2", "mp2float", "mp3", "mp3float"}
"""One codec to MP4."""
_OWN_TAGS = re.compile(
    "encoder|major_brand|minor_version|compatible_brands|duration|handler_name|vendor_id|creation_time|timecode|software|_.*|"
    "(bps|number_of_frames|number_of_bytes).*"
)
"""Tags that speak of a file rather than of its content."""


def check(source: Path, output: Path, expected: Expected) -> list[Finding]:
    """Everything that is looked at."""
    before, after = read_file(source), read_file(output)
    video = upscaled_stream(before)
    pairs, findings = _pair(before, after, expected)
    made = next((result for original, result in pairs if original.index == video.index), None)
    if made is None:
        return [*findings, Finding("the upscaled stream is there", False)]
    picture, result = read_picture(source, video.index), read_picture(output, made.index)
    clock = _clock(source, before, video.index)
    findings += _check_picture(picture, result, expected)
    findings += _check_frames(source, video.index, output, made.index, clock, after, expected)
    for original, carried in pairs:
        findings += _check_labels(original, carried, expected)
        if original.index != video.index:
            findings += _check_packets(original, carried, clock, expected)
    findings += _check_container(before, after, clock, expected)
    return findings


def _clock(source: Path, file: File, index: int) -> Fraction:
    """What stands at zero in the result: a broadcast's first packet, or a first frame before zero."""
    if file.container in ("mpeg", "mpegts"):
        return file.start_seconds
    first = shown(next(read_frames(source, index))).seconds
    return min(Fraction(0), first or Fraction(0))


def upscaled_stream(file: File) -> Stream:
    """The default video, or else the first of the largest: what a viewer would see."""
    return min(file.videos, key=lambda stream: ("default" not in stream.dispositions, -stream.size_px))


def _pair(before: File, after: File, expected: Expected) -> tuple[list[tuple[Stream, Stream]], list[Finding]]:
    """The source's streams with the result's, pictures apart: containers put them where they like."""
    wanted = [stream for stream in before.streams if stream.index not in expected.left_out and not _is_derived(stream)]
    found = [stream for stream in after.streams if not _is_derived(stream)]
    pairs: list[tuple[Stream, Stream]] = []
    for is_picture in (False, True):
        pairs += zip(
            (stream for stream in wanted if stream.is_picture == is_picture),
            (stream for stream in found if stream.is_picture == is_picture),
            strict=False,
        )
    kinds = [stream.kind for stream in wanted], [stream.kind for stream in found]
    return pairs, [Finding("streams", sorted(kinds[0]) == sorted(kinds[1]), f"{kinds[1]} for {kinds[0]}")]


def _is_derived(stream: Stream) -> bool:
    """Whether it only repeats what stands elsewhere: QuickTime's chapter and timecode tracks."""
    return stream.kind == "data" and stream.codec in ("bin_data", "tmcd", "data", "none")


def _check_picture(source: Picture, result: Picture, expected: Expected) -> Iterator[Finding]:
    width, height = source.upright_px
    size = (result.width_px, result.height_px)
    yield Finding("size", size == (width * SCALE, height * SCALE), f"{size} from {(width, height)}")
    yield Finding("upright", result.turn_degrees == 0, f"turned by {result.turn_degrees}")
    off_px = abs(result.sar - source.upright_sar) * result.width_px
    same = off_px <= 1 if expected.whole_pixels else off_px == 0
    yield Finding("sample aspect ratio", same, f"{result.sar} for {source.upright_sar}")
    wanted_format = expected.pixel_format or source.pixel_format
    yield Finding(
        "subsampling and depth",
        result.pixel_format.replace("yuvj", "yuv") == wanted_format.replace("yuvj", "yuv"),
        f"{result.pixel_format} for {wanted_format}",
    )
    yield Finding("matrix", _matrix(result) == _matrix(source), f"{result.matrix} for {source.matrix}")
    is_full = source.range == FULL_RANGE and not source.is_rgb and not expected.limited_range
    yield Finding("range", (result.range == FULL_RANGE) == is_full, f"{result.range} for {source.range}")
    yield Finding("primaries", result.primaries == source.primaries, f"{result.primaries} for {source.primaries}")
    yield Finding("transfer", result.transfer == source.transfer, f"{result.transfer} for {source.transfer}")
    if expected.has_light:
        for name, close in (("MASTERING_DISPLAY_METADATA", _same_display), ("CONTENT_LIGHT_LEVEL", _same_level)):
            if name in source.side_data:
                there = name in result.side_data
                holds = there and close(source.side_data[name], result.side_data[name])
                yield Finding(name.lower().replace("_", " "), holds, "differs" if there else "is not there")


def _matrix(picture: Picture) -> str:
    """BT.601 has two numbers; one that is not stated is decided by size."""
    if picture.is_rgb:
        return "bt709"
    if picture.matrix in (0, 2):
        return "bt601" if picture.height_px <= 576 and picture.width_px <= 1024 else "bt709"
    return {1: "bt709", 5: "bt601", 6: "bt601"}.get(picture.matrix, str(picture.matrix))


def _same_display(one: bytes, other: bytes) -> bool:
    """AVMasteringDisplayMetadata: ten rationals, equal to what the coarsest of the codecs can write."""
    ratios = [
        [over / under for over, under in zip(values[::2], values[1::2], strict=True)]
        for values in (struct.unpack_from("=20i", data) for data in (one, other))
    ]
    return all(abs(a - b) <= max(2e-4, 1e-3 * a) for a, b in zip(*ratios, strict=True))


def _same_level(one: bytes, other: bytes) -> bool:
    return one[:8] == other[:8]


def _check_frames(
    source: Path, index: int, output: Path, made: int, clock: Fraction, after: File, expected: Expected
) -> Iterator[Finding]:
    """Both files are decoded side by side."""
    tolerance = Fraction(1, 2000) if "matroska" in after.container else Fraction(0)
    originals, results = read_frames(source, index), read_frames(output, made)
    counts, wrong_times, worst_luma, worst_chroma = [0, 0], 0, 0.0, 0.0
    last: Fraction | None = None
    kept_field, made_field = 0.0, 0.0
    for original, result in zip_longest(originals, results):
        counts[0] += original is not None
        counts[1] += result is not None
        if result is None or original is None:
            continue
        one, other = shown(original), shown(result)
        assert other.seconds is not None, "a result states every time"
        if expected.times == "same":
            assert one.seconds is not None, "the source states every time"
            wrong_times += abs(other.seconds - (one.seconds - clock)) > tolerance
        else:
            wrong_times += last is not None and other.seconds <= last
        last = other.seconds
        if expected.pictures == "same":
            worst_luma = max(worst_luma, _luma_difference(one, other))
            worst_chroma = max(worst_chroma, _chroma_difference(one, other))
        elif expected.pictures == "deinterlaced":
            kept, made_anew = sorted(_field_difference(one, other, first) for first in (0, 1))
            kept_field, made_field = max(kept_field, kept), max(made_field, made_anew)
    wanted = counts[0] if expected.frame_count is None else expected.frame_count
    yield Finding("frame count", counts[1] == wanted, f"{counts[1]} for {wanted}")
    yield Finding("frame times", wrong_times == 0, f"{wrong_times} of {counts[1]} are wrong")
    if expected.pictures == "same":
        yield Finding("every frame's luma", worst_luma <= _LUMA_CODES, f"off by {worst_luma:.2f} codes")
        yield Finding("every frame's chroma", worst_chroma <= _CHROMA_CODES, f"off by {worst_chroma:.2f} codes")
    elif expected.pictures == "deinterlaced":
        yield Finding("one field of every frame", kept_field <= _LUMA_CODES, f"off by {kept_field:.2f} codes")
        yield Finding("the other field is made anew", made_field > _LUMA_CODES, "both fields are as they were")


def _luma_difference(one: Shown, other: Shown) -> float:
    small = _shrunk(other.luma)
    if small.shape != one.luma.shape:
        return 255.0
    return 255 * float(np.abs(small - one.luma).mean())


def _field_difference(one: Shown, other: Shown, first: int) -> float:
    small = _shrunk(other.luma)
    if small.shape != one.luma.shape:
        return 255.0
    return 255 * float(np.abs(small[first::2] - one.luma[first::2]).mean())


def _shrunk(plane: Plane) -> Plane:
    height, width = (side // SCALE * SCALE for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // SCALE, SCALE, width // SCALE, SCALE)
    return cast(Plane, blocks.mean((1, 3)))


def _chroma_difference(one: Shown, other: Shown) -> float:
    wanted = [_coarse(plane) for plane in one.chroma] or [np.zeros(_GRID, np.float32)] * 2
    found = [_coarse(plane) for plane in other.chroma]
    return 255 * max(float(np.abs(a - b).mean()) for a, b in zip(wanted, found, strict=True))


def _coarse(plane: Plane) -> Plane:
    """Means over a grid of cells, whose edges lie at the same places for every subsampling."""
    means: Any = plane
    for axis, cells in enumerate(_GRID):
        sums = np.insert(np.cumsum(means, axis, dtype=np.float64), 0, 0, axis)
        size = means.shape[axis]
        edges = np.linspace(0, size, cells + 1)
        whole = np.minimum(edges.astype(int), size - 1)
        at_edges = np.take(sums, whole, axis)
        shape = [-1 if axis == dim else 1 for dim in range(2)]
        at_edges = at_edges + np.take(means, whole, axis) * (edges - whole).reshape(shape)
        means = (np.diff(at_edges, axis=axis) * cells / size).astype(np.float32)
    return cast(Plane, means)


def _check_labels(original: Stream, carried: Stream, expected: Expected) -> Iterator[Finding]:
    where = f"stream {original.index} ({original.kind})"
    same = carried.language == original.language or {carried.language, original.language} in _SAME_LANGUAGE
    yield Finding(f"{where} language", same, f"{carried.language} for {original.language}")
    if original.title is not None and not original.is_picture:
        yield Finding(f"{where} title", carried.title == original.title, f"{carried.title!r} for {original.title!r}")
    if not original.is_picture:
        lost = original.dispositions - carried.dispositions - expected.lost_dispositions
        yield Finding(f"{where} dispositions", not lost, f"without {', '.join(sorted(lost))}")


def _check_packets(original: Stream, carried: Stream, clock: Fraction, expected: Expected) -> Iterator[Finding]:
    where = f"stream {original.index} ({original.kind})"
    codec = expected.converted.get(original.index, original.codec)
    same = carried.codec == codec or {carried.codec, codec} <= _MPEG_AUDIO
    yield Finding(f"{where} codec", same, f"{carried.codec} for {codec}")
    if original.kind == "attachment":
        return
    if original.index in expected.converted:
        if original.kind == "subtitle":
            texts = [sum(bool(_text(payload)) for payload in stream.payloads) for stream in (original, carried)]
            yield Finding(f"{where} texts", texts[0] == texts[1], f"{texts[1]} for {texts[0]}")
        ends = [
            max((time for time in stream.times if time is not None), default=Fraction(0))
            for stream in (original, carried)
        ]
        yield Finding(
            f"{where} length", abs(ends[0] - clock - ends[1]) < Fraction(1, 5), f"ends at {float(ends[1]):.3f} s"
        )
        return
    if original.sound is not None:
        yield Finding(f"{where} sound", carried.sound == original.sound, f"{carried.sound} for {original.sound}")
    payloads = original.payloads
    if expected.audio_framing and original.codec == "aac":
        payloads = [payload[7:] for payload in payloads]
    yield Finding(f"{where} payloads", carried.payloads == payloads, f"{carried.digest()} for {original.digest()}")
    if original.is_picture:
        return
    off = [
        abs(other - (one - clock))
        for one, other in zip(original.times, carried.times, strict=False)
        if one is not None and other is not None
    ]
    yield Finding(
        f"{where} times", max(off, default=Fraction(0)) <= _MILLISECOND, f"off by {float(max(off, default=0))}"
    )


def _text(payload: bytes) -> bytes:
    """Of a subtitle packet: QuickTime's begins with its length and may be empty."""
    return payload[2:] if payload[:1] == b"\0" else payload


def _check_container(before: File, after: File, clock: Fraction, expected: Expected) -> Iterator[Finding]:
    chapters = before.chapters if expected.has_chapters else []
    same = len(chapters) == len(after.chapters) and all(
        title == other_title and abs(start - clock - other_start) <= _MILLISECOND
        for (start, _, title), (other_start, _, other_title) in zip(chapters, after.chapters, strict=True)
    )
    if before.chapters:
        yield Finding("chapters", same, f"{len(after.chapters)} for {len(chapters)}")
    wanted = {
        name: value
        for name, value in before.tags.items()
        if not _OWN_TAGS.fullmatch(name) and name not in expected.lost_tags
    }
    lost = sorted(name for name, value in wanted.items() if after.tags.get(name) != value)
    if wanted:
        yield Finding("tags", not lost, f"without {', '.join(lost)}")
    if before.timecode is not None:
        yield Finding("timecode", after.timecode == before.timecode, f"{after.timecode} for {before.timecode}")
