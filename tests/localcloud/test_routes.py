"""What follows a failed job: read in the execution's history, as AWS would show it."""

import pytest

from localcloud.cloud import LocalCloud
from localcloud.execution import Execution
from sr_core.contract import Stage

from .runs import Run, Runs


def upscale_states(run: Run) -> list[str]:
    """The states about upscaling that chunk 0 went through."""
    return [name for name in run.execution.states(chunk=0) if name.startswith("Upscale")]


def queues(execution: Execution, state: str) -> list[str]:
    return [queue for name, queue in execution.submissions() if name == state]


def first_job(run: Run) -> list[tuple[int | None, str]]:
    """Exit code and status reason of each attempt of the first job on chunk 0."""
    attempts = run.attempts(Stage.UPSCALE, 0)
    outcomes = [attempt.outcome for attempt in attempts if attempt.job_id == attempts[0].job_id]
    return [(outcome.exit_code, outcome.status_reason) for outcome in outcomes if outcome is not None]


def test_reclaimed_until_the_attempts_run_out_then_on_demand(runs: Runs) -> None:
    run = runs.finish("vanish:upscale/0:3")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot", "UpscaleStandardSpotWhy", "UpscaleStandardOnDemand"]
    assert queues(run.execution, "UpscaleStandardOnDemand") == ["sr-trial-standard-on-demand"]
    tried = first_job(run)
    assert len(tried) == 3, "Batch itself tries again on Spot"
    assert all(code is None and reason.startswith("Host EC2 (instance i-") for code, reason in tried)


def test_reclaimed_once_goes_on_in_the_same_job(runs: Runs) -> None:
    run = runs.finish("vanish:upscale/0")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot"]
    assert [code for code, _ in first_job(run)] == [None, 0]


def test_the_last_attempt_exits_with_75_then_on_demand(runs: Runs) -> None:
    run = runs.finish("exit=75:upscale/0:3")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot", "UpscaleStandardSpotWhy", "UpscaleStandardOnDemand"]
    assert [code for code, _ in first_job(run)] == [75, 75, 75]


def test_no_capacity_on_spot_then_on_demand(runs: Runs) -> None:
    run = runs.finish("no-capacity:upscale/0")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot", "UpscaleStandardSpotWhy", "UpscaleStandardOnDemand"]
    (cause,) = [cause for name, cause in failures(run) if name == "UpscaleStandardSpot"]
    assert "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in cause


def failures(run: Run) -> list[tuple[str, str]]:
    """State and Cause of each failed task of chunk 0."""
    found, entered = [], ""
    for event in run.execution.children()[0].events:
        if "stateEnteredEventDetails" in event:
            entered = event["stateEnteredEventDetails"]["name"]
        elif event["type"] == "TaskFailed":
            found.append((entered, event["taskFailedEventDetails"]["cause"]))
    return found


@pytest.mark.parametrize(
    ("fault", "tier"),
    [("exit=69", "Premium"), ("exit=71", "Memory"), ("exit=137", "Memory"), ("oom", "Memory"), ("disk-full", "Memory")],
)
def test_a_machine_that_is_too_small_then_a_larger_one(runs: Runs, fault: str, tier: str) -> None:
    run = runs.finish(f"{fault}:upscale/0")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot", "UpscaleStandardSpotWhy", f"Upscale{tier}Spot"]
    assert queues(run.execution, f"Upscale{tier}Spot") == [f"sr-trial-{tier.lower()}"]
    assert len(first_job(run)) == 1, "on the same machine it would fail again"


@pytest.mark.parametrize("code", [64, 65, 1])
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

    # and the next start, without the fault, goes on from what is there
    again = run.again()
    again.assert_done()
    assert again.attempts(Stage.EXTRACT)[-1].outcome is not None


@pytest.mark.parametrize("stage", ["extract", "assemble"])
def test_the_cpu_stages_change_markets_and_machines_too(runs: Runs, stage: str) -> None:
    run = runs.finish(f"no-capacity:{stage}", f"oom:{stage}@0.0s")

    run.assert_done()
    name = stage.capitalize()
    states = [state for state in run.execution.states() if state.startswith((f"{name}Spot", f"{name}On", f"{name}Mem"))]
    assert states == [f"{name}Spot", f"{name}SpotWhy", f"{name}OnDemand", f"{name}OnDemandWhy", f"{name}MemorySpot"]


def test_a_critical_video_is_tried_once_on_spot(runs: Runs) -> None:
    run = runs.finish("vanish:upscale/0", critical=True)

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot", "UpscaleStandardSpotWhy", "UpscaleStandardOnDemand"]
    assert len(first_job(run)) == 1


def test_throttled_submissions_are_made_again(runs: Runs) -> None:
    run = runs.finish("throttle:upscale/0:3", "throttle:extract:2")

    run.assert_done()
    assert upscale_states(run) == ["UpscaleStandardSpot"]
    assert len([cause for _, cause in failures(run) if "Too Many Requests" in cause]) == 3


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
    run.again().assert_done()


def test_a_job_that_hangs_is_ended_by_its_timeout_and_named(cloud: LocalCloud, runs: Runs) -> None:
    run = runs.finish("hang:upscale/1@after-0")

    assert run.execution.status == "FAILED"
    _, cause = run.failure()
    assert "Job attempt duration exceeded timeout" in cause
    run.again().assert_done()
