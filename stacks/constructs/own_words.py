"""A failed job's own words, in the place of what Batch says of it.

    <stage>Asked ─ ended by itself ─> …Words ─> …Heard ─> …Log ─> …LogFound ─┬─ yes ─> …Told ───────> on
        └─ anything else, and wherever nothing can be read ─> on             └─ no ──> …ToldAlone ──> on

A job's Cause is Batch's description of it, two kilobytes in which its reason is not. The line that it ended with lies
in the job's folder (`sr_core.told.StageError`) and becomes the Cause, with the exit code and the log stream behind it.
It is this job's, since a stage that starts removes what an earlier one left. Of a job that was killed or taken away,
Batch's words stay. Pure: names in, Amazon States Language out.
"""

from sr_core import contract
from sr_core.contract import Stage
from stacks.constructs import retries
from stacks.constructs.asl import FAILURE, State, States, choice, pass_to, sdk_task


def asked(stage: Stage) -> str:
    """Name of the first state."""
    return f"{stage.capitalize()}Asked"


def own_words(stage: Stage, *, index: str, work_bucket: str, next_state: str) -> States:
    """From a failure of `stage` that was caught to `next_state`, whatever can be read on the way.

    `index` is an intrinsic's argument that gives the chunk, or `'0'` for a stage of the whole job.
    """
    words, heard, log, found, told, alone = (
        f"{stage.capitalize()}{step}" for step in ("Words", "Heard", "Log", "LogFound", "Told", "ToldAlone")
    )
    said, description = "$.words.said", "$.description.jobs[0]"
    line = f"{said}.error.message, {said}.error.exit_code"
    job_id, stream = f"{said}.job_id", f"{description}.Container.LogStreamName"

    def unheard(following: str) -> list[State]:
        """Not at FAILURE, where what is to be explained lies."""
        return [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.unheard", "Next": following}]

    return {
        asked(stage): choice(
            retries.cause_matches(*retries.TIMED_OUT) | {"Next": next_state},
            retries.cause_matches(*retries.SPOKE) | {"Next": words},
            otherwise=next_state,
        ),
        words: sdk_task(
            "s3:getObject",
            {
                "Bucket": work_bucket,
                "Key.$": f"States.Format('{{}}/{contract.ERRORS_PREFIX}{stage}/{{}}.json', $.job.prefix, {index})",
            },
            next_state=heard,
            on_error=next_state,
            ResultSelector={"said.$": "States.StringToJson($.Body)"},
            ResultPath="$.words",
            Catch=unheard(next_state),
        ),
        heard: choice(_are_there(*line.split(", "), job_id) | {"Next": log}, otherwise=next_state),
        log: sdk_task(
            "batch:describeJobs",
            {"Jobs.$": f"States.Array({job_id})"},
            next_state=found,
            on_error=alone,
            # All of it: that a path leads nowhere could not be caught.
            ResultSelector={"jobs.$": "$.Jobs"},
            ResultPath="$.description",
            Catch=unheard(alone),
        ),
        found: choice(_are_there(stream) | {"Next": told}, otherwise=alone),
        told: _explained(f"States.Format('{{}} (exit {{}}, log stream {{}})', {line}, {stream})", next_state),
        alone: _explained(f"States.Format('{{}} (exit {{}})', {line})", next_state),
    }


def _are_there(*paths: str) -> State:
    tests = [{"Variable": path, "IsPresent": True} for path in paths]
    return tests[0] if len(tests) == 1 else {"And": tests}


def _explained(cause: str, next_state: str) -> State:
    return pass_to(next_state, {"Error.$": f"{FAILURE}.Error", "Cause.$": cause}, at=FAILURE)
