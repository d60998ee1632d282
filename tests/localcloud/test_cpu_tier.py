"""A video for which no GPU is paid: the machines of the other stages upscale it."""

import json

import pytest

from sr_core.contract import ENV_CORES, ENV_TIERS, ROUTE_KEY, Stage

from .runs import RUN_SETTINGS, Run, Runs

SPOT, WHY = "UpscaleCpuSpot", "UpscaleCpuSpotWhy"
CPU = {**RUN_SETTINGS, "tier": "cpu"}
ROUTES = {
    "no fault": ("exit=1:encode/{}", (SPOT,), "sr-trial-cpu-bulk"),
    "interrupted until the attempts run out": (
        "exit=75:upscale/{}:3",
        (SPOT, WHY, "UpscaleCpuOnDemand"),
        "sr-trial-cpu-bulk-on-demand",
    ),
    "exit 71": ("exit=71:upscale/{}", (SPOT, WHY, "UpscaleCpuMemorySpot"), "sr-trial-cpu-memory-bulk"),
    "killed for its memory": ("oom:upscale/{}", (SPOT, WHY, "UpscaleCpuMemorySpot"), "sr-trial-cpu-memory-bulk"),
}


@pytest.fixture(scope="module")
def routed(make_runs: Runs) -> Run:
    """A video of four chunks, each with a fault of its own."""
    cloud = make_runs.cloud
    before, cloud.chunk_segments = cloud.chunk_segments, 1
    run = make_runs.finish(
        *(fault.format(chunk) for chunk, (fault, _, _) in enumerate(ROUTES.values())), settings={"tier": "cpu"}
    )
    cloud.chunk_segments = before
    return run


@pytest.mark.parametrize("name", ROUTES)
def test_a_reason_decides_what_follows_and_never_a_gpu(routed: Run, name: str) -> None:
    chunk, (_, states, queue) = list(ROUTES).index(name), ROUTES[name]

    # Given that the video is done, and is the one that `sr run` makes
    routed.assert_done()

    # Then its chunk went this way
    visited = [state for state in routed.execution.states(chunk=chunk) if state.startswith("Upscale")]
    assert tuple(visited) == states
    assert [queue for _, queue, of in routed.execution.submissions() if of == chunk][-1] == queue


def test_a_job_uses_as_many_cores_as_it_asks_for(routed: Run) -> None:
    jobs = [job for job in routed.jobs() if job.target.stage == Stage.UPSCALE]

    assert {job.vcpus for job in jobs if job.job_queue.name == "sr-trial-cpu-bulk"} == {4}
    assert {job.vcpus for job in jobs if job.job_queue.name == "sr-trial-cpu-memory-bulk"} == {8}
    assert all(job.environment[ENV_CORES] == str(job.vcpus) for job in jobs)


def test_out_of_gpu_memory_means_nothing_where_there_is_none(runs: Runs) -> None:
    run = runs.finish("exit=69:upscale/0:all", settings={"tier": "cpu"})

    assert run.execution.status == "FAILED"
    assert run.failure()[0] == "ChunkFailed"
    assert len(run.attempts(Stage.UPSCALE, 0)) == 1, "no other machine is tried"


def test_a_deployment_for_accounts_without_gpus_plans_for_cpus(runs: Runs) -> None:
    # Given a request that says nothing of machines, to a deployment that was configured so
    run = runs.finish(settings={"tier": "auto", "device": "auto"})

    # Then its plan is for CPUs
    run.assert_done()
    assert json.loads(run.cloud.read(f"{run.job}/{ROUTE_KEY}"))["tier"] == "cpu"
    (extract,) = (job for job in run.jobs() if job.target.stage == Stage.EXTRACT)
    assert extract.environment[ENV_TIERS] == "cpu"
