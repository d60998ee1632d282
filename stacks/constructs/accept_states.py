"""The first states of `UpscaleVideo`: from an execution's input to a job id and a request.json.

Refuses what cannot be before anything is paid for: a field that nobody knows, an address outside the configured
buckets, an input that is not there. What is in the settings and what lies at the output is for extract to look at. The
job's id is a hash of what makes it the job it is, so the same request resumes the same job. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sr_core import contract
from sr_core.contract import DEFAULT_OUTPUT, DEFAULT_OUTPUT_OF_OTHER, EXECUTION_DEFAULTS
from stacks.constructs.asl import (
    FAILURE,
    State,
    States,
    choice,
    named_failure,
    only_fields,
    pass_to,
    sdk_task,
    split_address,
    starts_with_any,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: names of buckets, ARN of the topic."""

    work: str
    inputs: Sequence[str]
    """The first is this deployment's own."""
    outputs: Sequence[str]
    """The first is this deployment's own, and the default."""
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers of a config that the state machine needs."""

    spot_attempts: int
    chunk_concurrency: int


def failed(name: str) -> State:
    """A named failure that keeps the cause that was caught."""
    return named_failure(name, cause={"Cause.$": f"{FAILURE}.Cause"}, next_state="AnnounceFailure")


def refused(name: str, cause: str) -> State:
    return named_failure(name, cause={"Cause": cause}, next_state="AnnounceFailure")


def accept(places: Places, limits: Limits, *, next_state: str) -> States:
    """From an execution's input to a job id and a request.json; refuses before anything is paid for."""
    beside_key = f"s3://{places.outputs[0]}/{{}}"
    return {
        **only_fields(EXECUTION_DEFAULTS, next_state="InputAllowed", on_other="InputNotUnderstood"),
        "InputAllowed": choice(
            starts_with_any(
                "$.request.input", [f"s3://{bucket}/" for bucket in places.inputs], next_state="OutputAllowed"
            ),
            otherwise="InputNotAllowed",
        ),
        "OutputAllowed": choice(
            {"Variable": "$.request.output", "StringEquals": "", "Next": "SourceSplit"},
            starts_with_any(
                "$.request.output", [f"s3://{bucket}/" for bucket in places.outputs], next_state="SourceSplit"
            ),
            otherwise="OutputNotAllowed",
        ),
        **split_address(
            "$.request.input", at="$.source", name="Source", next_state="ReadVersion", on_error="InputNotFound"
        ),
        "ReadVersion": sdk_task(
            "s3:headObject",
            {"Bucket.$": "$.source.bucket", "Key.$": "$.source.key"},
            next_state="HasVersionId",
            on_error="InputNotFound",
            ResultPath="$.head",
        ),
        # The names are those of sr_core.storage.source_version: extract compares them with what it finds.
        "HasVersionId": choice(
            {
                "And": [
                    {"Variable": "$.head.VersionId", "IsPresent": True},
                    {"Not": {"Variable": "$.head.VersionId", "StringEquals": "null"}},
                ],
                "Next": "ByVersionId",
            },
            otherwise="ByETag",
        ),
        "ByVersionId": pass_to("Identify", {"name.$": "States.Format('version:{}', $.head.VersionId)"}, at="$.version"),
        "ByETag": pass_to(
            "Identify",
            # The ETag stands in quotes.
            {
                "name.$": "States.Format('etag:{}:{}', States.ArrayGetItem(States.StringSplit($.head.ETag, '\"'), 0), "
                "$.head.ContentLength)"
            },
            at="$.version",
        ),
        "Identify": pass_to(
            "HasOutput",
            {
                "id.$": f"States.Hash(States.Format('{contract.CONTRACT_VERSION} {{}} {{}} {{}} {{}}', "
                "$.request.input, $.version.name, $.request.output, "
                "States.JsonToString($.request.settings)), 'SHA-256')"
            },
            at="$.job",
        ),
        "HasOutput": choice(
            {"Variable": "$.request.output", "StringEquals": "", "Next": "Suffix"}, otherwise="GivenOutput"
        ),
        **_suffix(entry="Suffix", next_state="IsOwnInput"),
        "IsOwnInput": choice(
            {"Variable": "$.source.bucket", "StringEquals": places.inputs[0], "Next": "DefaultOutput"},
            otherwise="DefaultOutputNamingBucket",
        ),
        "DefaultOutput": pass_to(
            "Locate",
            {"uri.$": f"States.Format('{beside_key}/{DEFAULT_OUTPUT}', $.source.key, $.codec.suffix)"},
            at="$.target",
        ),
        "DefaultOutputNamingBucket": pass_to(
            "Locate",
            {
                "uri.$": f"States.Format('{beside_key}/{DEFAULT_OUTPUT_OF_OTHER}', $.source.key, $.source.bucket, "
                "$.codec.suffix)"
            },
            at="$.target",
        ),
        "GivenOutput": pass_to("Locate", {"uri.$": "$.request.output"}, at="$.target"),
        "Locate": pass_to(
            "WriteRequest",
            {
                "id.$": "$.job.id",
                "prefix.$": f"States.Format('{contract.JOBS_PREFIX}{{}}', $.job.id)",
                "uri.$": f"States.Format('s3://{places.work}/{contract.JOBS_PREFIX}{{}}', $.job.id)",
            },
            at="$.job",
        ),
        "WriteRequest": sdk_task(
            "s3:putObject",
            {
                "Bucket": places.work,
                "Key.$": f"States.Format('{{}}/{contract.REQUEST_KEY}', $.job.prefix)",
                "ContentType": "application/json",
                "Body": {
                    "contract_version": contract.CONTRACT_VERSION,
                    "input.$": "$.request.input",
                    "input_version.$": "$.version.name",
                    "output.$": "$.target.uri",
                    "settings.$": "$.request.settings",
                    "overwrite.$": "$.request.overwrite",
                },
            },
            next_state="Critical",
            on_error="AcceptFailed",
            ResultPath=None,
        ),
        "Critical": choice(
            {"Variable": "$.request.critical", "BooleanEquals": True, "Next": "OneSpotAttempt"},
            otherwise="UsualSpotAttempts",
        ),
        "OneSpotAttempt": _job_state(1, next_state),
        "UsualSpotAttempts": _job_state(limits.spot_attempts, next_state),
        "InputNotUnderstood": refused(
            "InputNotUnderstood",
            f"an execution's input has the fields {', '.join(EXECUTION_DEFAULTS)} and no other; "
            "critical and overwrite are true or false; whatever sr run takes goes into settings",
        ),
        "InputNotAllowed": refused(
            "InputNotAllowed",
            "input must be an address s3://bucket/key in a bucket that this deployment reads; "
            "see allowed_input_buckets of its config",
        ),
        "OutputNotAllowed": refused(
            "OutputNotAllowed",
            "output must be an address s3://bucket/key in a bucket that this deployment writes; "
            "see allowed_output_buckets of its config",
        ),
        "InputNotFound": refused("InputNotFound", "the input does not exist or may not be read"),
        "AcceptFailed": failed("AcceptFailed"),
    }


def _suffix(*, entry: str, next_state: str) -> States:
    """Sets ``$.codec.suffix``, of a result that nobody named. A codec that is not known is for extract to refuse."""
    usual, *others = dict.fromkeys(contract.DEFAULT_SUFFIXES.values())
    names = {suffix: f"{entry}{suffix[1:].capitalize()}" for suffix in (usual, *others)}
    asked = "$.request.settings.codec"
    rules = [
        {
            "And": [{"Variable": asked, "IsPresent": True}, {"Variable": asked, "StringEquals": codec}],
            "Next": names[suffix],
        }
        for codec, suffix in contract.DEFAULT_SUFFIXES.items()
        if suffix != usual
    ]
    settings = {name: pass_to(next_state, {"suffix": suffix}, at="$.codec") for suffix, name in names.items()}
    return {entry: choice(*rules, otherwise=names[usual]), **settings}


def _job_state(spot_attempts: int, next_state: str) -> State:
    """The state that everything after Accept works on."""
    values = {
        "job.$": "$.job",
        "output.$": "$.target.uri",
        "input.$": "$.request.input",
        "spot_attempts": spot_attempts,
    }
    return pass_to(next_state, values)
