"""Looks at a source and what was made of it: checks that they belong together, measures, and makes pictures.

It does not know where the files came from or what the page looks like.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sr_core.errors import InputError
from sr_core.frozen import Model
from sr_core.inference.picture import busiest, miniature, part_of, rgb_of
from sr_core.likeness import Measured, Vmaf
from sr_core.types import ColorInfo
from sr_core.video.comparing import Pictures, compare_videos
from sr_core.video.pairing import Video
from sr_core.video.rendering import displayed_size_px
from sr_core.video.source import probe_source
from sr_core.video.still import encoded
from sr_core.video.vmaf import has_vmaf, vmaf

MOST_PICTURES = 24
"""At about a megabyte each."""
CROP_PX = (960, 540)
"""(longer, shorter) side of what is shown of a picture; larger ones are cropped, not reduced."""
_MINIATURE_PX = 240
_ASPECT_TOLERANCE = 0.02
"""Of the picture's shape: sides of small pictures are rounded."""
_STRANGERS_DB = 20.0
"""Scaled back down, any upscaler's output is nearer to its source; two videos of different things are not."""
_NO_SHIFT_SECONDS = 0.001
"""Matroska rounds times to it."""
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""H.273 transfer characteristics."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A file, and what it is called: its address, as it was written."""

    name: str
    path: Path


class Side(Model):
    """One of the videos."""

    name: str
    """Its file's name, without folders."""
    size_bytes: int
    codec: str
    width_px: int
    height_px: int
    """Of the upright picture, as it is stored."""
    displayed_width_px: int
    displayed_height_px: int
    """In square samples."""
    duration_seconds: float
    bits_per_second: float
    """Of the whole file."""


class Crop(Model):
    """The part of the displayed picture that is shown."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


class Shot(Model):
    """One pair of pictures."""

    index: int
    """Of the frame, from 0."""
    seconds: float
    """When it is shown, on the source's clock."""
    crop: Crop | None
    """None where the whole picture is shown."""


class Comparison(Model):
    """All that was found."""

    source: Side
    output: Side
    reference: Side | None
    enlarged_by: str | None
    """The filter that made the source as large as the output; None where it is."""
    measured: Measured
    has_vmaf: bool
    """Whether the ffmpeg command at hand can measure VMAF."""
    output_vmaf: Vmaf | None
    enlargement_vmaf: Vmaf | None
    shots: tuple[Shot, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShotFiles:
    """The pictures of a `Shot`, each a file for a browser (`video.still`)."""

    source: bytes
    output: bytes
    miniature: bytes | None
    """The whole picture, where a part is shown."""


def compare(
    source: Given,
    output: Given,
    reference: Given | None = None,
    *,
    count: int,
    times: Sequence[Fraction],
    scratch: Path,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Comparison, tuple[ShotFiles, ...]]:
    """Compares every frame, and shows some: `count`, or those at `times`.

    Args:
        scratch: a folder for VMAF's logs.
        progress: told what is done, with how many frames so far, and of how many.

    Raises InputError where the files cannot be read or are not of the same video, HostCapacity when the disk is full.
    """
    given = [source, output, *([reference] if reference is not None else [])]
    videos = [Video(each.path, probe_source(each.path)) for each in given]
    before, after, original = videos[0], videos[1], videos[2] if len(videos) > 2 else None
    _check(before, after, original)
    shots: list[tuple[Shot, ShotFiles]] = []
    told = compare_videos(before, after, original, count=count, times=times)
    while True:
        try:
            item = next(told)
        except StopIteration as end:
            measured: Measured = end.value
            break
        if isinstance(item, int):
            progress("compare", item, before.info.frame_count)
        else:
            shots.append(_shot(item, before.info.color, after.info.color))
    total = measured.frame_count
    progress("compare", total, total)
    output_vmaf, enlargement_vmaf = _vmafs(before, after, original, total, scratch, progress)
    sides = [(_side(each, video), video) for each, video in zip(given, videos, strict=True)]
    is_enlarged = displayed_size_px(before.info) != displayed_size_px(after.info)
    comparison = Comparison(
        source=sides[0][0],
        output=sides[1][0],
        reference=sides[2][0] if len(sides) > 2 else None,
        enlarged_by="bicubic" if is_enlarged else None,
        measured=measured,
        has_vmaf=has_vmaf(),
        output_vmaf=output_vmaf,
        enlargement_vmaf=enlargement_vmaf,
        shots=tuple(shot for shot, _ in shots),
        warnings=tuple(_warnings(sides, measured)),
    )
    return comparison, tuple(files for _, files in shots)


def _vmafs(
    source: Video, output: Video, reference: Video | None, total: int, scratch: Path, progress: Progress
) -> tuple[Vmaf | None, Vmaf | None]:
    """Of the output and of the plain enlargement, where there is something to hold them against."""
    if reference is None or not has_vmaf():
        return None, None

    def measured(video: Video, done: int) -> Vmaf:
        return vmaf(
            video, reference, total, scratch=scratch, on_frame=lambda count: progress("vmaf", done + count, 2 * total)
        )

    return measured(output, 0), measured(source, total)


def _check(source: Video, output: Video, reference: Video | None) -> None:
    """Raises InputError where the pictures' sizes say that the files do not belong together."""
    old, new = displayed_size_px(source.info), displayed_size_px(output.info)
    if abs(new[0] / new[1] * old[1] / old[0] - 1) > _ASPECT_TOLERANCE:
        raise InputError(
            f"{output.path} is {_size(new)} and {source.path} {_size(old)}, another shape; "
            "give a video and what was made of it, uncropped"
        )
    if new[0] < old[0] or new[1] < old[1]:
        raise InputError(
            f"{output.path} is {_size(new)}, smaller than {source.path} with {_size(old)}; "
            "give the source first, then what was made of it"
        )
    if reference is not None and reference.info.upright_size_px != output.info.upright_size_px:
        raise InputError(
            f"{reference.path} is {_size(reference.info.upright_size_px)} and {output.path} "
            f"{_size(output.info.upright_size_px)}; give a reference of the output's size"
        )


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}×{size_px[1]}"


def _shot(pictures: Pictures, source: ColorInfo, output: ColorInfo) -> tuple[Shot, ShotFiles]:
    width, height = pictures.output.width_px, pictures.output.height_px
    most = CROP_PX if width >= height else CROP_PX[::-1]
    crop, small = None, None
    before, after = pictures.source, pictures.output
    if width > most[0] or height > most[1]:
        size = min(width, most[0]), min(height, most[1])
        left, top = busiest(after.planes[0], width_px=size[0], height_px=size[1])
        crop = Crop(left_px=left, top_px=top, width_px=size[0], height_px=size[1])
        small = encoded(rgb_of(miniature(after, _MINIATURE_PX), output))
        before, after = (part_of(each, left, top, *size) for each in (before, after))
    files = ShotFiles(encoded(rgb_of(before, source)), encoded(rgb_of(after, output)), small)
    return Shot(index=pictures.index, seconds=float(pictures.seconds), crop=crop), files


def _side(given: Given, video: Video) -> Side:
    info, size_bytes = video.info, video.path.stat().st_size
    width, height = info.upright_size_px
    displayed_width, displayed_height = displayed_size_px(info)
    return Side(
        name=given.name.rstrip("/").rpartition("/")[2],
        size_bytes=size_bytes,
        codec=info.codec,
        width_px=width,
        height_px=height,
        displayed_width_px=displayed_width,
        displayed_height_px=displayed_height,
        duration_seconds=info.duration_seconds,
        bits_per_second=8 * size_bytes / info.duration_seconds if info.duration_seconds else 0.0,
    )


def _warnings(sides: Sequence[tuple[Side, Video]], measured: Measured) -> Iterator[str]:
    source, output = (side.name for side, _ in sides[:2])
    psnr, shift = measured.round_trip.psnr_db, measured.shift_seconds
    if psnr is not None and psnr < _STRANGERS_DB:
        yield f"scaled back down, {output} is far from {source} ({psnr:.1f} dB); are they of the same video?"
    if abs(shift) > _NO_SHIFT_SECONDS:
        yield (
            f"{output} starts {abs(shift):.3f} s {'later' if shift > 0 else 'earlier'} than {source}; "
            "frames are paired from there"
        )
    for side, video in sides:
        if video.info.is_interlaced:
            yield f"{side.name} is interlaced; it is taken as a player shows it, deinterlaced (bwdif)"
        hdr = _HDR_TRANSFERS.get(video.info.color.transfer)
        if hdr is not None:
            yield f"{side.name} is HDR ({hdr}); its pictures are shown without mapping their tones, and pale"
