"""A hundred schedules of faults (`make chaos`): each ends with the right output, or with a named failure that mends."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from localcloud.attempt import Attempt
from localcloud.cloud import LocalCloud
from localcloud.faults import Kind
from sr_core.contract import Stage

from .conftest import TOLD_AT_THE_END
from .runs import FRAMES, SEGMENT_FRAMES, Run, Runs, frames_computed
from .schedules import SCHEDULES, Schedule

IN_SHORT = ("vanish:assemble@after-1",)
"""Schedules that run without ``SR_CHAOS``, too: the machine is gone when the output has just been published."""
CHOSEN = SCHEDULES if os.environ.get("SR_CHAOS") else [found for found in SCHEDULES if found.name in IN_SHORT]
_ENDS_ATTEMPTS = {Kind.RECLAIM, Kind.VANISH, Kind.OOM, Kind.HANG, Kind.NOTICE, Kind.EXIT, Kind.DISK_FULL}


@dataclass
class Figures:
    """What the schedules came to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lost_frames: list[int] = field(default_factory=list)
    """For each interrupted attempt that had upscaled anything: frames that were upscaled and not kept."""

    def lines(self) -> Iterator[str]:
        yield f"{self.outcomes.total()} schedules: " + ", ".join(f"{n} {name}" for name, n in self.outcomes.items())
        yield f"{self.faults.total()} faults: " + ", ".join(f"{n} {kind}" for kind, n in self.faults.most_common())
        if self.lost_frames:
            yield (
                f"{len(self.lost_frames)} attempts ended while upscaling; frames lost by each: at most "
                f"{max(self.lost_frames)}, {sum(self.lost_frames) / len(self.lost_frames):.1f} on average "
                f"(a segment has {SEGMENT_FRAMES[0]})"
            )


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Summed up over all schedules, and told at the end of the session."""
    found = Figures()
    yield found
    if os.environ.get("SR_CHAOS"):
        request.config.stash[TOLD_AT_THE_END].extend(found.lines())


@pytest.mark.slow
@pytest.mark.parametrize("schedule", CHOSEN, ids=lambda schedule: schedule.name)
def test_every_schedule_ends_well(cloud: LocalCloud, runs: Runs, figures: Figures, schedule: Schedule) -> None:
    # When a video meets these faults
    settings = {"segment_codec": "mezzanine"} if schedule.mezzanine else {}
    run = runs.finish(*schedule.faults, settings=settings)
    befallen = list(cloud.plan.befallen)
    figures.faults.update(str(fault.kind) for fault, _ in befallen)
    run.assert_only_whole_results()

    # Then it is done, or the failure has a name that says where and why, and the next start succeeds
    if run.execution.status == "SUCCEEDED":
        figures.outcomes["done, the same to the last byte"] += 1
    else:
        figures.outcomes["failed by name, then done when started again"] += 1
        assert_named(run)
        run = run.again()
    run.assert_done()

    # and no frame is kept twice, and an interruption costs one segment at most
    assert sum(receipt.frame_count for receipt in run.receipts(Stage.UPSCALE)) == FRAMES
    assert sum(frames_kept(attempt) for attempt in run.attempts(Stage.UPSCALE)) == FRAMES
    for attempt in run.attempts(Stage.UPSCALE):
        lost = frames_computed(attempt) - frames_kept(attempt)
        assert lost <= max(SEGMENT_FRAMES), attempt.outcome
        if _ENDS_ATTEMPTS & {fault.kind for fault in attempt.faults} and frames_computed(attempt):
            figures.lost_frames.append(lost)


def assert_named(run: Run) -> None:
    error, cause = run.failure()
    assert error in ("ExtractFailed", "ChunkFailed", "AssembleFailed"), (error, cause)
    assert cause
    if error == "ChunkFailed":
        assert cause.startswith(("chunk 0: ", "chunk 1: ")), cause
    assert run.execution.states()[-3:] == ["AnnounceFailure", "NotifyFailure", "Failed"]


def frames_kept(attempt: Attempt) -> int:
    """Frames of the segments that the attempt handed in: those whose receipts it wrote."""
    written = [request.key for request, status in attempt.requests if request.is_write and status == 200]
    indices = [int(key.rpartition("/")[2][:5]) for key in written if "/receipts/upscale/" in key]
    return sum(SEGMENT_FRAMES[index] for index in indices)


def test_there_are_a_hundred() -> None:
    assert len(SCHEDULES) == 100
    assert len({schedule.name for schedule in SCHEDULES}) == 100
