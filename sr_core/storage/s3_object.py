"""What S3 says of an object, and what this package says of it there: names of its metadata.

Knows no requests; `s3_bucket` makes them.
"""

from dataclasses import dataclass
from datetime import datetime

META_SHA256 = "sha256"
META_WRITE = "write-id"
"""Names one call that stores an object: a writer whose answer was lost can tell its own object from another's."""
META_JOB = "job"
"""Names the job that made a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """As a HEAD describes it."""

    size_bytes: int
    modified_at: datetime
    etag: str
    version_id: str | None
    """None in a bucket without versions."""
    metadata: dict[str, str]

    @property
    def sha256(self) -> str | None:
        """Of the content, in hex, as its writer stated it; None for what others have stored."""
        return self.metadata.get(META_SHA256)

    @property
    def job(self) -> str | None:
        """Id of the job whose result it is; None where nobody said."""
        return self.metadata.get(META_JOB)
