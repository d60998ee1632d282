"""Assemble: every segment is there and whole, so join them, add the rest of the source, check, publish."""

import time
from collections.abc import Mapping
from pathlib import Path

from sr_core.contract import REPORT_KEY, Stage
from sr_core.delivery import container_for
from sr_core.errors import DamagedData, IntegrityError
from sr_core.interruption import Interruption
from sr_core.manifest import Manifest
from sr_core.metadata_service import this_machine
from sr_core.metered import cost
from sr_core.models.catalogue import file_digest
from sr_core.progress import Progress, silent
from sr_core.storage import OutputExists, fetch_source, publish
from sr_core.types import Plan, Receipt, Report, Segment
from sr_core.video.source import join_and_verify


class MissingSegments(DamagedData):
    """Segments have no receipt that holds."""

    def __init__(self, message: str) -> None:
        super().__init__(message, key="")


def assemble(
    manifest: Manifest,
    *,
    scratch: Path,
    progress: Progress = silent,
    interruption: Interruption | None = None,
) -> Report:
    """Publishes the result, verified, and leaves the report in the job folder.

    What lies there is replaced where the request says so or this job itself has put it there; extract has looked, too.

    Raises:
        MissingSegments: some are not done, or their data is gone or damaged; they are set aside and can be done again.
        IntegrityError: the finished file does not hold what was promised.
        OutputExists: another's result came there meanwhile. This job's own is made again from its segments.
        InputError: the output cannot be published.
    """
    started = time.monotonic()
    interruption = interruption or Interruption()
    request, plan = manifest.request(), manifest.plan()
    container = container_for(request.output, request.settings.codec)
    stage = Stage.UPSCALE if plan.segment_codec == "delivery" else Stage.ENCODE
    receipts = manifest.receipts(stage, range(len(plan.segments)))
    files = _fetch_all(manifest, plan, receipts, scratch, progress, interruption)
    source = fetch_source(request.input, scratch, version=request.input_version)
    frames = manifest.frames()
    interruption.check()
    path = scratch / f"result{Path(request.output).suffix.lower()}"
    try:
        warnings = join_and_verify(
            files, source, plan, frames, container=container, output=path, on_packet=interruption.check
        )
        report = _report(manifest, plan, receipts, request.output, path, warnings, started)
        interruption.check()
        replaces = manifest.may_replace(request)
        # Before publishing, so that whoever finds the output there can tell whether this job put it there.
        manifest.store.put_bytes(REPORT_KEY, report.to_json())
        try:
            publish(path, request.output, overwrite=replaces, job=request.digest())
        except OutputExists:
            if manifest.report_if_published(request.output) is None:  # else another worker of this job was first
                raise
    finally:
        path.unlink(missing_ok=True)
    return report


def _fetch_all(
    manifest: Manifest,
    plan: Plan,
    receipts: Mapping[int, Receipt],
    scratch: Path,
    progress: Progress,
    interruption: Interruption,
) -> list[tuple[Segment, Path]]:
    """A checked local file for every segment. Raises MissingSegments naming all that are missing."""
    files: list[tuple[Segment, Path]] = []
    missing: list[int] = []
    for segment in plan.segments:
        interruption.check()
        receipt = receipts.get(segment.index)
        if receipt is None:
            missing.append(segment.index)
            continue
        try:
            files.append((segment, manifest.fetch(receipt, scratch)))
        except DamagedData:
            missing.append(segment.index)
        progress(Stage.ASSEMBLE, segment.end_frame, plan.video.frame_count)
    if missing:
        names = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise MissingSegments(
            f"{len(missing)} of {len(plan.segments)} segments are missing or damaged ({names}); start the job again"
        )
    return files


def _report(
    manifest: Manifest,
    plan: Plan,
    receipts: Mapping[int, Receipt],
    output: str,
    path: Path,
    warnings: tuple[str, ...],
    started: float,
) -> Report:
    upscaled = receipts
    if plan.segment_codec != "delivery":
        upscaled = manifest.receipts(Stage.UPSCALE, range(len(plan.segments))) or receipts
    fingerprints = {receipt.fingerprint for receipt in upscaled.values()}
    if len(fingerprints) > 1:
        warnings = (*warnings, f"segments were made under {len(fingerprints)} fingerprints; see their receipts")
    if not path.stat().st_size:
        raise IntegrityError("the result is an empty file")
    sha256 = file_digest(path)
    extracted = manifest.told(Stage.EXTRACT, range(len(plan.chunks)))
    done = {(receipt.stage, receipt.index): receipt for made in (upscaled, receipts) for receipt in made.values()}
    assemble_seconds = time.monotonic() - started
    return Report(
        output=output,
        size_bytes=path.stat().st_size,
        sha256=sha256,
        frame_count=plan.video.frame_count,
        width_px=plan.width_px,
        height_px=plan.height_px,
        segment_count=len(plan.segments),
        upscale_seconds=sum(receipt.timing.total_seconds for receipt in upscaled.values()),
        model_seconds=sum(receipt.timing.model_seconds for receipt in upscaled.values()),
        assemble_seconds=assemble_seconds,
        cost=cost([*extracted, *done.values()], assembled_on=this_machine(), assemble_seconds=assemble_seconds),
        warnings=(*plan.warnings, *warnings),
    )
