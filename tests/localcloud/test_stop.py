"""StopWork, the operator's brake: everything stops, one message tells of it, and started again it goes on."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from localcloud.cloud import LocalCloud
from localcloud.processes import JobProcess, WarmFork, exit_with
from sr_core.contract import Stage

from .runs import Runs
from .test_rights import TakeAway, take_away

__all__ = ["take_away"]

# A thread of moto's waits for a token that nobody sends, and may fail when its execution is aborted. Nobody asks it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception in thread WaitForTaskToken_SyncTask:pytest.PytestUnhandledThreadExceptionWarning"
)


@pytest.fixture
def told(cloud: LocalCloud) -> Callable[[], list[tuple[str, Any]]]:
    """Subjects and messages that the topic has got since the test began."""
    topics = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].topics.values()
    (topic,) = [topic for topic in topics if "Announcements" in topic.name]
    before = len(topic.sent_notifications)
    return lambda: [(str(sent[2]), json.loads(sent[1])) for sent in topic.sent_notifications[before:]]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_everything_stops_one_message_tells_of_it_and_started_again_it_goes_on(
    plain: LocalCloud, warm: WarmFork, runs: Runs, told: Callable[[], list[tuple[str, Any]]], tmp_path: Path
) -> None:
    # Given a video under way whose upscale jobs have begun, and a batch that has started another
    run = runs.start()
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(run.request | {"output": run.output.replace("upscaled", "other")}) + "\n")
    batch = plain.start("UpscaleBatch", {"manifest": plain.upload(manifest)})
    until(lambda: run.attempts(Stage.UPSCALE) and batch.children())

    # When the work is stopped
    stop = plain.start("StopWork", {})
    assert stop.wait() == "SUCCEEDED", stop.describe()

    # Then nothing runs by the time that it says so, and nothing was published
    assert [execution.status for execution in (run.execution, batch)] == ["ABORTED", "ABORTED"]
    assert all(not plain.job_runs(job.job_id) for job in plain.jobs())
    assert plain.survivors() == []
    assert run.published() == []

    # and it has looked once more after it found something
    assert stop.output()["rounds"] > 1

    # and of all that, one message is sent, which says how to go on
    ((subject, message),) = told()
    assert subject == "Work stopped"
    assert message["stopped"]["UpscaleBatch"] == 1
    assert message["stopped"]["UpscaleVideo"] in (1, 2)  # the batch's own may have ended with the batch
    assert "Start the same executions and manifests again" in message["help"]

    # and the same request goes on
    plain.launcher = warm
    again = run.again()
    again.assert_done()


def test_where_nothing_runs_it_says_so_at_once(cloud: LocalCloud, told: Callable[[], list[tuple[str, Any]]]) -> None:
    stop = cloud.start("StopWork", {})

    assert stop.wait() == "SUCCEEDED", stop.describe()
    assert stop.output() == {"rounds": 1, "stopped": {"UpscaleBatch": 0, "UpscaleVideo": 0}}
    assert [subject for subject, _ in told()] == ["Work stopped"]


class Asleep:
    """Starts jobs that go on for ten minutes, whatever their command."""

    def start(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> JobProcess:
        return exit_with(0, folder=folder, log=log, before="exec sleep 600")


def test_a_job_that_no_execution_owns_is_ended_too(cloud: LocalCloud, warm: WarmFork) -> None:
    # Given a job that somebody has submitted by hand
    cloud.launcher = Asleep()
    client = cloud.client("batch")
    (definition,) = [
        found["jobDefinitionArn"]
        for found in client.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        if "Extract" in found["jobDefinitionName"]
    ]
    submitted = client.submit_job(
        jobName="by-hand",
        jobQueue="sr-trial-cpu",
        jobDefinition=definition,
        containerOverrides={"command": ["extract", "--job", f"s3://{cloud.bucket('Work')}/jobs/by-hand"]},
    )
    (job,) = [job for job in cloud.jobs() if job.job_id == submitted["jobId"]]
    until(lambda: [attempt for attempt in cloud.attempts if attempt.job_id == job.job_id and attempt.process])
    cloud.launcher = warm

    stop = cloud.start("StopWork", {})

    assert stop.wait() == "SUCCEEDED", stop.describe()
    assert (job.status, job.job_stopped_reason) == ("FAILED", "stopped with everything else by StopWork")


@pytest.fixture
def two_rounds(cloud: LocalCloud) -> Iterator[None]:
    """StopWork gives up after two rounds of looking instead of eight."""
    client = cloud.client("stepfunctions")
    (arn,) = [
        found["stateMachineArn"]
        for found in client.list_state_machines()["stateMachines"]
        if found["name"].endswith("-StopWork")
    ]
    whole = client.describe_state_machine(stateMachineArn=arn)["definition"]
    fewer, found = re.subn(r'("\$\.round", "NumericGreaterThanEquals": )\d+', r"\g<1>2", whole)
    assert found == 1
    client.update_state_machine(stateMachineArn=arn, definition=fewer)
    yield
    client.update_state_machine(stateMachineArn=arn, definition=whole)


@pytest.mark.usefixtures("two_rounds")
def test_what_may_not_be_looked_at_is_not_called_stopped(
    cloud: LocalCloud, take_away: TakeAway, told: Callable[[], list[tuple[str, Any]]]
) -> None:
    # Given that nothing runs, but that it lacks the right to see so
    take_away("StopWorkStateMachine", "ListExecutions")

    stop = cloud.start("StopWork", {})

    assert stop.wait() == "FAILED"
    assert stop.describe()["error"] == "WorkStillRuns"
    ((subject, message),) = told()
    assert subject == "Work still runs"
    # and the mail has a link to look at, which the interpreter has put together
    assert message["look"] == (
        f"https://console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/{stop.arn}"
    )
