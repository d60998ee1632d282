"""`sr compare`: a page that shows an upscaled video beside its source, and figures that say what it is worth."""

import argparse
from collections.abc import Iterator

from sr_core.cli.output import note, progress_display, show, show_json
from sr_core.cli.scratch import scratch_folder
from sr_core.compare.comparison import MOST_PICTURES, Comparison, Given, compare
from sr_core.compare.page import page
from sr_core.errors import InputError
from sr_core.likeness import Likeness, Vmaf
from sr_core.storage import check_publishable, fetch_source, is_same_place, publish
from sr_core.storage.disk import disk_errors
from sr_core.storage.open import is_s3

_SUFFIXES = (".html", ".htm")


def run(options: argparse.Namespace) -> None:
    if max(options.frames, len(options.at)) > MOST_PICTURES:
        raise InputError(f"{max(options.frames, len(options.at))} pictures; ask for {MOST_PICTURES} at most")
    target = options.page or _beside(options.output)
    _check_places(options, target)
    check_publishable(target, overwrite=options.overwrite)
    with scratch_folder() as scratch, progress_display() as display:
        given = {
            name: Given(name=address, path=fetch_source(address, scratch / name))
            for name in ("source", "output", "reference")
            if (address := getattr(options, name)) is not None
        }
        comparison, files = compare(
            given["source"],
            given["output"],
            given.get("reference"),
            count=options.frames,
            times=options.at,
            scratch=scratch,
            progress=display,
        )
        made = scratch / "page.html"
        with disk_errors(made):
            made.write_text(page(comparison, files), encoding="utf-8")
        size_bytes = made.stat().st_size
        publish(made, target, overwrite=options.overwrite)
    for warning in comparison.warnings:
        note(f"sr: warning: {warning}")
    if options.json:
        show_json({"page": target, "size_bytes": size_bytes, **comparison.model_dump(mode="json")})
    else:
        show("\n".join([f"{target}: {_counted(comparison)}, {size_bytes / 1e6:.1f} MB", *_lines(comparison)]))


def _beside(output: str) -> str:
    if is_s3(output):
        raise InputError(f"{output} is in S3; say where the page goes: -o PAGE.html or -o s3://bucket/PAGE.html")
    name = output.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    return f"{output[: len(output) - len(name)]}{stem}-compare.html"


def _check_places(options: argparse.Namespace, target: str) -> None:
    """Raises InputError where the page would not be one, or one file is given twice."""
    if not target.lower().endswith(_SUFFIXES):
        raise InputError(f"{target} is not a page's name; let it end in .html")
    videos = [address for address in (options.source, options.output, options.reference) if address is not None]
    for index, address in enumerate(videos):
        for other in (*videos[:index], target):
            if is_same_place(address, other):
                raise InputError(f"{address} and {other} are the same file; give each its own")


def _counted(comparison: Comparison) -> str:
    pictures = len(comparison.shots)
    return f"{pictures} picture{'s' * (pictures != 1)} of {comparison.measured.frame_count} frames"


def _lines(comparison: Comparison) -> Iterator[str]:
    measured = comparison.measured
    yield f"  scaled back down, beside the source: {_told(measured.round_trip)}"
    if measured.output_to_reference is not None and measured.enlargement_to_reference is not None:
        yield f"  beside the reference: {_told(measured.output_to_reference, comparison.output_vmaf)}"
        name = comparison.enlarged_by or "the source itself"
        yield f"  {name}, for comparison: {_told(measured.enlargement_to_reference, comparison.enlargement_vmaf)}"
        if not comparison.has_vmaf:
            yield "  VMAF: not measured, the ffmpeg command at hand has no libvmaf"


def _told(likeness: Likeness, vmaf: Vmaf | None = None) -> str:
    if likeness.psnr_db is None or likeness.worst_psnr_db is None:
        words = ["equal in every frame"]
    else:
        words = [
            f"PSNR {likeness.psnr_db:.2f} dB (worst {likeness.worst_psnr_db:.2f} at "
            f"{likeness.worst_psnr_seconds:.3f} s)",
            f"SSIM {likeness.ssim:.4f} (worst {likeness.worst_ssim:.4f} at {likeness.worst_ssim_seconds:.3f} s)",
        ]
    if vmaf is not None:
        words.append(f"VMAF {vmaf.vmaf:.1f}, NEG {vmaf.vmaf_neg:.1f}")
    return ", ".join(words)
