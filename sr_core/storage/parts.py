"""How a file is cut for S3's multipart upload, with the sha256 of the whole and of every part. It sends nothing.

A file may have thousands of parts and a command thousands of files: of each part 32 bytes are kept.
"""

import base64
import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

from sr_core.storage.transfer import Moved

PART_BYTES = 16 * 1024 * 1024
"""Up to this size an object travels in one request."""
MAX_PARTS = 10_000
"""S3's limit (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""
_SHA256_BYTES = hashlib.sha256().digest_size


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
        return _read(file, self.size_bytes, self.offset_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """What a file held when it was read."""

    sha256: str
    """Of all of it, in hex."""
    size_bytes: int
    part_bytes: int
    """Of every part but the last, which may have fewer."""
    part_digests: bytes
    """The sha256 of each part, 32 bytes each, one after the other."""
    state: tuple[int, ...]
    """What its filesystem said of the file before it was read; it says something else after a change."""

    @property
    def parts(self) -> Sequence[Part]:
        """In order; none of an empty file."""
        return [
            Part(
                number=index + 1,
                offset_bytes=index * self.part_bytes,
                size_bytes=min(self.part_bytes, self.size_bytes - index * self.part_bytes),
                checksum=checksum_of(self.part_digests[index * _SHA256_BYTES : (index + 1) * _SHA256_BYTES]),
            )
            for index in range(len(self.part_digests) // _SHA256_BYTES)
        ]

    def holds_for(self, file: BinaryIO) -> bool:
        """Whether a file has this content. It is read again only if something has happened to it since."""
        return self.state == _state(file) or self.sha256 == digest_of(file, self.part_bytes).sha256


def digest_of(
    file: BinaryIO, part_bytes: int = PART_BYTES, *, read: Moved = lambda _done_bytes, _total_bytes: None
) -> FileDigest:
    """The sha256 of a file and of its parts, from one reading; `read` is told how far that is.

    Parts have `part_bytes`, or what a file needs that would otherwise have more than 10,000 of them. Two are in memory
    at once: while one is read, the other goes into both sums.
    """
    state = _state(file)
    total_bytes = os.fstat(file.fileno()).st_size
    part_bytes = max(part_bytes, math.ceil(total_bytes / MAX_PARTS))
    whole, digests = hashlib.sha256(), bytearray()
    offset_bytes = 0

    def add(data: bytes) -> None:
        digests.extend(hashlib.sha256(data).digest())

    with ThreadPoolExecutor(2) as pool:
        before: list[Future[Any]] = []
        while data := _read(file, part_bytes, offset_bytes):
            for each in before:
                each.result()
            before = [pool.submit(whole.update, data), pool.submit(add, data)]
            offset_bytes += len(data)
            read(offset_bytes, total_bytes)
    return FileDigest(
        sha256=whole.hexdigest(),
        size_bytes=offset_bytes,
        part_bytes=part_bytes,
        part_digests=bytes(digests),
        state=state,
    )


def checksum_of(digest: bytes) -> str:
    """A sha256 digest (32 bytes) as S3 writes checksums."""
    return base64.b64encode(digest).decode()


def _read(file: BinaryIO, size_bytes: int, offset_bytes: int) -> bytes:
    """Fewer bytes only at the file's end: some filesystems give less than they are asked for."""
    data = os.pread(file.fileno(), size_bytes, offset_bytes)
    while 0 < len(data) < size_bytes:
        more = os.pread(file.fileno(), size_bytes - len(data), offset_bytes + len(data))
        if not more:
            break
        data += more
    return data


def _state(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
