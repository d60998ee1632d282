"""The whole flow on one machine, top to bottom.

    source ── extract ──> plan + chunks ── upscale ──> segments ── encode ──> delivery segments ── assemble ──> output

`run_local` runs the same stages over the same job folder that AWS Batch jobs do. Calling it again with the same request
goes on where it stopped, however it stopped.
"""

from pathlib import Path

from sr_core.contract import REQUEST_KEY
from sr_core.delivery import container_for
from sr_core.errors import DamagedData, InputError
from sr_core.interruption import Interruption
from sr_core.job_folder import job_folder
from sr_core.layout import model_key
from sr_core.manifest import Manifest
from sr_core.progress import Progress, silent
from sr_core.request import make_request
from sr_core.stages.assemble import assemble
from sr_core.stages.encode import encode
from sr_core.stages.extract import extract
from sr_core.stages.upscale import upscale
from sr_core.storage import check_publishable, is_same_place, open_store
from sr_core.types import Report, Settings


def run_local(
    source: str,
    output: str,
    settings: Settings,
    *,
    work_dir: Path,
    overwrite: bool = False,
    chunk_segments: int | None = None,
    progress: Progress = silent,
    interruption: Interruption | None = None,
) -> Report:
    """Upscales one video.

    Args:
        source, output: paths or addresses.
        work_dir: where the job folder is kept until the result is published.
        overwrite: whether an output that is not this job's own is replaced.
        chunk_segments: segments in a chunk; for tests and measurements, the result does not depend on it.

    Raises SrError of every kind; the job folder is kept, and the same call goes on from there.
    """
    interruption = interruption or Interruption()
    work_dir = work_dir.absolute()  # a relative "a:b" would be an address to the muxers
    container_for(output, settings.codec)
    if is_same_place(source, output):
        raise InputError(f"{output} is the input itself; choose another output")
    blocked = _why_not_publishable(output, overwrite)
    if blocked and not work_dir.is_dir():
        raise blocked
    request, weights = make_request(source, output, settings)
    with job_folder(work_dir, request.job_id) as (folder, scratch):
        manifest = Manifest(open_store(str(folder)))
        # It may have published and been stopped before it could clean up.
        report = manifest.report_if_published(output)
        if report is None:
            blocked = blocked or _why_not_publishable(output, overwrite)  # another run may just have finished
            if blocked:
                raise blocked
            if weights is not None and request.model is not None:
                manifest.store.put(model_key(request.model.sha256), weights, sha256=request.model.sha256)
            request = request.model_copy(update={"overwrite": overwrite})
            manifest.store.put_bytes(REQUEST_KEY, request.to_json())
            report = _run_stages(manifest, scratch, chunk_segments, progress, interruption)
    return report


def _run_stages(
    manifest: Manifest,
    scratch: Path,
    chunk_segments: int | None,
    progress: Progress,
    interruption: Interruption,
) -> Report:
    redone: set[str] = set()
    while True:
        try:
            plan = extract(
                manifest,
                scratch=scratch,
                tier="local",
                chunk_segments=chunk_segments,
                progress=progress,
                interruption=interruption,
            )
            for chunk in plan.chunks:
                upscale(manifest, chunk.index, scratch=scratch, progress=progress, interruption=interruption)
                encode(manifest, chunk.index, scratch=scratch, progress=progress, interruption=interruption)
            return assemble(manifest, scratch=scratch, progress=progress, interruption=interruption)
        except DamagedData as error:
            # What was damaged is set aside by now; the stages do it again, each once.
            if error.key in redone:
                raise
            redone.add(error.key)


def _why_not_publishable(output: str, overwrite: bool) -> InputError | None:
    try:
        check_publishable(output, overwrite=overwrite)
    except InputError as error:
        return error
    return None
