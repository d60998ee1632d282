"""Nothing that lies at an output is lost unless somebody said so, and what is refused is refused before any GPU."""

from sr_core.contract import ExitCode, Stage

from .runs import SETTINGS, Run, Runs


def started_again(run: Run, **changes: object) -> Run:
    """An execution over the same source, otherwise asked for."""
    run.cloud.fail_with()
    request = run.request | changes
    started = run.cloud.start("UpscaleVideo", request)
    started.wait()
    return Run(run.cloud, run.source, request, started, run.expected)


def test_another_jobs_result_is_refused_before_any_gpu_and_replaced_where_the_execution_says_so(runs: Runs) -> None:
    # Given a film's result
    first = runs.finish()
    first.assert_done()

    # When the same film is asked for with another quality, at the same place
    other = started_again(first, settings=SETTINGS | {"crf": 40})

    # Then it ends before anything is cut or upscaled, and says why
    assert other.execution.status == "FAILED"
    assert other.failure()[0] == "ExtractFailed"
    assert [str(attempt.target.stage) for attempt in other.attempts()] == [Stage.EXTRACT]
    (attempt,) = other.attempts()
    assert attempt.outcome is not None
    assert attempt.outcome.exit_code == ExitCode.INPUT
    assert f"sr: {first.output} exists and was not made by this job; choose another output" in attempt.log.read_text()
    assert other.published() == [first.expected]

    # and when the execution says so, the same job replaces it
    replacing = started_again(other, overwrite=True)
    assert replacing.execution.status == "SUCCEEDED", replacing.failure()
    assert replacing.job == other.job
    newest, former = replacing.published()
    assert former == first.expected
    assert newest != former

    # and the first one, started again, finds that it is no longer its own
    assert first.again().execution.wait() == "FAILED"
    assert len(first.published()) == 2


def test_a_finished_job_started_again_publishes_nothing_new(runs: Runs) -> None:
    # Given a machine that is gone when the output has just been published, so that assemble runs twice
    run = runs.finish("vanish:assemble@after-1")
    run.assert_done()
    assert len(run.attempts(Stage.ASSEMBLE)) == 2

    # When it is started once more
    run.again().assert_done()

    # Then there is one version of it
    assert run.published() == [run.expected]
