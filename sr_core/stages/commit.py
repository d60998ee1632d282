"""Handing in a finished unit of work: its file, its receipt, and nothing left in the scratch folder."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sr_core import __version__, layout
from sr_core.contract import ENV_BATCH_JOB_ID, Stage
from sr_core.manifest import Manifest
from sr_core.metadata_service import this_machine
from sr_core.models.catalogue import file_digest
from sr_core.types import Receipt, Timing


def commit(
    manifest: Manifest,
    path: Path,
    *,
    stage: Stage,
    index: int,
    frame_count: int,
    fingerprint: Sequence[tuple[str, str]],
    timing: Timing,
    carrier: Literal["copy", "lossless"] | None = None,
    notes: Sequence[str] = (),
) -> Receipt:
    """Stores the file at `path` under its content's digest, then its receipt, and removes the file.

    Returns the receipt that holds: another worker's, if it was first.
    """
    sha256 = file_digest(path)
    kind = this_machine()
    receipt = Receipt(
        stage=stage,
        index=index,
        key=layout.data_key(stage, index, sha256=sha256, suffix=path.suffix),
        size_bytes=path.stat().st_size,
        sha256=sha256,
        frame_count=frame_count,
        plan_digest=manifest.plan_digest,
        fingerprint=(("sr_core", __version__), *fingerprint),
        machine=os.environ.get(ENV_BATCH_JOB_ID) or platform.node(),
        instance_type=kind.instance_type,
        market=kind.market,
        timing=timing,
        carrier=carrier,
        notes=tuple(notes),
    )
    held = manifest.commit(receipt, path)
    path.unlink()
    return held
