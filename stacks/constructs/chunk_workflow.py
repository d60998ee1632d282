"""What happens to one chunk: upscale on the plan's tier, encode if the plan says so, or a record of why not.

    Tier ─> Upscale… (SpotThenOnDemand per tier, one helping out another) ─> NeedsEncode ─> Encode… ─> ChunkDone
                        any failure ─> what the job said (`own_words`) ─> RecordFailure (failures/NNNNN.json) ─> GiveUp

The item processor of the Distributed Map in `video_workflow`. A failed child shows its parent a threshold error
without its cause; the record is how the cause gets there. Input: ``{job, spot_attempts, tier, segment_codec, chunk}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sr_core import contract
from sr_core.contract import CloudTier, Stage
from stacks.constructs.asl import FAILURE, State, States, choice, fail, named_failure, sdk_task
from stacks.constructs.own_words import asked, own_words
from stacks.constructs.spot_then_on_demand import Machine, SpotThenOnDemand

CHUNK_STAGES = (Stage.UPSCALE, Stage.ENCODE)
"""Those that have a job for each chunk."""
INDEX_DIGITS = 5
"""Digits of a chunk's index in a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Every kind of machine that a state machine submits to."""

    cpu: Machine
    cpu_memory: Machine
    bulk_cpu: Machine
    """The same machines for chunks, of which a video has hundreds: another's extract and assemble go before them."""
    bulk_cpu_memory: Machine
    gpu: Mapping[CloudTier, Machine]
    """By tier, those that have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """How jobs are named and found."""

    prefix: str
    """Start of every job's name."""
    definitions: Mapping[Stage, str]
    """ARN of each stage's job definition, with its revision; upscale's is the one that asks for a GPU."""
    upscale_on_cpu: str
    """ARN of the other."""
    machines: Machines
    queue_seconds: int

    def on_cpu(self, stage: Stage, *, on_success: str, on_failure: str) -> tuple[str, States]:
        """Entry and states of a stage on machines without a GPU: the usual ones, then those with more memory."""
        machines, is_upscale = self.machines, stage == Stage.UPSCALE
        is_bulk = stage in CHUNK_STAGES
        definition = self.upscale_on_cpu if is_upscale else self.definitions[stage]
        name = f"{stage.capitalize()}{CloudTier.CPU.capitalize() if is_upscale else ''}"
        roomy = self._fragment(
            f"{name}Memory",
            stage,
            definition,
            machines.bulk_cpu_memory if is_bulk else machines.cpu_memory,
            on_success=on_success,
            on_failure=on_failure,
        )
        usual = self._fragment(
            name,
            stage,
            definition,
            machines.bulk_cpu if is_bulk else machines.cpu,
            on_success=on_success,
            on_failure=on_failure,
            host_capacity=roomy.entry,
        )
        return usual.entry, usual.states() | roomy.states()

    def upscale(self, *, on_success: str, on_failure: str) -> tuple[dict[CloudTier, str], States]:
        """Entry of each tier, and the states of all.

        standard helps itself with premium (GPU memory) or memory (host); memory goes on to premium; premium to
        nobody, so that there is no way round in a circle. cpu stays without a GPU, for which its jobs are not planned.
        """

        def tier(which: CloudTier, *, gpu_memory: str | None, host_capacity: str | None) -> SpotThenOnDemand:
            return self._fragment(
                f"Upscale{which.capitalize()}",
                Stage.UPSCALE,
                self.definitions[Stage.UPSCALE],
                self.machines.gpu[which],
                on_success=on_success,
                on_failure=on_failure,
                gpu_memory=gpu_memory,
                host_capacity=host_capacity,
            )

        premium = tier(CloudTier.PREMIUM, gpu_memory=None, host_capacity=None)
        memory = tier(CloudTier.MEMORY, gpu_memory=premium.entry, host_capacity=None)
        standard = tier(CloudTier.STANDARD, gpu_memory=premium.entry, host_capacity=memory.entry)
        cpu_entry, cpu = self.on_cpu(Stage.UPSCALE, on_success=on_success, on_failure=on_failure)
        entries = {
            CloudTier.CPU: cpu_entry,
            CloudTier.STANDARD: standard.entry,
            CloudTier.PREMIUM: premium.entry,
            CloudTier.MEMORY: memory.entry,
        }
        return entries, cpu | standard.states() | premium.states() | memory.states()

    def _fragment(
        self,
        name: str,
        stage: Stage,
        job_definition: str,
        machine: Machine,
        *,
        on_success: str,
        on_failure: str,
        gpu_memory: str | None = None,
        host_capacity: str | None = None,
    ) -> SpotThenOnDemand:
        command = [f"'{stage}'", f"'{contract.FLAG_JOB}'", "$.job.uri"]
        label = f"{self.prefix}-{stage}-{{}}"
        job_name = f"States.Format('{label}', $.job.id)"
        if stage in CHUNK_STAGES:
            command += [f"'{contract.FLAG_CHUNK}'", "States.Format('{}', $.chunk)"]
            job_name = f"States.Format('{label}-{{}}', $.job.id, $.chunk)"
        return SpotThenOnDemand(
            name=name,
            job_definition=job_definition,
            job_name=job_name,
            command=command,
            machine=machine,
            queue_seconds=self.queue_seconds,
            # It sees all cores of a machine that others share, and each frame in work takes memory of its own.
            environment={contract.ENV_CORES: str(machine.vcpus)} if job_definition == self.upscale_on_cpu else {},
            on_success=on_success,
            on_failure=on_failure,
            gpu_memory=gpu_memory,
            host_capacity=host_capacity,
        )


def chunk_workflow(jobs: Jobs, *, work_bucket: str) -> State:
    """StartAt and States of the workflow of one chunk."""
    tiers, upscale = jobs.upscale(on_success="NeedsEncode", on_failure=asked(Stage.UPSCALE))
    encode_entry, encode = jobs.on_cpu(Stage.ENCODE, on_success="ChunkDone", on_failure=asked(Stage.ENCODE))
    states: States = {
        "Tier": choice(
            *({"Variable": "$.tier", "StringEquals": tier, "Next": entry} for tier, entry in tiers.items()),
            otherwise="UnknownTier",
        ),
        **upscale,
        "NeedsEncode": choice(
            {
                "Variable": "$.segment_codec",
                "StringEquals": contract.SEGMENT_CODEC_MEZZANINE,
                "Next": encode_entry,
            },
            otherwise="ChunkDone",
        ),
        **encode,
        "ChunkDone": {"Type": "Pass", "Parameters": {"chunk.$": "$.chunk"}, "End": True},
        "UnknownTier": named_failure(
            "UnknownTier",
            cause={"Cause.$": f"States.Format('{contract.ROUTE_KEY} asks for the unknown tier {{}}', $.tier)"},
            next_state="KeyDigits",
        ),
        **own_words(Stage.UPSCALE, index="$.chunk", work_bucket=work_bucket, next_state="UpscaleFailed"),
        "UpscaleFailed": named_failure("UpscaleFailed", cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="KeyDigits"),
        **own_words(Stage.ENCODE, index="$.chunk", work_bucket=work_bucket, next_state="EncodeFailed"),
        "EncodeFailed": named_failure("EncodeFailed", cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="KeyDigits"),
        **_padded_index("KeyDigits", next_state="RecordFailure"),
        "RecordFailure": sdk_task(
            "s3:putObject",
            {
                "Bucket": work_bucket,
                "Key.$": f"States.Format('{{}}/{contract.FAILURES_PREFIX}{{}}.json', $.job.prefix, $.index.value)",
                "ContentType": "application/json",
                "Body": {"chunk.$": "$.chunk", "error.$": f"{FAILURE}.Error", "cause.$": f"{FAILURE}.Cause"},
            },
            next_state="GiveUp",
            on_error="GiveUp",
            ResultPath=None,
        ),
        "GiveUp": fail(),
    }
    return {"StartAt": "Tier", "States": states}


def _padded_index(entry: str, *, next_state: str) -> States:
    """Sets ``$.index.value`` to the chunk's index with leading zeros, which the language can only do case by case."""
    widths = range(1, INDEX_DIGITS + 1)
    rules = [{"Variable": "$.chunk", "NumericLessThan": 10**width, "Next": f"{entry}{width}"} for width in widths[:-1]]
    return {entry: choice(*rules, otherwise=f"{entry}{INDEX_DIGITS}")} | {
        f"{entry}{width}": {
            "Type": "Pass",
            "Parameters": {"value.$": f"States.Format('{'0' * (INDEX_DIGITS - width)}{{}}', $.chunk)"},
            "ResultPath": "$.index",
            "Next": next_state,
        }
        for width in widths
    }
