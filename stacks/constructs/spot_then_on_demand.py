"""SpotThenOnDemand: one stage on one kind of machine, first on Spot, then, if another try helps, on On-Demand.

    <name>Spot ──ok───────────────────────────────────────────────────────────> on_success
        └─ why? ─ reclaimed, never ran, no capacity, transfer failed ──> <name>OnDemand ──ok──> on_success
              ├─ GPU memory ──> gpu_memory                                   └─ why? ─ as on the left, without Spot
              ├─ host memory or disk ──> host_capacity
              └─ anything else ──> on_failure

Pure: names in, Amazon States Language out. The raw Cause is matched as text, because a Cause may be cut short, and a
state that parses it cannot be caught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stacks.constructs import retries
from stacks.constructs.asl import FAILURE, State, States, choice, named_failure

SUBMIT_RETRY: State = {
    "ErrorEquals": ["Batch.ServerException", "Batch.AWSBatchException"],
    "IntervalSeconds": 5,
    "MaxAttempts": 8,
    "MaxDelaySeconds": 120,
    "JitterStrategy": "FULL",
}
"""The submission itself failed: throttling or an outage. A job that ran and failed is States.TaskFailed, not this.

Hundreds of chunks are submitted at once, so those that are throttled must not come back together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a job is submitted and what it asks for there."""

    normal_queue: str
    """ARN; Spot first, capped On-Demand second."""
    on_demand_queue: str
    """ARN."""
    vcpus: int
    memory_mib: int
    gpus: int = 0

    def requirements(self) -> list[dict[str, str]]:
        """What the job asks for, in place of its definition's numbers."""
        wanted = [("VCPU", self.vcpus), ("MEMORY", self.memory_mib)] + ([("GPU", self.gpus)] if self.gpus else [])
        return [{"Type": kind, "Value": str(amount)} for kind, amount in wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotThenOnDemand:
    """The fragment. Expects ``$.job.uri``, ``$.job.id`` and ``$.spot_attempts``; adds ``$.failure`` when it fails."""

    name: str
    """Start of the states' names."""
    job_definition: str
    """ARN of a revision."""
    job_name: str
    """Intrinsic function that gives the job's name."""
    command: Sequence[str]
    """The command's arguments: paths and intrinsic functions as they are, words in single quotes."""
    machine: Machine
    queue_seconds: int
    """Longest stay of one submission, waiting included."""
    on_success: str
    on_failure: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the job is told in place of its definition's words."""
    gpu_memory: str | None = None
    """Entry of the fragment that has more GPU memory; None: there is none, the failure stands."""
    host_capacity: str | None = None
    """Entry of the fragment that has more host memory and disk."""

    @property
    def entry(self) -> str:
        """Name of the first state."""
        return f"{self.name}Spot"

    def states(self) -> States:
        """The fragment's states."""
        spot_why, on_demand, on_demand_why = f"{self.name}SpotWhy", f"{self.name}OnDemand", f"{self.name}OnDemandWhy"
        timed_out = f"{self.name}TimedOut"
        on_spot, always = {"Attempts.$": "$.spot_attempts"}, {"Attempts": retries.ON_DEMAND_ATTEMPTS}
        return {
            self.entry: self._submit(self.machine.normal_queue, spot_why, timed_out=on_demand, attempts=on_spot),
            spot_why: self._why(next_market=on_demand),
            on_demand: self._submit(self.machine.on_demand_queue, on_demand_why, timed_out=timed_out, attempts=always),
            on_demand_why: self._why(next_market=None),
            timed_out: named_failure(
                "JobTimedOut",
                cause={
                    "Cause": f"the job neither ended nor failed within {self.queue_seconds // 3600} hours on On-Demand "
                    "machines; if it never started, the likely cause is an EC2 quota of vCPUs below what the pool may "
                    "start (docs/deploy.md, Before the first time), or more work than queue_hours allows for"
                },
                next_state=self.on_failure,
            ),
        }

    def _submit(self, queue: str, why: str, *, timed_out: str, attempts: State) -> State:
        words = [{"Name": name, "Value": value} for name, value in self.environment.items()]
        told = {"Environment": words} if words else {}
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Parameters": {
                "JobName.$": self.job_name,
                "JobDefinition": self.job_definition,
                "JobQueue": queue,
                "ContainerOverrides": {
                    "Command.$": f"States.Array({', '.join(self.command)})",
                    "ResourceRequirements": self.machine.requirements(),
                    **told,
                },
                "Tags": {"sr-job.$": "$.job.id"},
                "PropagateTags": True,
                # In place of the definition's: else one Spot attempt would mean one on On-Demand, too.
                "RetryStrategy": {
                    **attempts,
                    "EvaluateOnExit": [rule.for_submit_job() for rule in retries.RETRY_RULES],
                },
            },
            "TimeoutSeconds": self.queue_seconds,
            "ResultPath": None,
            "Retry": [SUBMIT_RETRY],
            "Catch": [
                {"ErrorEquals": ["States.Timeout"], "ResultPath": FAILURE, "Next": timed_out},
                {"ErrorEquals": ["States.TaskFailed"], "ResultPath": FAILURE, "Next": why},
                {"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": self.on_failure},
            ],
            "Next": self.on_success,
        }

    def _why(self, *, next_market: str | None) -> State:
        """First what a machine cannot mend, then what another kind can, then what another market can.

        Exit codes 64, 65, 69 and 71 are never retried, so they can only be the last attempt's; a reclaim may be an
        earlier one's, hence the order. A killed container may be a reclaim's victim, so 137 comes after those. A failed
        transfer may be an earlier attempt's as well, and says nothing of machines: it comes last.
        """
        rules = [(retries.TIMED_OUT, self.on_failure), (retries.REFUSED, self.on_failure)]
        if self.gpu_memory:
            rules.append((retries.GPU_MEMORY, self.gpu_memory))
        if self.host_capacity:
            rules.append((retries.HOST_CAPACITY, self.host_capacity))
        if next_market:
            rules += [(reason, next_market) for reason in (retries.RECLAIMED, retries.NEVER_RAN, retries.NO_CAPACITY)]
        if self.host_capacity:
            rules.append((retries.KILLED_FOR_MEMORY, self.host_capacity))
        if next_market:
            rules.append((retries.TRANSIENT, next_market))
        return choice(
            *(retries.cause_matches(*patterns) | {"Next": target} for patterns, target in rules),
            otherwise=self.on_failure,
        )
