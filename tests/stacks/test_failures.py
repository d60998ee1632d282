"""What follows a failed job: another attempt in another market, another kind of machine, or a named end."""

import json

import pytest

from .reading import Assembly, Json, follow


def cause(exit_code: int | None = None, *, status: str = "Essential container in task exited", reason: str = "") -> str:
    """The Cause of a failed submitJob.sync, as Step Functions writes it: the job's JSON without spaces."""
    container: Json = {"Reason": reason, "ExitCode": exit_code, "LogStreamName": "upscale/default/0a1b"}
    container = {key: value for key, value in container.items() if value not in (None, "")}
    attempt = {"Container": container, "StatusReason": status}
    job = {"JobName": "sr-upscale", "Status": "FAILED", "StatusReason": status, "Attempts": [attempt]}
    return json.dumps(job | {"Container": container}, separators=(",", ":"))


RECLAIMED = cause(status="Host EC2 (instance i-0abc12) terminated.")
NO_CAPACITY = cause(
    status="Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
)
MISFIT = cause(status="Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
KILLED = cause(137, reason="OutOfMemoryError: Container killed due to memory usage")
NEVER_RAN = cause(status="Task failed to start", reason="CannotStartContainerError: failed to create shim task")
AGENT_BUSY = cause(status="Task failed to start", reason="DockerTimeoutError: Could not transition to created")
TIMED_OUT = cause(137, status="Job attempt duration exceeded timeout")

ROUTES = {
    "reclaimed": (RECLAIMED, "OnDemand"),
    "last exit 75": (cause(75), "OnDemand"),
    "last exit 75, written with a space": ('{"Container": {"ExitCode": 75}}', "OnDemand"),
    "no capacity": (NO_CAPACITY, "OnDemand"),
    "never started": (NEVER_RAN, "OnDemand"),
    "never made": (AGENT_BUSY, "OnDemand"),
    "out of GPU memory": (cause(69), "premium"),
    "out of host memory": (cause(71), "memory"),
    "killed for its memory": (KILLED, "memory"),
    "killed without a word": (cause(137), "memory"),
    "a wrong input": (cause(64), "failed"),
    "a digest that does not hold": (cause(65), "failed"),
    "a defect": (cause(1), "failed"),
    "a transfer that failed every time": (cause(74), "OnDemand"),
    "ended by SIGTERM before it could listen": (cause(143), "OnDemand"),
    "too long": (TIMED_OUT, "failed"),
    "a job that fits no machine": (MISFIT, "failed"),
    "plain text": ("Service unavailable", "failed"),
    "cut short": (RECLAIMED[:20], "failed"),
}


def where(name: str) -> str:
    """Which of the four ways a state stands for."""
    if name.endswith("OnDemand"):
        return "OnDemand"
    if name.endswith("Asked"):  # what the job has to say about it
        return "failed"
    return {"UpscalePremiumSpot": "premium", "UpscaleMemorySpot": "memory"}.get(name, name)


@pytest.mark.parametrize(("text", "expected"), ROUTES.values(), ids=ROUTES)
def test_a_failure_on_spot_goes_where_it_helps(video: Json, text: str, expected: str) -> None:
    failed = {"failure": {"Error": "States.TaskFailed", "Cause": text}}
    assert where(follow(video["UpscaleStandardSpotWhy"], failed)) == expected


@pytest.mark.parametrize(("text", "expected"), ROUTES.values(), ids=ROUTES)
def test_a_failure_on_demand_is_moved_to_another_machine_or_stands(video: Json, text: str, expected: str) -> None:
    failed = {"failure": {"Error": "States.TaskFailed", "Cause": text}}
    moved = where(follow(video["UpscaleStandardOnDemandWhy"], failed))
    assert moved == ("failed" if expected == "OnDemand" else expected)


@pytest.mark.parametrize("stage", ["Extract", "UpscaleCpu", "Encode", "Assemble"])
def test_a_cpu_stage_that_needs_more_memory_gets_it_once(video: Json, stage: str) -> None:
    failed = {"failure": {"Cause": KILLED}}
    assert follow(video[f"{stage}SpotWhy"], failed) == f"{stage}MemorySpot"
    assert follow(video[f"{stage}OnDemandWhy"], failed) == f"{stage}MemorySpot"
    assert where(follow(video[f"{stage}MemorySpotWhy"], failed)) == "failed"
    assert where(follow(video[f"{stage}MemorySpotWhy"], {"failure": {"Cause": RECLAIMED}})) == "OnDemand"


def test_a_reclaim_before_the_last_attempt_hides_nothing(video: Json) -> None:
    # given a job that was reclaimed, then ran out of GPU memory: both stand in the Cause
    text = cause(69).replace('"Attempts":[', '"Attempts":[{"StatusReason":"Host EC2 (instance i-0) terminated."},')
    assert where(follow(video["UpscaleStandardSpotWhy"], {"failure": {"Cause": text}})) == "premium"


def test_a_failed_transfer_before_the_last_attempt_hides_nothing(video: Json) -> None:
    # given a job whose transfer failed, and that was then killed for its memory without a word
    text = cause(137).replace('"Attempts":[', '"Attempts":[{"Container":{"ExitCode":74}},')
    assert where(follow(video["UpscaleStandardSpotWhy"], {"failure": {"Cause": text}})) == "memory"


@pytest.mark.parametrize("stage", ["Extract", "Upscale", "Encode", "Assemble"])
@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        (cause(64), True),
        (cause(1), True),
        (cause(74), True),
        ('{"Container": {"ExitCode": 65}}', True),
        (cause(75), False),  # it leaves no words, and must not be explained by older ones
        (KILLED, False),
        (NO_CAPACITY, False),
        (TIMED_OUT, False),
        (cause(64, status="Job attempt duration exceeded timeout"), False),
        ("not authorized to perform: batch:SubmitJob with an explicit deny", False),
    ],
)
def test_a_job_is_asked_what_was_wrong_only_if_it_ended_by_itself(
    video: Json, stage: str, text: str, is_asked: bool
) -> None:
    following = follow(video[f"{stage}Asked"], {"failure": {"Error": "States.TaskFailed", "Cause": text}})
    assert following == (f"{stage}Words" if is_asked else f"{stage}Failed")


@pytest.mark.parametrize("stage", ["Extract", "Upscale", "Encode", "Assemble"])
def test_words_that_cannot_be_read_leave_the_failure_as_it_is(video: Json, stage: str) -> None:
    def state(step: str) -> Json:
        found: Json = video[f"{stage}{step}"]
        return found

    # what is read lies beside the failure, and so does what goes wrong with that
    for step, otherwise in (("Words", "Failed"), ("Log", "ToldAlone")):
        (caught,) = state(step)["Catch"]
        assert caught == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.unheard", "Next": f"{stage}{otherwise}"}
        assert state(step)["ResultPath"] not in (None, "$", "$.failure")
    # and no path is taken for granted: one that leads nowhere could not be caught
    said = {"error": {"message": "no video", "exit_code": 64}, "job_id": "0a1b"}
    assert follow(state("Heard"), {"words": {"said": said}}) == f"{stage}Log"
    assert follow(state("Heard"), {"words": {"said": {"error": "no video"}}}) == f"{stage}Failed"
    for jobs, step in (([{"Container": {"LogStreamName": "x"}}], "Told"), ([{}], "ToldAlone"), ([], "ToldAlone")):
        assert follow(state("LogFound"), {"description": {"jobs": jobs}}) == f"{stage}{step}"
    for step in ("Told", "ToldAlone"):
        assert state(step)["Parameters"]["Error.$"] == "$.failure.Error"
        assert state(step)["Next"] == f"{stage}Failed"


def successors(state: Json) -> set[str]:
    found = {state[key] for key in ("Next", "Default") if key in state}
    return found | {entry["Next"] for key in ("Choices", "Catch") for entry in state.get(key, [])}


def test_no_way_leads_round_in_a_circle_of_jobs(production: Assembly) -> None:
    # given every way between the states of one map's child
    chunk = production.definition("UpscaleVideo")["States"]["Chunks"]["ItemProcessor"]["States"]

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' > '.join(path)} > {name}"
        for following in successors(chunk[name]):
            visit(following, (*path, name))

    visit("Tier", ())
