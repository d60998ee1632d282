"""Extract: look at the source once, decide everything, and cut it into chunks that decode to the promised frames."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sr_core.contract import Stage
from sr_core.delivery import container_for, lossless_encoding
from sr_core.errors import InputError
from sr_core.interruption import Interruption
from sr_core.layout import model_key
from sr_core.manifest import Manifest
from sr_core.model_files import find
from sr_core.planning import is_deinterlaced, make_plan
from sr_core.progress import Progress, silent
from sr_core.stages.commit import commit
from sr_core.storage import check_publishable, fetch_source
from sr_core.tiers import CLOUD_TIERS
from sr_core.types import CloudTier, ModelSpec, Plan, Request, Tier, Timing, VideoInfo
from sr_core.video.formats import target_of
from sr_core.video.scan import Scan
from sr_core.video.source import cut_source, probe_source, scan_source
from sr_core.video.write import encoder_versions


def extract(
    manifest: Manifest,
    *,
    scratch: Path,
    tier: Tier | None = None,
    among: Sequence[CloudTier] = CLOUD_TIERS,
    chunk_segments: int | None = None,
    progress: Progress = silent,
    interruption: Interruption | None = None,
) -> Plan:
    """Makes the plan, unless there is one, and the chunk files that are missing.

    Before anything else it makes sure that the result can be published, and would replace nothing that it may not.

    Args:
        scratch: a folder for temporary files.
        tier, among, chunk_segments: see `make_plan`; without effect when there is a plan.

    Raises OutputExists, InputError when the source cannot be upscaled or the output cannot be written, and whatever a
    store raises.
    """
    started = time.monotonic()
    interruption = interruption or Interruption()
    request = manifest.request()
    container_for(request.output, request.settings.codec)
    check_publishable(request.output, overwrite=manifest.may_replace(request), job=request.digest())
    plan = manifest.plan_if_made()
    if plan is not None and _is_done(manifest, plan):
        manifest.write_route(plan)
        return plan
    source = fetch_source(request.input, scratch, version=request.input_version)
    with _named_by_address(request.input, source):
        info = plan.video if plan is not None else probe_source(source, while_waiting=interruption.check)

    def on_frame(count: int) -> None:
        progress(Stage.EXTRACT, count, max(count, info.frame_count))

    deinterlace = plan.deinterlace if plan is not None else is_deinterlaced(request.settings, info)
    found = scan_source(source, info, deinterlace=deinterlace, on_frame=on_frame, while_waiting=interruption.check)
    if plan is None:
        if found.interlaced_count and not info.is_interlaced:
            info = info.model_copy(update={"field_order": "unknown"})  # it began with progressive frames
            if is_deinterlaced(request.settings, info):
                found = scan_source(source, info, deinterlace=True, on_frame=on_frame, while_waiting=interruption.check)
        plan = _decide(manifest, request, info, found, scratch, tier, among, chunk_segments)
    else:
        manifest.restore_frames(found.frames)
    _cut_missing(manifest, plan, found, source, scratch, interruption, started=started)
    manifest.write_route(plan)
    return plan


@contextmanager
def _named_by_address(uri: str, path: Path) -> Iterator[None]:
    """What is wrong with the source is said of its address: this machine's copy is gone by the time it is read."""
    try:
        yield
    except InputError as error:
        error.args = (str(error).replace(str(path), uri),)
        raise


def _is_done(manifest: Manifest, plan: Plan) -> bool:
    return manifest.has_frames() and len(manifest.receipts(Stage.EXTRACT, range(len(plan.chunks)))) == len(plan.chunks)


def _decide(
    manifest: Manifest,
    request: Request,
    info: VideoInfo,
    found: Scan,
    scratch: Path,
    tier: Tier | None,
    among: Sequence[CloudTier],
    chunk_segments: int | None,
) -> Plan:
    if request.settings.strict and found.damage:
        raise InputError(f"{request.input}: {', '.join(found.damage)}; leave out --strict to upscale what decodes")
    exact = info.model_copy(
        update={
            "frame_count": len(found.frames),
            "variable_rate": found.frames.is_variable(),
            "duration_seconds": float(found.frames.total_seconds),
            "warnings": info.warnings + found.warnings,
        }
    )
    model = request.model or _find_model(manifest, request, scratch)
    plan = make_plan(request, model, exact, tier=tier, among=among, chunk_segments=chunk_segments)
    return manifest.write_plan(plan, found.frames)


def _find_model(manifest: Manifest, request: Request, scratch: Path) -> ModelSpec:
    """The network that the request names; one that does not ship is put into the job folder."""
    found = find(request.settings, scratch)
    if found.path is None:
        return found.spec
    key = model_key(found.spec.sha256)
    manifest.store.put(key, found.path, sha256=found.spec.sha256)
    return found.spec.model_copy(update={"stored_key": key})


def _cut_missing(
    manifest: Manifest,
    plan: Plan,
    found: Scan,
    source: Path,
    scratch: Path,
    interruption: Interruption,
    *,
    started: float,
) -> None:
    """`started` is the stage's: looking at the source counts to the first chunk, since only receipts tell of time."""
    done = manifest.receipts(Stage.EXTRACT, range(len(plan.chunks)))
    missing = [chunk for chunk in plan.chunks if chunk.index not in done]
    target = target_of(plan.video.pixel_format)
    assert target is not None, "probing refuses other pixel formats"
    lossless = lossless_encoding(target.format.name)
    cutting = cut_source(
        source,
        plan.video,
        found,
        missing,
        lossless=lossless,
        folder=scratch,
        while_waiting=interruption.check,
    )
    for made in cutting:
        interruption.check()
        commit(
            manifest,
            made.path,
            stage=Stage.EXTRACT,
            index=made.chunk.index,
            frame_count=made.chunk.frame_count,
            fingerprint=encoder_versions(),
            timing=Timing(total_seconds=time.monotonic() - started),
            carrier=made.carrier,
        )
        started = time.monotonic()
