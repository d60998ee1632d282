"""Asking a deployment for a video: what can be looked at here is, then the source is brought, then it is started.

    prepare() -> Prepared       reads only: nothing is written, nothing costs anything
    submit()  -> Submission     brings the source and starts an execution, unless neither is needed any more

The name of an execution is made of what it is asked for, and a result bears the digest of its request: so whoever asks
again for what is under way, or done, is told so and pays nothing (decision 0860).
"""

import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from sr_core.aws.deployment import Deployment
from sr_core.aws.executions import NAME_LENGTH, SUCCEEDED, Execution, Executions, execution_arn
from sr_core.contract import (
    DEFAULT_OUTPUT,
    DEFAULT_OUTPUT_OF_OTHER,
    DEFAULT_SUFFIXES,
    EXECUTION_DEFAULTS,
    SUBMITTED_PREFIX,
)
from sr_core.delivery import container_for, default_output
from sr_core.errors import InputError
from sr_core.estimate import Estimate, estimates
from sr_core.planning import check_scale, check_tier, plan_in_prospect, tier_for
from sr_core.storage import fetch_source, has_published, is_same_place, source_version
from sr_core.storage.open import is_s3, local_path, parse_s3_uri
from sr_core.storage.parts import FileDigest
from sr_core.storage.submitted import bring, digest_of_file, is_there
from sr_core.storage.transfer import Moved, UploadListener
from sr_core.types import Codec, ModelSpec, Request, Settings, VideoInfo
from sr_core.video.source import probe_source

_DIGITS = 16
"""Of a digest, in a name."""
_NUMBER = 6
"""Characters for the number of a further start, with its hyphen."""
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for, of every source alike."""

    settings: Settings
    model: ModelSpec
    """That of the settings, as the deployment has it."""
    output: str | None = None
    """An address in S3, of a folder if it ends in a slash; None: where the deployment puts it."""
    critical: bool = False
    overwrite: bool = False
    """Whether whatever lies at the output is replaced, be it this very result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One source, looked at."""

    place: str
    """As it was given."""
    source: str
    """Its address in S3, where it may yet have to be brought."""
    output: str
    digest: FileDigest | None
    """Of a local file."""
    version: str | None
    """Of what lies at `source`; None where nothing does yet."""
    estimate: Estimate | None
    """For the tier that a job takes; None where none was wanted."""
    is_done: bool
    """Whether the result is there already, and is not to be replaced."""

    def request(self, asked: Asked, version: str) -> Request:
        """The request that the deployment will make of it."""
        return Request(input=self.source, input_version=version, output=self.output, settings=asked.settings)


class Outcome(StrEnum):
    """What became of asking."""

    STARTED = "started"
    UNDER_WAY = "under way"
    """An execution runs that was asked for the same before."""
    DONE = "done"
    """The result was there; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A source that was asked for."""

    outcome: Outcome
    execution: str | None
    """ARN; None where the result was there before any execution was looked for."""
    former: Execution | None
    """The last one for the same that has ended; one that was started after it goes on from what it has left."""


def prepare(
    place: str,
    asked: Asked,
    deployment: Deployment,
    folder: Path,
    *,
    with_estimate: bool,
    read: Moved = lambda _done_bytes, _total_bytes: None,
) -> Prepared:
    """Looks at the source at `place`, a local file or an address in S3.

    A local file is probed and planned for, and read once; `read` is told how many bytes of how many. One in S3 is
    looked at only `with_estimate`, since it is fetched to `folder` for that.

    Raises InputError for what would be refused later, an output that is another job's included; TransientError.
    """
    check_scale(asked.settings, asked.model)
    check_tier(asked.settings, asked.model, among=deployment.tiers)
    video: VideoInfo | None = None
    if is_s3(place):
        source, content = _allowed(place, deployment), None
        output = _output(source, place, asked, deployment)
        version: str | None = source_version(source)
        if with_estimate:
            video = _looked_at(fetch_source(source, folder, version=version), asked, deployment)
    else:
        path = fetch_source(place, folder)  # it is its own
        video = _looked_at(path, asked, deployment)
        content = digest_of_file(path, read=read)
        source = f"s3://{deployment.input_buckets[0]}/{SUBMITTED_PREFIX}{content.sha256[:_DIGITS]}/{_key_name(path)}"
        output = _output(source, place, asked, deployment)
        version = source_version(source) if is_there(source, sha256=content.sha256) else None
    prepared = Prepared(
        place=place,
        source=source,
        output=output,
        digest=content,
        version=version,
        estimate=_estimate(asked, video, deployment) if with_estimate and video is not None else None,
        is_done=False,
    )
    if version is None or not _is_done(prepared, asked, version):
        return prepared
    return replace(prepared, is_done=True)


def submit(
    prepared: Prepared,
    asked: Asked,
    deployment: Deployment,
    executions: Executions,
    *,
    accelerate: bool,
    listener: UploadListener | None = None,
) -> Submission:
    """Brings a local source to the deployment, if it is not there yet, and starts an execution, if none is needed less.

    Args:
        accelerate: whether the source travels by Transfer Acceleration, if the bucket has it.
        listener: is told how bringing it goes.

    Raises InputError, IntegrityError (the file has changed meanwhile) or TransientError. What was brought stays there,
    and the same call goes on from it.
    """
    if prepared.is_done:
        return Submission(outcome=Outcome.DONE, execution=None, former=None)
    version = prepared.version
    if version is None:
        assert prepared.digest is not None, "what is in S3 has a version"
        path = local_path(prepared.place)
        bring(path, prepared.source, digest=prepared.digest, accelerate=accelerate, listener=listener)
        version = source_version(prepared.source)
        if _is_done(prepared, asked, version):
            return Submission(outcome=Outcome.DONE, execution=None, former=None)
    return _started(prepared, asked, version, deployment, executions)


def _started(
    prepared: Prepared, asked: Asked, version: str, deployment: Deployment, executions: Executions
) -> Submission:
    """An execution that has ended keeps its name for 90 days: the next one for the same has the next number."""
    machine = deployment.video_workflow_arn
    stem, wanted = _stem(prepared, asked, version), _execution_input(prepared, asked, deployment)
    former: Execution | None = None
    for number in count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        arn = execution_arn(machine, name)
        found = executions.find(arn)
        if found is None and executions.start(machine, name, wanted):
            return Submission(outcome=Outcome.STARTED, execution=arn, former=former)
        found = found or executions.find(arn)  # somebody has just started one, in other words
        if found is not None and found.is_running:
            return Submission(outcome=Outcome.UNDER_WAY, execution=arn, former=former)
        if found is not None and found.status == SUCCEEDED and _is_done(prepared, asked, version):
            return Submission(outcome=Outcome.DONE, execution=arn, former=former)
        former = found
    raise AssertionError("numbers do not end")


def _is_done(prepared: Prepared, asked: Asked, version: str) -> bool:
    """Raises OutputExists where the result of something else may not be replaced."""
    if asked.overwrite:
        return False
    return has_published(prepared.output, job=prepared.request(asked, version).digest())


def _stem(prepared: Prepared, asked: Asked, version: str) -> str:
    """Made of what makes the request the one it is; `critical` and `overwrite` do not make it another."""
    words = _NO_WORD.sub("-", PurePosixPath(prepared.source).stem)[: NAME_LENGTH - _DIGITS - _NUMBER - 1].strip("-")
    digest = prepared.request(asked, version).digest()[:_DIGITS]
    return f"{words}-{digest}" if words else digest


def _execution_input(prepared: Prepared, asked: Asked, deployment: Deployment) -> dict[str, Any]:
    """What is as by default is left out: then a start by hand, which says no more, is for the same job folder."""
    own = _own_output(prepared.source, deployment, asked.settings.codec)
    said = {
        "input": prepared.source,
        "output": "" if prepared.output == own else prepared.output,
        "settings": asked.settings.model_dump(mode="json", exclude_defaults=True),
        "critical": asked.critical,
        "overwrite": asked.overwrite,
    }
    return {name: value for name, value in said.items() if value != EXECUTION_DEFAULTS[name]}


def _looked_at(path: Path, asked: Asked, deployment: Deployment) -> VideoInfo:
    """What is in a file for which a job can be planned."""
    video = probe_source(path)
    tier = tier_for(asked.settings, asked.model, video, among=deployment.tiers)
    plan_in_prospect(asked.settings, asked.model, video, tier=tier)
    return video


def _estimate(asked: Asked, video: VideoInfo, deployment: Deployment) -> Estimate:
    found = estimates(asked.settings, asked.model, video, among=deployment.tiers)
    return next(each for each in found if each.is_chosen)


def _allowed(uri: str, deployment: Deployment) -> str:
    """An address that the deployment reads, as it spells it."""
    bucket, key = parse_s3_uri(uri)
    if bucket not in deployment.input_buckets:
        raise InputError(
            f"{uri} is in a bucket that {deployment.name} does not read; it reads "
            f"{', '.join(deployment.input_buckets)} (allowed_input_buckets of its config)"
        )
    if not all(key.split("/")):
        raise InputError(f"{uri}: the workflow finds no key with an empty part; copy it to one without")
    return f"s3://{bucket}/{key}"


def _output(source: str, place: str, asked: Asked, deployment: Deployment) -> str:
    codec, output = asked.settings.codec, asked.output
    if output is None:
        output = _own_output(source, deployment, codec)
    elif output.endswith("/"):
        output += PurePosixPath(default_output(PurePosixPath(source).name, codec)).name
    if not is_s3(output):
        raise InputError(f"{output} is not in S3; a deployment writes to s3://{deployment.output_buckets[0]}/…")
    bucket, key = parse_s3_uri(output)
    if bucket not in deployment.output_buckets:
        raise InputError(
            f"{output} is in a bucket that {deployment.name} does not write; it writes "
            f"{', '.join(deployment.output_buckets)} (allowed_output_buckets of its config)"
        )
    container_for(output, codec)
    if is_same_place(source, output):
        raise InputError(f"{output} is the input itself; choose another output than {place}")
    return f"s3://{bucket}/{key}"


def _own_output(source: str, deployment: Deployment, codec: Codec) -> str:
    """Where the deployment puts a result unless told otherwise."""
    bucket, key = parse_s3_uri(source)
    suffix = DEFAULT_SUFFIXES[codec]
    is_own = bucket == deployment.input_buckets[0]
    name = DEFAULT_OUTPUT.format(suffix) if is_own else DEFAULT_OUTPUT_OF_OTHER.format(bucket, suffix)
    return f"s3://{deployment.output_buckets[0]}/{key}/{name}"


def _key_name(path: Path) -> str:
    """A file's name as part of a key, which is UTF-8 and legible."""
    return _CONTROL.sub("_", os.fsencode(path.name).decode(errors="replace"))
