"""Where data lies: one small interface for job folders, a local directory and S3 behind it.

    open_store(uri) -> Store        "jobs/ab12", "/data/jobs/ab12", "file:///…" or "s3://bucket/jobs/ab12"

A store keeps whole objects under keys such as ``segments/00012-5d41….mkv``. It does not know what they mean.
Sources and results lie outside of job folders and have functions of their own.
"""

from sr_core.storage.base import ObjectInfo, ObjectNotFound, OutputExists, Store
from sr_core.storage.files import (
    check_publishable,
    fetch_source,
    has_published,
    is_published,
    is_same_place,
    publish,
    source_version,
)
from sr_core.storage.host_cache import fetch_shared
from sr_core.storage.open import open_store

__all__ = [
    "ObjectInfo",
    "ObjectNotFound",
    "OutputExists",
    "Store",
    "check_publishable",
    "fetch_shared",
    "fetch_source",
    "has_published",
    "is_published",
    "is_same_place",
    "open_store",
    "publish",
    "source_version",
]
