"""Bringing a source to S3, under an address that is made of its content: whole, once, and never over anything else.

Importing this imports boto3: do it where something is to be brought there, not before.
"""

from pathlib import Path

from sr_core.errors import InputError
from sr_core.storage.disk import disk_errors
from sr_core.storage.open import parse_s3_uri
from sr_core.storage.parts import FileDigest, digest_of
from sr_core.storage.s3_bucket import S3Bucket
from sr_core.storage.transfer import Moved, UploadListener


def digest_of_file(path: Path, *, read: Moved = lambda _done_bytes, _total_bytes: None) -> FileDigest:
    """What is in a file: the one reading before it is sent. `read` is told how far it is.

    Raises InputError or TransientError where it cannot be read.
    """
    with disk_errors(path), path.open("rb") as file:
        return digest_of(file, read=read)


def is_there(uri: str, *, sha256: str) -> bool:
    """Whether the content of that sha256 (hex) lies at `uri`. Raises InputError where something else does."""
    name, key = parse_s3_uri(uri)
    found = S3Bucket(name).head(key)
    if found is not None and found.sha256 != sha256:
        raise InputError(f"{uri} does not hold what its name promises; delete it, and the same command brings it again")
    return found is not None


def bring(
    path: Path, uri: str, *, digest: FileDigest, accelerate: bool, listener: UploadListener | None = None
) -> None:
    """Puts the file at `path` at `uri`, by Transfer Acceleration if the bucket has it and it is wanted.

    What a former call had sent when it was interrupted is not sent again (`S3Bucket.upload_resumably`). Whoever is
    first wins: what another brings meanwhile is not replaced, since who reads it has named that version.

    Raises IntegrityError when the file is not that of `digest` any more, InputError, TransientError.
    """
    if is_there(uri, sha256=digest.sha256):  # brought since it was looked for, be it by the same command
        return
    name, key = parse_s3_uri(uri)
    bucket = S3Bucket(name)
    way = bucket.accelerated() if accelerate else bucket
    way.upload_resumably(key, path, digest, listener or UploadListener())
    is_there(uri, sha256=digest.sha256)  # another's, or one that another has begun
