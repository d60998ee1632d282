"""Bringing a source to S3, under an address that is made of its content: whole, once, and never over anything else.

Importing this imports boto3: do it where something is to be brought there, not before.
"""

from pathlib import Path

from sr_core.errors import InputError
from sr_core.storage.open import parse_s3_uri
from sr_core.storage.s3_bucket import S3Bucket, Sent


def is_there(uri: str, *, sha256: str) -> bool:
    """Whether the content of that sha256 (hex) lies at `uri`. Raises InputError where something else does."""
    name, key = parse_s3_uri(uri)
    found = S3Bucket(name).head(key)
    if found is not None and found.sha256 != sha256:
        raise InputError(f"{uri} does not hold what its name promises; delete it, and the same command brings it again")
    return found is not None


def bring(path: Path, uri: str, *, sha256: str, accelerate: bool, sent: Sent) -> None:
    """Puts the file at `path` at `uri`, by Transfer Acceleration if the bucket has it and it is wanted.

    Whoever is first wins: what another brings meanwhile is not replaced, since who reads it has named that version.

    Raises IntegrityError when the file is not that of `sha256` (hex) any more, InputError, TransientError.
    """
    name, key = parse_s3_uri(uri)
    bucket = S3Bucket(name)
    way = bucket.accelerated() if accelerate else bucket
    if not way.upload(key, path, sha256=sha256, only_if_free=True, sent=sent):
        is_there(uri, sha256=sha256)
