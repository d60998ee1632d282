"""Running the clip through the cloud, and looking at what became of it."""

import itertools
import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from localcloud.attempt import Attempt
from localcloud.batch import LocalJob
from localcloud.cloud import LOCAL_SETTINGS, LocalCloud
from localcloud.execution import Execution
from sr_core.contract import REPORT_KEY, Stage
from sr_core.types import Receipt, Report

from . import frame_counts

RUN_SETTINGS = {**LOCAL_SETTINGS, "preset": "ultrafast"}
"""What `sr run` is told."""
SETTINGS = {**RUN_SETTINGS, "tier": "standard"}
"""What an execution is told: the ways of machines with a GPU are the most; here, they have none."""
SEGMENT_FRAMES = (24, 24, 24, 12)
FRAMES = sum(SEGMENT_FRAMES)
_numbers = itertools.count()


@dataclass(frozen=True)
class Run:
    """One request: a copy of the clip under a name of its own, so that its job is nobody else's."""

    cloud: LocalCloud
    source: str
    request: dict[str, Any]
    execution: Execution
    expected: bytes

    @cached_property
    def job(self) -> str:
        """Address of the job folder; waits until the state machine has made it up."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for event in self.execution.events():
                entered = event.get("stateEnteredEventDetails", {})
                if entered.get("name") == "WriteRequest":
                    return str(json.loads(entered["input"])["job"]["uri"])
            time.sleep(0.05)
        raise TimeoutError("the execution has not come to its request")

    @property
    def output(self) -> str:
        """Address of the result."""
        return self.source.replace(self.cloud.bucket("Input"), self.cloud.bucket("Output")) + "/upscaled.mp4"

    def published(self) -> list[bytes]:
        """Every version of the result, the newest first."""
        bucket, _, key = self.output.removeprefix("s3://").partition("/")
        client = self.cloud.client("s3")
        versions = client.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", [])
        return [
            client.get_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])["Body"].read()
            for version in versions
        ]

    def receipts(self, stage: Stage) -> list[Receipt]:
        keys = [key for key in self.cloud.keys(self.job) if key.startswith(f"receipts/{stage}/")]
        return [Receipt.from_json(self.cloud.read(f"{self.job}/{key}")) for key in keys]

    def report(self) -> Report:
        """What the finished job says of itself."""
        return Report.from_json(self.cloud.read(f"{self.job}/{REPORT_KEY}"))

    def jobs(self) -> list[LocalJob]:
        """This request's jobs, in order."""
        name = self.job.rpartition("/")[2]
        return [job for job in self.cloud.jobs() if name in job.job_name]

    def attempts(self, stage: Stage | None = None, chunk: int | None = None) -> list[Attempt]:
        """Attempts of this request's jobs, in order; of a stage, of a chunk."""
        ids = {job.job_id for job in self.jobs()}
        return [
            attempt
            for attempt in self.cloud.attempts
            if attempt.job_id in ids and stage in (None, attempt.target.stage) and chunk in (None, attempt.target.chunk)
        ]

    def again(self, *faults: str) -> "Run":
        """The same request, once more."""
        self.cloud.fail_with(*faults)
        started = self.cloud.start("UpscaleVideo", self.request)
        return Run(self.cloud, self.source, self.request, started, self.expected)

    def failure(self) -> tuple[str, str]:
        """Error and cause of a failed execution."""
        found = self.execution.describe()
        return found["error"], found["cause"]

    def assert_done(self) -> None:
        """The execution succeeded, and all that was ever published is what `sr run` makes, to the last byte."""
        assert self.execution.wait() == "SUCCEEDED", self.failure()
        assert self.execution.output()["output"] == self.output
        self.assert_only_whole_results()
        assert self.published()

    def assert_only_whole_results(self) -> None:
        assert all(data == self.expected for data in self.published())


def frames_computed(attempt: Attempt) -> int:
    """Frames that an attempt has sent through the network, killed or not (warm jobs only)."""
    path = frame_counts.path(attempt.machine.folder, attempt.job_id, attempt.number)
    return path.stat().st_size if path.exists() else 0


@dataclass(frozen=True)
class Runs:
    """Starts them."""

    cloud: LocalCloud
    clip: Path
    expected: bytes

    def start(self, *faults: str, settings: dict[str, Any] | None = None, **more: Any) -> Run:
        """Starts an execution over a new copy of the clip, with these faults to come."""
        plan = self.cloud.fail_with(*faults)
        assert plan is self.cloud.plan
        source = self.cloud.upload(self.clip, f"films/{next(_numbers):04d}.mp4")
        request = {"input": source, "settings": SETTINGS | (settings or {}), **more}
        return Run(self.cloud, source, request, self.cloud.start("UpscaleVideo", request), self.expected)

    def finish(self, *faults: str, settings: dict[str, Any] | None = None, **more: Any) -> Run:
        """The same, and waits for its end."""
        run = self.start(*faults, settings=settings, **more)
        run.execution.wait()
        return run
