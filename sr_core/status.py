"""How far a job is, told from its folder alone: nothing in it is changed, and whoever works on it notices nothing.

What is done is what has a receipt by the listing; whether its data holds is looked at by the stages. It does not know
what runs the job, nor whether anything does: when the last receipt came is what tells.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sr_core.contract import ROUTE_KEY, SEGMENT_CODEC_MEZZANINE, SET_ASIDE_PREFIX, Stage
from sr_core.manifest import Manifest
from sr_core.told import StageError
from sr_core.types import Failure, Model, Plan, Report, Request

_RECENT_RECEIPTS = 20
"""The rate that says what is left is that of so many: an older pause does not count."""


class State(StrEnum):
    """What is being done next, whether or not somebody is at it."""

    EXTRACTING = "extracting"
    UPSCALING = "upscaling"
    ENCODING = "encoding"
    ASSEMBLING = "assembling"
    DONE = "done"


class StageStatus(Model):
    """How far one stage is."""

    stage: Stage
    done_units: int
    total_units: int
    """Chunks of extract, segments of the others."""
    done_frames: int
    total_frames: int
    last_receipt_at: datetime | None
    """None before the first."""
    seconds_left: float | None
    """At the rate of the last receipts; None where there are fewer than two, or nothing is left."""


class JobStatus(Model):
    """How far a job is."""

    job: str
    """Address of its folder."""
    request: Request
    state: State
    plan: Plan | None
    """None before extract has made it."""
    stages: tuple[StageStatus, ...]
    """Those that leave receipts, in order; none before there is a plan."""
    failures: tuple[Failure, ...]
    """Chunks that the last execution in the cloud gave up."""
    errors: tuple[StageError, ...]
    """What stages said that ended in an error, and have not been started again."""
    set_aside: int
    """Receipts that did not hold, and whose work was done again."""
    report: Report | None
    """Of the published result."""


def job_status(manifest: Manifest) -> JobStatus:
    """Raises InputError when the address is no job's folder, IntegrityError when its plan is damaged."""
    request, plan = manifest.request(), manifest.plan_if_made()
    stages = () if plan is None else _stages(manifest, plan)
    report = manifest.report_if_published(request.output)
    return JobStatus(
        job=manifest.store.uri,
        request=request,
        state=_state(manifest, stages, report),
        plan=plan,
        stages=stages,
        failures=tuple(manifest.failures()),
        errors=tuple(manifest.errors()),
        set_aside=sum(1 for _ in manifest.store.list(SET_ASIDE_PREFIX)),
        report=report,
    )


def _state(manifest: Manifest, stages: tuple[StageStatus, ...], report: Report | None) -> State:
    if report is not None:
        return State.DONE
    if not stages or manifest.store.stat(ROUTE_KEY) is None:
        return State.EXTRACTING
    doing = {Stage.EXTRACT: State.EXTRACTING, Stage.UPSCALE: State.UPSCALING, Stage.ENCODE: State.ENCODING}
    for each in stages:
        if each.done_units < each.total_units:
            return doing[each.stage]
    return State.ASSEMBLING


def _stages(manifest: Manifest, plan: Plan) -> tuple[StageStatus, ...]:
    chunks = {chunk.index: chunk.end_frame - chunk.start_frame for chunk in plan.chunks}
    segments = {segment.index: segment.frame_count for segment in plan.segments}
    units = {Stage.EXTRACT: chunks, Stage.UPSCALE: segments}
    if plan.segment_codec == SEGMENT_CODEC_MEZZANINE:
        units[Stage.ENCODE] = segments
    return tuple(_stage(stage, frames, manifest.recorded(stage)) for stage, frames in units.items())


def _stage(stage: Stage, frames: Mapping[int, int], recorded: Mapping[int, datetime]) -> StageStatus:
    """`frames` by unit of the plan, and when the receipts of units were written."""
    done = sorted((at, index) for index, at in recorded.items() if index in frames)
    done_frames, total_frames = sum(frames[index] for _, index in done), sum(frames.values())
    recent, seconds_left = done[-_RECENT_RECEIPTS:], None
    if len(recent) > 1 and done_frames < total_frames:
        seconds = (recent[-1][0] - recent[0][0]).total_seconds()
        made = sum(frames[index] for _, index in recent[1:])
        seconds_left = seconds / made * (total_frames - done_frames)
    return StageStatus(
        stage=stage,
        done_units=len(done),
        total_units=len(frames),
        done_frames=done_frames,
        total_frames=total_frames,
        last_receipt_at=done[-1][0] if done else None,
        seconds_left=seconds_left,
    )
