"""LocalCloud: a deployed assembly that runs, from one `with` to its end.

    with LocalCloud(assembly, folder) as cloud:
        source = cloud.upload(Path("in.mp4"))
        execution = cloud.start("UpscaleVideo", {"input": source, "settings": LOCAL_SETTINGS})
        execution.wait()
        Path("out.mp4").write_bytes(cloud.read(execution.output()["output"]))

Owns the parts' coming together: moto and its changes, the edge, the fleet, the attempts. One at a time in a process,
since moto changes the SDK for the whole of it.
"""

import json
import logging
import os
import resource
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, cast

import boto3
from moto import mock_aws
from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.server import ThreadedMotoServer

from localcloud.assembly import CloudAssembly
from localcloud.attempt import Attempt
from localcloud.batch import LocalJob
from localcloud.deployment import Deployment, deploy
from localcloud.edge import Edge
from localcloud.execution import Execution
from localcloud.faults import Fault, FaultPlan, Kind, Target
from localcloud.gaps import mended
from localcloud.machines import Fleet, Machine, Queue
from localcloud.policy import Policy
from localcloud.processes import JobProcess, Launcher, NewInterpreter, exit_with, survivors
from sr_core import contract
from sr_core.contract import Stage

REGION = "us-east-1"
LOCAL_SETTINGS = {"device": "cpu", "precision": "fp32", "kernels": "torch"}
"""What an execution's settings must hold here, where there may be neither a GPU nor a compiler for the kernels that the
images have. `sr run`, which settles on the fastest of this machine, has to be told the same."""
_ENDING_SECONDS = 60.0


class LocalCloud:
    """A cloud on this machine.

    Args:
        assembly: what is deployed.
        folder: an empty or new folder for the machines' disks and the jobs' logs.
        slots: jobs that run at once.
        launcher: how jobs are started; by default as new interpreters.
        chunk_segments: adds ``--chunk-segments N`` to extract's command, since a clip of seconds would be one chunk of
            the ten minutes of work that chunks are planned for. The result does not depend on it.
        wait_scale: multiplies the state machine's waits between retries.
    """

    def __init__(
        self,
        assembly: CloudAssembly,
        folder: Path,
        *,
        slots: int = 2,
        launcher: Launcher | None = None,
        chunk_segments: int | None = None,
        wait_scale: float = 0.02,
    ) -> None:
        self._assembly, self.folder = assembly, folder
        self.launcher: Launcher = launcher or NewInterpreter()
        self.chunk_segments = chunk_segments
        self.wait_scale = wait_scale
        self.fleet = Fleet(folder / "machines", slots)
        self.plan = FaultPlan()
        self.attempts: list[Attempt] = []
        """All that have begun, in order."""
        self._by_key: dict[str, Attempt] = {}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._exit = ExitStack()
        self.deployment: Deployment
        self.edge: Edge

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
            undo.enter_context(mended(self))
            # A line for each request takes as long as most requests; `Attempt.requests` holds them all.
            undo.enter_context(_quieter("werkzeug", logging.WARNING))
            # Every path that a Choice finds absent would be told as an error; what is one fails its execution.
            undo.enter_context(_quieter("moto.stepfunctions", logging.CRITICAL))
            self.deployment = deploy(self._assembly, REGION)
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            server.start()
            undo.callback(server.stop)
            assert server._server is not None, "it was started"
            self.edge = Edge(server._server.app, self.attempt_of)
            server._server.app = self.edge
            host, port = server.get_host_and_port()
            self._endpoint = f"http://{host}:{port}"
            undo.callback(self.fleet.close)
            undo.callback(self.end_all_jobs)
            self._exit = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    def fail_with(self, *faults: Fault | str) -> FaultPlan:
        """From now on these faults, and no others, are to come; a text is parsed (`faults`)."""
        self.plan = FaultPlan([Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults])
        return self.plan

    def client(self, service: str) -> Any:
        """An SDK client with every right; always the same one."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(cast(Any, service), region_name=REGION)
            return self._clients[service]

    def bucket(self, construct: str) -> str:
        """Name of a bucket: ``Input``, ``Work``, ``Output`` or ``Models``."""
        return self.deployment.buckets[construct]

    def upload(self, path: Path, key: str | None = None) -> str:
        """Puts a file into the input bucket and returns its address."""
        bucket, key = self.bucket("Input"), key or path.name
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        return f"s3://{bucket}/{key}"

    def read(self, uri: str) -> bytes:
        """The object at an address."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def keys(self, uri: str) -> list[str]:
        """Keys of the objects below an address, relative to it."""
        bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        return [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", ())]

    def start(self, state_machine: str, request: dict[str, Any], *, name: str | None = None) -> Execution:
        """Starts an execution of ``UpscaleVideo`` or ``UpscaleBatch``."""
        client = self.client("stepfunctions")
        started = client.start_execution(
            stateMachineArn=self.deployment.state_machines[state_machine],
            name=name or str(uuid.uuid4()),
            input=json.dumps(request),
        )
        return Execution(client, started["executionArn"])

    def jobs(self) -> list[LocalJob]:
        """Every job that was submitted, in order."""
        found: Iterable[Any] = batch_backends[DEFAULT_ACCOUNT_ID][REGION]._jobs.values()
        return list(found)

    def _job(self, job_id: str) -> LocalJob:
        return next(job for job in self.jobs() if job.job_id == job_id)

    def attempt_of(self, access_key: str) -> Attempt | None:
        """Whose credentials these are."""
        return self._by_key.get(access_key)

    def survivors(self) -> list[int]:
        """Processes that are alive although their attempt has ended."""
        return survivors([attempt.process.pid for attempt in self.attempts if attempt.process and attempt.outcome])

    def end_all_jobs(self) -> None:
        """Terminates every job that has not ended, and waits for its end."""
        for job in self.jobs():
            job.terminate("the local cloud ends")
        for job in self.jobs():
            job.join(_ENDING_SECONDS)

    # What `gaps` and jobs ask for.

    def queue(self, name: str) -> Queue:
        return self.deployment.queues[name]

    def place(self, queue: Queue, vcpus: int, is_cancelled: Callable[[], bool]) -> Machine | None:
        return self.fleet.place(queue, vcpus, is_cancelled)

    def release(self, machine: Machine, vcpus: int) -> None:
        self.fleet.release(machine, vcpus)

    def is_befallen(self, target: Target, *kinds: Kind) -> bool:
        return self.plan.take(target, *kinds) is not None

    def refuses_submission(self, command: list[str]) -> bool:
        return self.is_befallen(Target.of_command(command), Kind.THROTTLE)

    def cause_of(self, job_id: str, cause: str) -> str:
        target = self._job(job_id).target
        fault = self.plan.take(target, Kind.CAUSE, Kind.CUT_CAUSE)
        if fault is None:
            return cause
        return fault.value if fault.kind == Kind.CAUSE else cause[: int(fault.value)]

    def policy(self, role_arn: str) -> Policy:
        # Of moto's record, since every task and every job asks, and two calls of the API take twenty milliseconds.
        role = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].get_role(role_arn.rpartition("/")[2])
        return Policy.of_documents(role.policies.values())

    def job_runs(self, job_id: str) -> bool:
        return self._job(job_id).status not in ("SUCCEEDED", "FAILED")

    def terminate_job(self, job_id: str) -> None:
        self.client("batch").terminate_job(jobId=job_id, reason="Terminated by the execution that started it")

    def stop_execution(self, arn: str) -> None:
        self.client("stepfunctions").stop_execution(executionArn=arn)

    def run(self, job: LocalJob, machine: Machine, number: int) -> Attempt:
        attempt = Attempt(
            job_id=job.job_id,
            number=number,
            target=job.target,
            machine=machine,
            policy=self.policy(job.role_arn),
            plan=self.plan,
            log=self.folder / "logs" / f"{job.job_name}-{job.job_id}-{number}.log",
        )
        attempt.log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self.attempts.append(attempt)
            self._by_key[attempt.access_key] = attempt
        job.begin(attempt)
        attempt.run(self._start(job, attempt), timeout_seconds=job.timeout_seconds)
        return attempt

    def _start(self, job: LocalJob, attempt: Attempt) -> JobProcess:
        """The job's process: the container's command and environment, mounted folders on the machine's own disk."""
        places = {path: attempt.machine.folder / str(host).lstrip("/") for path, host in job.mounts.items()}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        environment = {name: _translated(value, places) for name, value in job.environment.items()}
        environment |= {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
            "AWS_BATCH_JQ_NAME": job.job_queue.name,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": attempt.access_key,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": attempt.machine.metadata.endpoint,
        }
        command = job.command
        if attempt.target.stage == Stage.EXTRACT and self.chunk_segments is not None:
            command = [*command, "--chunk-segments", str(self.chunk_segments)]
        if contract.ENV_CACHE in environment:  # made when the machine boots (stacks/constructs/machine_template.py)
            Path(environment[contract.ENV_CACHE]).mkdir(parents=True, exist_ok=True)
        fault = attempt.take_before_start()
        if fault is not None and fault.kind == Kind.EXIT:
            return exit_with(int(fault.value), folder=attempt.machine.folder, log=attempt.log)
        process = self.launcher.start(command, environment=environment, folder=attempt.machine.folder, log=attempt.log)
        if fault is not None and fault.kind == Kind.DISK_FULL:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (int(fault.value), resource.RLIM_INFINITY))
        return process


@contextmanager
def _quieter(logger: str, level: int) -> Iterator[None]:
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)


def _translated(value: str, places: dict[str, Path]) -> str:
    """A container's path as this machine's; anything else as it is."""
    for inside, outside in places.items():
        if value == inside or value.startswith(f"{inside}/"):
            return f"{outside}{value.removeprefix(inside)}"
    return value
