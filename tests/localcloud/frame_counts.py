"""Where each attempt of a job counts the frames that it sends through the network (see `counted`)."""

from pathlib import Path


def path(folder: Path, job_id: str, attempt: int) -> Path:
    """Its file; `folder` is its machine's, in which jobs start."""
    return folder / f"frames-{job_id}-{attempt}"
