"""Which job may touch what: the one table from which every job's role is made.

Owns the table and its rendering as IAM statements. Paths are relative to a job folder; one ending in ``/`` stands for
everything below it. A role cannot be narrowed to one job's folder, since the job ids are not known at deploy time; it
is narrowed to the parts of a job folder that its stage has business with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sr_core import contract
from sr_core.contract import Stage
from stacks.constructs.findings import Right

READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:AbortMultipartUpload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one role may do with objects."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    deletes: tuple[str, ...] = ()
    withdraws: tuple[Stage, ...] = ()
    """Stages whose receipts it reads; one that does not hold, its reader sets aside, so that the next run redoes it."""
    speaks: Stage | None = None
    """The stage whose last words it leaves, and removes when it is started again."""
    lists: tuple[str, ...] | None = None
    """Parts of job folders that may be listed; None: all of the work bucket. Who may not list is told 403 of a missing
    object, and a condition on the prefix is no right to list then; a worker must see that a receipt is missing."""
    source: bool = False
    """Whether the input buckets may be read."""
    weights: bool = False
    """Whether the models bucket may be read. What extract finds there it puts into the job folder, for upscale."""
    output: bool = False
    """Whether results may be published, and whose lies there be seen. To try it takes the same rights as to do it."""

    def read_paths(self) -> tuple[str, ...]:
        """Everything readable in a job folder."""
        return (*self.reads, *self._words(), *(f"{contract.RECEIPTS_PREFIX}{stage}/" for stage in self.withdraws))

    def write_paths(self) -> tuple[str, ...]:
        """Everything writable in a job folder."""
        return (*self.writes, *self._words(), *(f"{contract.SET_ASIDE_PREFIX}{stage}/" for stage in self.withdraws))

    def delete_paths(self) -> tuple[str, ...]:
        """Everything that may be removed from a job folder."""
        return (*self.deletes, *self._words(), *(f"{contract.RECEIPTS_PREFIX}{stage}/" for stage in self.withdraws))

    def _words(self) -> tuple[str, ...]:
        return () if self.speaks is None else (f"{contract.ERRORS_PREFIX}{self.speaks}/",)


_RECORDS = (contract.REQUEST_KEY, contract.PLAN_KEY, contract.TIMESTAMPS_KEY)
"""What every stage goes by."""


def _receipts(stage: Stage) -> str:
    return f"{contract.RECEIPTS_PREFIX}{stage}/"


ACCESS: dict[Stage, Access] = {
    Stage.EXTRACT: Access(
        reads=(
            *_RECORDS,
            contract.ROUTE_KEY,
            contract.CHUNKS_KEY,
            contract.CHUNKS_PREFIX,
            contract.MODELS_PREFIX,
            contract.REPORT_KEY,
        ),
        writes=(
            contract.PLAN_KEY,
            contract.TIMESTAMPS_KEY,
            contract.ROUTE_KEY,
            contract.CHUNKS_KEY,
            contract.CHUNKS_PREFIX,
            contract.MODELS_PREFIX,
            _receipts(Stage.EXTRACT),
        ),
        deletes=(contract.CHUNKS_PREFIX,),
        withdraws=(Stage.EXTRACT,),
        source=True,
        weights=True,
        output=True,
        speaks=Stage.EXTRACT,
    ),
    Stage.UPSCALE: Access(
        reads=(*_RECORDS, contract.CHUNKS_PREFIX, contract.MODELS_PREFIX, contract.SEGMENTS_PREFIX),
        writes=(contract.SEGMENTS_PREFIX, _receipts(Stage.UPSCALE)),
        deletes=(contract.SEGMENTS_PREFIX,),
        withdraws=(Stage.EXTRACT, Stage.UPSCALE),
        speaks=Stage.UPSCALE,
    ),
    Stage.ENCODE: Access(
        reads=(*_RECORDS, contract.SEGMENTS_PREFIX, contract.DELIVERY_PREFIX),
        writes=(contract.DELIVERY_PREFIX, _receipts(Stage.ENCODE)),
        deletes=(contract.DELIVERY_PREFIX,),
        withdraws=(Stage.UPSCALE, Stage.ENCODE),
        speaks=Stage.ENCODE,
    ),
    Stage.ASSEMBLE: Access(
        reads=(*_RECORDS, contract.SEGMENTS_PREFIX, contract.DELIVERY_PREFIX, contract.REPORT_KEY),
        writes=(contract.REPORT_KEY, _receipts(Stage.ASSEMBLE)),
        withdraws=(Stage.EXTRACT, Stage.UPSCALE, Stage.ENCODE, Stage.ASSEMBLE),
        source=True,
        output=True,
        speaks=Stage.ASSEMBLE,
    ),
}
"""The jobs' rights. Data is removed only by its own stage, when another worker's receipt came first."""

WORKFLOW_ACCESS = Access(
    reads=(contract.ROUTE_KEY, contract.CHUNKS_KEY, contract.FAILURES_PREFIX, contract.ERRORS_PREFIX),
    writes=(contract.REQUEST_KEY, contract.FAILURES_PREFIX),
    deletes=(contract.FAILURES_PREFIX,),
    lists=(contract.FAILURES_PREFIX,),
    source=True,
)
"""The rights of the state machine itself: it reads the source's version, writes the request, follows the route, and
reads what stages had to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketArns:
    """ARNs of the buckets that the table speaks of."""

    work: str
    models: str
    inputs: Sequence[str]
    outputs: Sequence[str]


JOB_IDS = "job ids are not known at deploy time; each path is narrowed to what the stage has business with"
OBJECTS = "the bucket holds nothing but what this is for, under names that users choose"


def rights(access: Access, buckets: BucketArns) -> list[Right]:
    """`access` as statements, each with a name that says what it is for."""

    def folder(parts: Sequence[str]) -> list[str]:
        return [f"{buckets.work}/{contract.JOBS_PREFIX}*/{part}{'*' if part.endswith('/') else ''}" for part in parts]

    def everything(arns: Sequence[str]) -> list[str]:
        return [f"{arn}/*" for arn in arns]

    listing = None
    if access.lists is not None:
        listing = {"StringLike": {"s3:prefix": [f"{contract.JOBS_PREFIX}*/{part}*" for part in access.lists]}}
    granted = [
        Right(sid="ReadJobFolder", actions=READ, resources=folder(access.read_paths()), because=JOB_IDS),
        Right(sid="WriteJobFolder", actions=WRITE, resources=folder(access.write_paths()), because=JOB_IDS),
        Right(
            sid="ListJobFolder",
            actions=["s3:ListBucket"],
            resources=[buckets.work],
            conditions=listing,
        ),
    ]
    if access.delete_paths():
        withdraw = folder(access.delete_paths())
        granted.append(
            Right(sid="WithdrawFromJobFolder", actions=["s3:DeleteObject"], resources=withdraw, because=JOB_IDS)
        )
    if access.source:
        read = [*READ, "s3:GetObjectVersion"]
        granted.append(Right(sid="ReadSource", actions=read, resources=everything(buckets.inputs), because=OBJECTS))
    if access.weights:
        granted.append(Right(sid="ReadWeights", actions=READ, resources=everything([buckets.models]), because=OBJECTS))
        granted.append(Right(sid="FindWeights", actions=["s3:ListBucket"], resources=[buckets.models]))
    if access.output:
        # What lies there says which job made it; only that job's own is replaced.
        granted.append(
            Right(sid="PublishOutput", actions=[*WRITE, *READ], resources=everything(buckets.outputs), because=OBJECTS)
        )
        # Who may not list is told 403 of a missing object, and could not see that the output's place is free.
        granted.append(Right(sid="FindOutput", actions=["s3:ListBucket"], resources=list(buckets.outputs)))
    return granted
