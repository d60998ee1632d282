"""Every key of a job folder.

    request.json  plan.json  timestamps.json  route.json  chunks.json  report.json
    models/<sha256>                    weights that came as a file
    chunks/00007-<sha16>.nut           frames of a chunk, with pre-roll
    segments/00012-<sha16>.mkv         upscaled segments (delivery codec or mezzanine)
    delivery/00012-<sha16>.mkv         segments that encode transcoded from a mezzanine
    receipts/<stage>/00012.json        what is done
    errors/<stage>/7.json              what a stage said when it last ended in an error; by chunk, or 0
    failures/00007.json                chunks that an execution in the cloud gave up
    set-aside/<stage>/00012-<sha16>.json   receipts that did not hold

Data keys carry the start of their content's digest: two writers with different content never meet under one key.
"""

from sr_core import contract
from sr_core.contract import Stage

_DATA_PREFIXES = {
    Stage.EXTRACT: contract.CHUNKS_PREFIX,
    Stage.UPSCALE: contract.SEGMENTS_PREFIX,
    Stage.ENCODE: contract.DELIVERY_PREFIX,
}


def data_key(stage: Stage, index: int, *, sha256: str, suffix: str) -> str:
    """Key of a unit's data. `suffix` includes the dot."""
    return f"{_DATA_PREFIXES[stage]}{index:05d}-{sha256[:16]}{suffix}"


def data_prefix(stage: Stage) -> str:
    return _DATA_PREFIXES[stage]


def receipts_prefix(stage: Stage) -> str:
    return f"{contract.RECEIPTS_PREFIX}{stage}/"


def receipt_key(stage: Stage, index: int) -> str:
    return f"{receipts_prefix(stage)}{index:05d}.json"


def receipt_index(key: str) -> int | None:
    """The index of the unit whose receipt has that key; None where it is no receipt's."""
    name = key.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdecimal() and name.isascii() else None


def set_aside_key(stage: Stage, index: int, *, digest: str) -> str:
    return f"{contract.SET_ASIDE_PREFIX}{stage}/{index:05d}-{digest[:16]}.json"


def error_key(stage: Stage, chunk: int | None) -> str:
    """`chunk` is None for the stages of the whole job. Without leading zeros: the state machine knows none."""
    return f"{contract.ERRORS_PREFIX}{stage}/{chunk or 0}.json"


def model_key(sha256: str) -> str:
    return f"{contract.MODELS_PREFIX}{sha256}"
