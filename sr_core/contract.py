"""Names that both sides of the AWS boundary use, each spelled once.

Owns the stage commands and their flags, the exit codes, the environment variables of a job, the keys of a job folder,
what an execution is asked for and how a deployment is found. It imports nothing but the standard library, so that the
stacks can use it without the pipeline.
It does not know what the names are used for: `layout` builds keys from it, `errors` raises with its exit codes.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

PROGRAM = "sr"
"""The command that every container runs and that a person types."""

CONTRACT_VERSION = 2
"""Part of every request, so that a job folder written under another contract is never resumed by this one."""


class Stage(StrEnum):
    """The stages of a job, in the order in which they run. Each is also a sub-command of `sr`."""

    EXTRACT = "extract"
    UPSCALE = "upscale"
    ENCODE = "encode"
    ASSEMBLE = "assemble"


FLAG_JOB = "--job"
"""Address of the job folder: a directory or ``s3://bucket/prefix``."""
FLAG_CHUNK = "--chunk"
"""Index of the chunk that an upscale or encode job works on."""


class ExitCode(IntEnum):
    """How a command ended. From 64 on they follow the habit of sysexits.h; AWS Batch's retry rules read them."""

    OK = 0
    INTERNAL = 1
    """A defect of this program. Never retried."""
    INPUT = 64
    INTEGRITY = 65
    GPU_MEMORY = 69
    HOST_CAPACITY = 71
    TRANSIENT = 74
    INTERRUPTED = 75


class CloudTier(StrEnum):
    """The kinds of machine that a plan may choose for upscale, as `route.json` names them. Those with a GPU have queues
    of their own."""

    CPU = "cpu"
    """No GPU: the machines of the other stages."""
    STANDARD = "standard"
    PREMIUM = "premium"
    """A GPU with more memory."""
    MEMORY = "memory"
    """The standard GPU beside more host memory."""


DEFAULT_SUFFIXES: Mapping[str, str] = {"h264": ".mp4", "hevc": ".mp4", "av1": ".mp4", "prores": ".mov", "ffv1": ".mkv"}
"""Suffix of a result by its codec, where nobody names an output; the first container that takes the codec."""

SEGMENT_CODEC_MEZZANINE = "mezzanine"
"""The word in `route.json` that sends every chunk through the encode stage as well."""

ENV_SCRATCH = "SR_SCRATCH"
"""The one writable directory of a job; the system's temporary directory when unset."""
ENV_CACHE = "SR_CACHE"
"""A directory shared by all jobs of a machine, for weights and sources under their digest; no cache when unset."""
ENV_MODELS = "SR_MODELS"
"""Where network weights that do not ship with the package are looked up: a directory or an S3 prefix."""
ENV_LIMITS = "SR_LIMITS"
"""What a source may ask for, where that is not the default: ``picture_px=200000000 streams=500`` (docs/limits.md)."""
ENV_TIERS = "SR_TIERS"
"""Tiers that a plan may choose among, with spaces between them; all when unset. A request may ask for any other."""
ENV_CORES = "SR_CORES"
"""Cores that a process may use, where it shares its machine; all that there are when unset."""
ENV_SERVE = "SR_SERVE"
"""Options of `sr serve`, as they would be typed, for whoever cannot: SageMaker calls a container with ``serve`` alone.
What is typed as well comes after them, and so decides."""

ENV_BATCH_JOB_ID = "AWS_BATCH_JOB_ID"
"""Set by AWS Batch in every job: the job's id."""

EXECUTION_DEFAULTS: Mapping[str, object] = {
    "input": "",
    "output": "",
    "settings": {},
    "critical": False,
    "overwrite": False,
}
"""What the input of an execution of `UpscaleVideo` may hold, with the defaults."""
DEFAULT_OUTPUT = "upscaled{}"
"""Name of the result where no output is asked for, below the source's key in the output bucket."""
DEFAULT_OUTPUT_OF_OTHER = "upscaled.{}{}"
"""The same for a source in another bucket than the deployment's own: with that bucket's name. So no two sources share
a default output: the name tells the bucket, and what stands before it the key."""

STORAGE_STACK = "{}-storage"
PIPELINE_STACK = "{}-pipeline"
"""Names of the stacks whose outputs tell where a deployment is, given the deployment's name."""


class StackOutput(StrEnum):
    """The outputs of those stacks by which `sr submit` finds its way."""

    VIDEO_WORKFLOW = "UpscaleVideoArn"
    """Of the pipeline's; those that don't say so are the storage's."""
    INPUTS = "InputAddresses"
    """``s3://bucket`` of each that is read, with spaces between them; the first is the deployment's own."""
    OUTPUTS = "OutputAddresses"
    """Those that are written, likewise."""
    MODELS = "ModelsAddress"
    TIERS = "Tiers"
    """Of the pipeline's: those that a plan chooses among, with spaces between them."""


SUBMITTED_PREFIX = "submitted/"
"""Where `sr submit` puts sources in the input bucket. To `OnUpload` they are no uploads: they are asked for already."""

SERVE = "serve"
"""The sub-command that upscales stills over HTTP, and the one argument that SageMaker gives a container."""
FLAG_HOST = "--host"
FLAG_MODEL = "--model"
FLAG_QUEUE = "--queue"
FLAG_MAX_BYTES = "--max-bytes"
FLAG_INPUT_BUCKET = "--input-bucket"
FLAG_OUTPUT_BUCKET = "--output-bucket"

JOBS_PREFIX = "jobs/"
"""Where the job folders lie in the work bucket, each under its job id."""

REQUEST_KEY = "request.json"
PLAN_KEY = "plan.json"
TIMESTAMPS_KEY = "timestamps.json"
ROUTE_KEY = "route.json"
"""The few words that the state machine needs: tier, segment codec, number of chunks."""
CHUNKS_KEY = "chunks.json"
"""A JSON list with one object for each chunk: the item source of the Distributed Map."""
REPORT_KEY = "report.json"

CHUNKS_PREFIX = "chunks/"
SEGMENTS_PREFIX = "segments/"
DELIVERY_PREFIX = "delivery/"
"""Segments that the encode stage transcoded from a mezzanine."""
RECEIPTS_PREFIX = "receipts/"
FAILURES_PREFIX = "failures/"
"""Chunks that an execution gave up, as the state machine records them."""
ERRORS_PREFIX = "errors/"
"""What stages said when they ended in an error, each until it starts again."""
SET_ASIDE_PREFIX = "set-aside/"
"""Receipts that did not hold; kept for whoever wants to know why."""

MODELS_PREFIX = "models/"
"""Weights that came with the request as a file, under their sha256."""
