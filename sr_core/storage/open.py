"""What an address means: a folder or a file on this machine, or a place in S3. Knows who serves it, not how.

boto3 is imported when the first ``s3://`` address is opened, never for local ones.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from sr_core.errors import InputError
from sr_core.storage.base import Store
from sr_core.storage.local import LocalStore

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_S3_URI = re.compile(r"s3://([^/]*)(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_FILE_URI = re.compile(r"file://([^/]*)(/.*)", re.IGNORECASE | re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_DIRECTORY_BUCKET_SUFFIX = "--x-s3"


def open_store(uri: str) -> Store:
    """The store in a folder (its path or ``file:///folder``) or at ``s3://bucket/prefix``. Touches nothing yet.

    Raises InputError for any other address, and where the AWS configuration is broken.
    """
    if not is_s3(uri):
        return LocalStore(local_path(uri))
    bucket, prefix = parse_s3_uri(uri)
    prefix = prefix.strip("/")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise InputError(f"{uri}: a store's address has no empty, '.' or '..' part; write s3://bucket/prefix")
    from sr_core.storage.s3 import S3Store

    return S3Store(bucket, prefix)


def is_s3(uri: str) -> bool:
    """Whether the address is meant to lie in S3; `parse_s3_uri` says whether it is well written."""
    return uri[:3].lower() == "s3:"


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key of ``s3://bucket/key``, the key as it stands (not percent-decoded) and perhaps empty.

    Raises InputError where the address is not of that form.
    """
    match = _S3_URI.fullmatch(uri)
    if match is None or not _BUCKET.fullmatch(match[1]):
        raise InputError(f"{uri}: not an S3 address; write s3://bucket/key")
    if match[1].endswith(_DIRECTORY_BUCKET_SUFFIX):
        raise InputError(f"{uri}: directory buckets list in no order; use a general purpose bucket")
    return match[1], match[2] or ""


def local_path(uri: str) -> Path:
    """The path that a local address means, as it was written: a path or ``file:///path`` (percent-decoded).

    Raises InputError for an empty address and for any other scheme.
    """
    if not uri or "\0" in uri:
        raise InputError(f"{uri!r} is not an address; give a path or s3://bucket/key")
    match = _FILE_URI.fullmatch(uri)
    if match is not None and match[1] in ("", "localhost"):
        return Path(os.fsdecode(unquote_to_bytes(match[2])))
    scheme = _SCHEME.match(uri)
    if scheme is not None:
        raise InputError(
            f"{uri}: {scheme[0]} addresses are not supported; give a path, file:///path or s3://bucket/key"
        )
    return Path(uri)
