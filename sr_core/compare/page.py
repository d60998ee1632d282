"""The page: one HTML file that needs nothing else, runs only its own script and can reach no address.

Owns words, tables and the policy that holds a browser to that; what was found comes from `comparison`.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sr_core.compare.comparison import Comparison, Shot, ShotFiles, Side
from sr_core.likeness import Likeness, Vmaf
from sr_core.video.still import MEDIA_TYPE

_FOLDER = Path(__file__).parent
_ROUND_TRIP_REMARKS = (
    "Each pixel of the source is compared with the mean of the output's pixels that cover it, on luma. PSNR of all "
    "frames is that of their mean squared error. Low values mean that the output shows something else: another "
    "brightness or place, other frames. High ones do not mean that it looks good: a plain enlargement has them, too.",
    "Above 40 dB differences are hardly visible; noise and compression that an upscaler takes away cost some.",
)
_REFERENCE_REMARK = (
    "How near both come to the true video, on luma. PSNR and SSIM prefer the blurred to the slightly misplaced; VMAF "
    "is nearer to what people say, and NEG is its variant that sharpening gains nothing in."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


def page(comparison: Comparison, files: Sequence[ShotFiles]) -> str:
    """The page's HTML: about as large as the files, and a third more."""
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        found=comparison,
        policy=_policy(style, script),
        style=style,  # these two are ours and taken as they are; everything else is escaped
        script=script,
        source_label=f"source, {comparison.enlarged_by}" if comparison.enlarged_by else "source",
        is_cropped=any(shot.crop for shot in comparison.shots),
        shots=[_shot(shot, each, comparison.output) for shot, each in zip(comparison.shots, files, strict=True)],
        tables=[_files_table(comparison), _round_trip_table(comparison), *_reference_tables(comparison)],
    )


def _policy(style: str, script: str) -> str:
    """Pictures from the page itself, this style and this script; nothing else."""

    def only(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data:; style-src {only(style)}; script-src {only(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _shot(shot: Shot, files: ShotFiles, output: Side) -> dict[str, Any]:
    whole = output.displayed_width_px, output.displayed_height_px
    width, height = (shot.crop.width_px, shot.crop.height_px) if shot.crop else whole
    return {
        "index": shot.index,
        "time": clock(shot.seconds),
        "crop": shot.crop,
        "width": width,
        "height": height,
        "source": _data_uri(files.source),
        "output": _data_uri(files.output),
        "miniature": None if files.miniature is None else _data_uri(files.miniature),
    }


def _data_uri(file: bytes) -> str:
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(file).decode()}"


def clock(seconds: float) -> str:
    """``0:01:02.345``, from hours to milliseconds."""
    milliseconds = round(seconds * 1000)
    whole = milliseconds // 1000
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds % 1000:03}"


def _files_table(found: Comparison) -> _Table:
    sides = [found.source, found.output, *([found.reference] if found.reference is not None else [])]
    measured = found.measured
    rows = [
        ("file", *(side.name for side in sides)),
        ("picture", *map(_picture, sides)),
        ("frames", *(str(measured.frame_count) for _ in sides)),
        ("duration", *(clock(side.duration_seconds) for side in sides)),
        ("codec", *(side.codec for side in sides)),
        ("size", *(_size(side.size_bytes) for side in sides)),
        ("bit rate, all of it", *(f"{side.bits_per_second / 1e6:.2f} Mb/s" for side in sides)),
    ]
    error = measured.worst_time_error_seconds * 1000
    remarks = [
        "Every frame of the output is shown exactly when the source's is."
        if not error and not measured.shift_seconds
        else f"Frames of the output are shown up to {error:.1f} ms away from the source's, after a start that is "
        f"{measured.shift_seconds * 1000:+.1f} ms away."
    ]
    headings = ("source", "output", "reference")[: len(sides)]
    return _Table(caption="The files", headings=headings, rows=rows, remarks=remarks)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e3:.0f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"


def _picture(side: Side) -> str:
    size, displayed = (side.width_px, side.height_px), (side.displayed_width_px, side.displayed_height_px)
    text = f"{size[0]}×{size[1]}"
    return text if size == displayed else f"{text}, shown as {displayed[0]}×{displayed[1]}"


def _round_trip_table(found: Comparison) -> _Table:
    likeness = found.measured.round_trip
    return _Table(
        caption="The output, scaled back down, beside the source",
        headings=("all frames", "worst frame"),
        rows=[
            ("PSNR", _decibels(likeness.psnr_db), _worst_psnr(likeness)),
            ("SSIM", f"{likeness.ssim:.4f}", _worst_ssim(likeness)),
        ],
        remarks=_ROUND_TRIP_REMARKS,
    )


def _reference_tables(found: Comparison) -> list[_Table]:
    ours, plain = found.measured.output_to_reference, found.measured.enlargement_to_reference
    if ours is None or plain is None:
        return []
    pairs = (plain, ours)
    rows: list[tuple[str, ...]] = [
        ("PSNR", *(_decibels(each.psnr_db) for each in pairs)),
        ("worst frame", *map(_worst_psnr, pairs)),
        ("SSIM", *(f"{each.ssim:.4f}" for each in pairs)),
        ("worst frame", *map(_worst_ssim, pairs)),
    ]
    measured: tuple[Vmaf | None, ...] = found.enlargement_vmaf, found.output_vmaf
    for name, field in (("VMAF", "vmaf"), ("VMAF NEG", "vmaf_neg")):
        rows.append((name, *("not measured" if each is None else f"{getattr(each, field):.1f}" for each in measured)))
    remarks = [_REFERENCE_REMARK]
    if not found.has_vmaf:
        remarks.append("VMAF is not measured: the ffmpeg command at hand has no libvmaf.")
    heading = f"source, {found.enlarged_by}" if found.enlarged_by else "source"
    return [_Table(caption="Beside the reference", headings=(heading, "output"), rows=rows, remarks=remarks)]


def _decibels(value: float | None) -> str:
    return "equal" if value is None else f"{value:.2f} dB"


def _worst_psnr(likeness: Likeness) -> str:
    if likeness.worst_psnr_db is None:
        return "equal"
    return f"{likeness.worst_psnr_db:.2f} dB at {clock(likeness.worst_psnr_seconds)}"


def _worst_ssim(likeness: Likeness) -> str:
    return f"{likeness.worst_ssim:.4f} at {clock(likeness.worst_ssim_seconds)}"
