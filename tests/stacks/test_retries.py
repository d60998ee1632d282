"""What AWS Batch does with a failed attempt: the retry table, walked the way Batch walks it."""

from fnmatch import fnmatchcase

import pytest

from sr_core.contract import ExitCode, Stage

from .reading import Assembly, Json, states

RECLAIMED: dict[str, object] = {"status_reason": "Host EC2 (instance i-0abc) terminated."}
ENDED: dict[str, object] = {"status_reason": "Essential container in task exited"}
ATTEMPTS: dict[str, tuple[dict[str, object], bool]] = {
    "the machine was reclaimed": (RECLAIMED, True),
    "a transfer failed": ({**ENDED, "exit_code": ExitCode.TRANSIENT}, True),
    "interrupted by a Spot notice": ({**ENDED, "exit_code": ExitCode.INTERRUPTED}, True),
    "the image could not be pulled": (
        {"status_reason": "Task failed to start", "reason": "CannotPullContainerError: pull access denied"},
        True,
    ),
    "the registry did not answer": (
        {"status_reason": "Task failed to start", "reason": "CannotPullECRContainerError: timeout"},
        True,
    ),
    "a busy disk kept the container from being made": (
        {"status_reason": "Task failed to start", "reason": "CannotCreateContainerError: context deadline exceeded"},
        True,
    ),
    "the container could not be started": (
        {"status_reason": "Task failed to start", "reason": "CannotStartContainerError: failed to create shim task"},
        True,
    ),
    "the agent lost sight of the container": (
        {**ENDED, "reason": "CannotInspectContainerError: Could not transition to inspecting; timed out"},
        True,
    ),
    "a wrong input": ({**ENDED, "exit_code": ExitCode.INPUT}, False),
    "a digest that does not hold": ({**ENDED, "exit_code": ExitCode.INTEGRITY}, False),
    "out of GPU memory": ({**ENDED, "exit_code": ExitCode.GPU_MEMORY}, False),
    "out of host memory": ({**ENDED, "exit_code": ExitCode.HOST_CAPACITY}, False),
    "killed for its memory": (
        {**ENDED, "exit_code": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
        False,
    ),
    "a defect of the program": ({**ENDED, "exit_code": ExitCode.INTERNAL}, False),
}


def is_retried(rules: list[Json], *, status_reason: str = "", reason: str = "", exit_code: object = "") -> bool:
    """The first rule whose every pattern matches decides; where none does, Batch retries."""
    seen = {"OnStatusReason": status_reason, "OnReason": reason, "OnExitCode": str(exit_code)}
    for rule in rules:
        patterns = {key: pattern for key, pattern in rule.items() if key != "Action"}
        if all(fnmatchcase(seen[key], pattern) for key, pattern in patterns.items()):
            return bool(rule["Action"].upper() == "RETRY")
    return True


def tables(assembly: Assembly) -> dict[str, Json]:
    """Every retry strategy there is: those of the job definitions and those that a submission puts in their place."""
    found = {job.name: job.properties["RetryStrategy"] for job in assembly.of("Batch::JobDefinition")}
    for name, state in states(assembly.definition("UpscaleVideo")):
        if "RetryStrategy" in state.get("Parameters", {}):
            found[name] = state["Parameters"]["RetryStrategy"]
    return found


@pytest.mark.parametrize(("attempt", "retried"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_an_attempt_is_retried_only_where_it_helps(
    assembly: Assembly, attempt: dict[str, object], retried: bool
) -> None:
    for name, strategy in tables(assembly).items():
        assert is_retried(strategy["EvaluateOnExit"], **attempt) is retried, name  # type: ignore[arg-type]


def test_batch_accepts_every_table(assembly: Assembly) -> None:
    # given Batch's limits: 1 to 10 attempts, 5 rules, patterns whose only * is at the end, exit codes of digits
    for name, strategy in tables(assembly).items():
        rules = strategy["EvaluateOnExit"]
        assert len(rules) <= 5, name
        assert rules[-1] == {"OnReason": "*", "Action": rules[-1]["Action"]}, f"{name}: what no rule matches is retried"
        for rule in rules:
            for key, pattern in rule.items():
                assert key == "Action" or "*" not in pattern[:-1], f"{name}: {pattern}"
                assert key != "OnExitCode" or pattern.isdigit()
        if "Attempts" in strategy:
            assert 1 <= strategy["Attempts"] <= 10


def test_every_stage_has_a_definition_with_a_table(assembly: Assembly) -> None:
    names = {f"{stage.capitalize()}/Definition" for stage in Stage} | {"UpscaleOnCpu/Definition"}
    assert {job.name for job in assembly.of("Batch::JobDefinition")} == names


def test_a_job_ends_by_itself(assembly: Assembly) -> None:
    for job in assembly.of("Batch::JobDefinition"):
        assert job.properties["Timeout"]["AttemptDurationSeconds"] >= 60
