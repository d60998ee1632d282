"""What follows a failed job: read in the execution's history, as AWS would show it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.cloud import LocalCloud
from sr_core.aws.causes import in_short
from sr_core.contract import Stage
from sr_core.types import Failure

from .runs import SETTINGS, Run, Runs

SPOT, WHY, ON_DEMAND = "UpscaleStandardSpot", "UpscaleStandardSpotWhy", "UpscaleStandardOnDemand"


@dataclass(frozen=True)
class Route:
    """What befalls a chunk, and how it goes on."""

    fault: str
    states: tuple[str, ...]
    queue: str
    """Of the last submission."""
    codes: tuple[int | None, ...]
    """Exit codes of the first job's attempts."""
    status: str = "Essential container in task exited"
    """Start of the first job's status reason."""


ROUTES = {
    "reclaimed until the attempts run out": Route(
        "vanish:upscale/{}:3",
        (SPOT, WHY, ON_DEMAND),
        "sr-trial-standard-on-demand",
        (None, None, None),
        "Host EC2 (instance i-",
    ),
    "reclaimed once": Route("vanish:upscale/{}", (SPOT,), "sr-trial-standard", (None, 0)),
    "last exit 75": Route("exit=75:upscale/{}:3", (SPOT, WHY, ON_DEMAND), "sr-trial-standard-on-demand", (75, 75, 75)),
    "no capacity, and none on On-Demand either, which waits": Route(
        "no-capacity:upscale/{}:all",
        (SPOT, WHY, ON_DEMAND),
        "sr-trial-standard-on-demand",
        (),
        "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    ),
    "exit 69": Route("exit=69:upscale/{}", (SPOT, WHY, "UpscalePremiumSpot"), "sr-trial-premium", (69,)),
    "exit 71": Route("exit=71:upscale/{}", (SPOT, WHY, "UpscaleMemorySpot"), "sr-trial-memory", (71,)),
    "exit 137": Route("exit=137:upscale/{}", (SPOT, WHY, "UpscaleMemorySpot"), "sr-trial-memory", (137,)),
    "killed for its memory": Route("oom:upscale/{}", (SPOT, WHY, "UpscaleMemorySpot"), "sr-trial-memory", (137,)),
    "a full disk": Route("disk-full=8000:upscale/{}", (SPOT, WHY, "UpscaleMemorySpot"), "sr-trial-memory", (71,)),
    "exit 74 once": Route("exit=74:upscale/{}", (SPOT,), "sr-trial-standard", (74, 0)),
    "throttled submissions": Route("throttle:upscale/{}:3", (SPOT,), "sr-trial-standard", (0,)),
    "no fault": Route("exit=1:encode/{}", (SPOT,), "sr-trial-standard", (0,)),
}
CHUNKS = 4


@pytest.fixture(scope="module")
def routed(running_cloud: LocalCloud, make_runs: Runs) -> dict[str, tuple[Run, int]]:
    """Three videos of four chunks, each with a fault of its own: by route, the run and the chunk."""
    names = list(ROUTES)
    before, running_cloud.chunk_segments = running_cloud.chunk_segments, 1
    found: dict[str, tuple[Run, int]] = {}
    for start in range(0, len(names), CHUNKS):
        group = names[start : start + CHUNKS]
        run = make_runs.finish(*(ROUTES[name].fault.format(chunk) for chunk, name in enumerate(group)))
        found |= {name: (run, chunk) for chunk, name in enumerate(group)}
    running_cloud.chunk_segments = before
    return found


@pytest.mark.parametrize("name", ROUTES)
def test_a_reason_decides_what_follows(routed: dict[str, tuple[Run, int]], name: str) -> None:
    (run, chunk), route = routed[name], ROUTES[name]

    # Given that the video is done all the same
    run.assert_done()

    # Then the history shows the way of its chunk
    visited = [state for state in run.execution.states(chunk=chunk) if state.startswith("Upscale")]
    assert visited == list(route.states)
    submitted = [(state, queue) for state, queue, of in run.execution.submissions() if of == chunk]
    assert list(dict(submitted)) == [state for state in route.states if state != WHY]
    assert submitted[-1][1] == route.queue

    # and Batch's record says why
    job = next(job for job in run.jobs() if (job.target.stage, job.target.chunk) == (Stage.UPSCALE, chunk))
    outcomes = [attempt.outcome for attempt in job.ran]
    assert tuple(outcome and outcome.exit_code for outcome in outcomes) == route.codes
    assert str(job.describe()["statusReason"]).startswith(route.status)


def test_a_throttled_submission_is_a_failed_task_that_is_tried_again(routed: dict[str, tuple[Run, int]]) -> None:
    run, chunk = routed["throttled submissions"]
    failures = [event for event in run.execution.children()[chunk].events if event["type"] == "TaskFailed"]
    assert [event["taskFailedEventDetails"]["error"] for event in failures] == ["Batch.AWSBatchException"] * 3


@pytest.mark.parametrize("code", [64, 65])
def test_what_no_machine_can_mend_fails_at_once_with_chunk_and_cause(runs: Runs, code: int) -> None:
    run = runs.finish(f"exit={code}:upscale/1:all")

    assert run.execution.status == "FAILED"
    error, cause = run.failure()
    assert error == "ChunkFailed"
    assert cause.startswith("chunk 1: UpscaleFailed: ")
    assert f'"ExitCode":{code}' in cause.replace(" ", "")
    assert len(run.attempts(Stage.UPSCALE, 1)) == 1, "no retry"
    assert run.execution.states()[-1] == "Failed"
    assert "FindFailure" in run.execution.states(), "the map fails with its child"
    assert run.published() == []

    # and the job folder tells the same to `sr status`
    failure = Failure.from_json(run.cloud.read(f"{run.job}/failures/00001.json"))
    assert (failure.chunk, failure.error) == (1, "UpscaleFailed")
    assert f"exit code {code}" in in_short(failure.cause)

    # and the next start, without the fault, goes on from what is there
    if code == 64:
        run.again().assert_done()


def test_a_failure_is_told_in_the_jobs_own_words(cloud: LocalCloud, tmp_path: Path) -> None:
    # Given a text file where a video should be
    note = tmp_path / "note.txt"
    note.write_text("call Anna")
    source = cloud.upload(note, "films/note.mp4")
    request = {"input": source, "settings": SETTINGS}
    run = Run(cloud, source, request, cloud.start("UpscaleVideo", request), b"")
    assert run.execution.wait() == "FAILED"

    # Then the execution says what the job said, and in which log
    error, cause = run.failure()
    (attempt,) = run.attempts(Stage.EXTRACT)
    assert error == "ExtractFailed"
    line, _, log = cause.partition(" (exit 64, log stream ")
    assert line.startswith(f"{source} is not a video")
    assert f"sr: {line}\n" in attempt.log.read_text()
    assert log == f"{attempt.log.stem})"


def test_a_chunks_failure_is_told_in_the_jobs_own_words(runs: Runs) -> None:
    # Given machines whose disks are full, the largest, too
    run = runs.finish("disk-full=8000:upscale/1:all")

    # Then the execution names the chunk and the reason
    error, cause = run.failure()
    assert error == "ChunkFailed"
    assert cause.startswith("chunk 1: UpscaleFailed: ")
    assert "no space left for segment-" in cause
    assert cause.endswith(f" (exit 71, log stream {run.attempts(Stage.UPSCALE, 1)[-1].log.stem})")

    # and when the work goes on, nothing of it is left
    assert "errors/upscale/1.json" in run.cloud.keys(run.job)
    again = run.again()
    again.assert_done()
    assert not [key for key in run.cloud.keys(run.job) if key.startswith(("errors/", "failures/"))]


def test_the_cpu_stages_change_markets_and_machines_too(runs: Runs) -> None:
    stages = ("extract", "assemble")
    run = runs.finish(*(fault for stage in stages for fault in (f"no-capacity:{stage}", f"oom:{stage}@0.0s")))

    run.assert_done()
    for name in map(str.capitalize, stages):
        expected = [f"{name}{end}" for end in ("Spot", "SpotWhy", "OnDemand", "OnDemandWhy", "MemorySpot")]
        assert [state for state in run.execution.states() if state in expected] == expected


def test_a_critical_video_is_tried_once_on_spot_and_no_sooner_given_up_than_others(runs: Runs) -> None:
    # Given a machine that is taken, S3 that fails a job twice, and a SIGTERM before the program can listen
    run = runs.finish("vanish:upscale/0", "exit=74:upscale/1:2", "exit=143:extract", critical=True)

    # Then each has one attempt on Spot, and On-Demand has its own
    run.assert_done()
    for chunk, attempts in ((0, [1, 1]), (1, [1, 2])):
        visited = [state for state in run.execution.states(chunk=chunk) if state.startswith("Upscale")]
        assert visited == [SPOT, WHY, ON_DEMAND]
        assert [len(job.ran) for job in run.jobs() if job.target.chunk == chunk] == attempts
    assert [len(job.ran) for job in run.jobs() if job.target.stage == Stage.EXTRACT] == [1, 1]


@pytest.mark.parametrize(
    ("faults", "named"),
    [
        (("exit=1:upscale/0", "cause=Service unavailable:upscale/0"), "chunk 0: UpscaleFailed: Service unavailable"),
        (("vanish:upscale/0:3", "cut-cause=40:upscale/0"), "chunk 0: UpscaleFailed: {"),
    ],
    ids=["plain text", "cut short"],
)
def test_a_cause_that_says_nothing_ends_with_what_there_is(runs: Runs, faults: tuple[str, ...], named: str) -> None:
    run = runs.finish(*faults)

    assert run.execution.status == "FAILED"
    error, cause = run.failure()
    assert (error, cause[: len(named)]) == ("ChunkFailed", named)


def test_a_job_that_hangs_is_ended_by_its_timeout_and_named(runs: Runs) -> None:
    run = runs.finish("hang:upscale/1@after-0")

    assert run.execution.status == "FAILED"
    _, cause = run.failure()
    assert "Job attempt duration exceeded timeout" in cause
