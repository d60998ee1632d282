"""How a file is cut for S3's multipart upload, with a checksum of every part. It does not send anything."""

import base64
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAX_PARTS = 10_000
"""S3's limit (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Consecutive bytes of a file."""

    number: int
    """From 1, as S3 counts."""
    offset_bytes: int
    size_bytes: int
    checksum: str
    """The sha256 in base64, as S3 writes checksums."""

    def read(self, file: BinaryIO) -> bytes:
        """The part's bytes as they are now; any number of threads may do this with one file."""
        return os.pread(file.fileno(), self.size_bytes, self.offset_bytes)


def cut(file: BinaryIO, part_bytes: int) -> tuple[str, Sequence[Part]]:
    """The sha256 (hex) of a file and its parts, none for an empty file, from one reading.

    Parts have `part_bytes`, or what a file needs that would otherwise have more than 10,000 of them.
    """
    part_bytes = max(part_bytes, math.ceil(os.fstat(file.fileno()).st_size / MAX_PARTS))
    whole = hashlib.sha256()
    parts: list[Part] = []
    offset_bytes = 0
    while data := os.pread(file.fileno(), part_bytes, offset_bytes):
        whole.update(data)
        checksum = checksum_of(hashlib.sha256(data).digest())
        parts.append(Part(number=len(parts) + 1, offset_bytes=offset_bytes, size_bytes=len(data), checksum=checksum))
        offset_bytes += len(data)
    return whole.hexdigest(), parts


def checksum_of(digest: bytes) -> str:
    """A sha256 digest (32 bytes) as S3 writes checksums."""
    return base64.b64encode(digest).decode()
