"""The whole flow on one machine, top to bottom.

    source ── extract ──> plan + chunks ── upscale ──> segments ── encode ──> delivery segments ── assemble ──> output

`run_local` runs the same stages over the same job folder that AWS Batch jobs do. Calling it again with the same request
goes on where it stopped, however it stopped.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_core.contract import REPORT_KEY, REQUEST_KEY
from sr_core.errors import DamagedData, InputError, TransientError
from sr_core.inference import choose_device, choose_precision
from sr_core.interruption import Interruption
from sr_core.layout import model_key
from sr_core.manifest import Manifest
from sr_core.models.catalogue import shipped
from sr_core.models.describe import describe
from sr_core.planning import check_scale
from sr_core.progress import Progress, silent
from sr_core.stages.assemble import assemble
from sr_core.stages.encode import encode
from sr_core.stages.extract import extract
from sr_core.stages.upscale import upscale
from sr_core.storage import ObjectNotFound, check_publishable, open_store, source_version
from sr_core.types import Report, Request, Settings
from sr_core.video.join import container_for


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
    container_for(output)
    blocked = _why_not_publishable(output, overwrite)
    if blocked and not work_dir.is_dir():
        raise blocked
    request, weights = make_request(source, output, settings)
    with _job_folder(work_dir, request.job_id) as (folder, scratch):
        manifest = Manifest(open_store(str(folder)))
        report = _report_of_finished(manifest, output)
        if report is None:
            if blocked:
                raise blocked
            if weights is not None and request.model is not None:
                manifest.store.put(model_key(request.model.sha256), weights, sha256=request.model.sha256)
            manifest.store.put_bytes(REQUEST_KEY, request.to_json())
            report = _run_stages(manifest, scratch, overwrite, chunk_segments, progress, interruption)
    return report


def _run_stages(
    manifest: Manifest,
    scratch: Path,
    overwrite: bool,
    chunk_segments: int | None,
    progress: Progress,
    interruption: Interruption,
) -> Report:
    for is_last_try in (False, True):
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
            return assemble(
                manifest, scratch=scratch, overwrite=overwrite, progress=progress, interruption=interruption
            )
        except DamagedData:
            # What was damaged is set aside by now; the stages do it again, once.
            if is_last_try:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def make_request(source: str, output: str, settings: Settings) -> tuple[Request, Path | None]:
    """Settles what this machine decides (device, precision) and names the source and network by their content.

    Returns the request and, for a network that does not ship with the package, its weights file.

    Raises InputError: no such source, network or device, or a scale that is not the network's.
    """
    version = source_version(source)
    model = describe(settings.model)
    check_scale(settings, model)
    device = choose_device(settings)
    settled = settings.model_copy(
        update={"device": device, "precision": choose_precision(settings, device), "model": Path(model.name).name}
    )
    weights = None
    if settings.model not in shipped():
        weights = Path(settings.model)
        model = model.model_copy(update={"name": weights.name, "stored_key": model_key(model.sha256)})
    address = source if "://" in source else str(Path(source).absolute())
    target = output if "://" in output else str(Path(output).absolute())
    return Request(input=address, input_version=version, output=target, settings=settled, model=model), weights


def _why_not_publishable(output: str, overwrite: bool) -> InputError | None:
    try:
        check_publishable(output, overwrite=overwrite)
    except InputError as error:
        return error
    return None


def _report_of_finished(manifest: Manifest, output: str) -> Report | None:
    """The report, if this very job has published `output` already and was stopped before it could clean up."""
    try:
        report = Report.from_json(manifest.store.get_bytes(REPORT_KEY))
        if source_version(output) == f"sha256:{report.sha256}":
            return report
    except (ObjectNotFound, InputError, ValueError):
        pass
    return None


@contextmanager
def _job_folder(work_dir: Path, job_id: str) -> Iterator[tuple[Path, Path]]:
    """The job's folder and an empty scratch folder, for this process alone; both are removed when all went well.

    Raises TransientError when another process is working on the job.
    """
    folder, scratch, lock = (work_dir / f"{job_id}{suffix}" for suffix in ("", ".scratch", ".lock"))
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        lock_file = lock.open("a")
    except OSError as error:
        raise InputError(f"cannot write to {work_dir} ({error.strerror}); choose another with --work-dir") from error
    with lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(f"another `sr run` is working on this job ({folder}); wait until it ends") from None
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield folder, scratch
        shutil.rmtree(scratch, ignore_errors=True)
        _remove_job(folder)
        lock.unlink(missing_ok=True)
    with suppress(OSError):
        work_dir.rmdir()


def _remove_job(folder: Path) -> None:
    """Removes a finished job's folder, its report last: until then the next call can tell that it is finished."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != REPORT_KEY:
            entry.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
