"""A store in an S3 bucket.

Owns how a store's keys lie in the bucket and what is checked after a download. How bytes get there and back is known to
`s3_bucket`. Importing this imports boto3: do it where an ``s3://`` address is at hand (`open_store` does), not before.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.errors import DamagedData
from sr_core.storage.base import ObjectInfo, ObjectNotFound
from sr_core.storage.disk import disk_errors, make_folder, partial_file, sha256_of
from sr_core.storage.keys import check_key, check_prefix, is_key
from sr_core.storage.parts import PART_BYTES
from sr_core.storage.s3_bucket import CONNECTIONS, S3Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FETCH_ATTEMPTS = 2


class S3Store:
    """A store below `prefix` in `bucket`.

    Args:
        bucket: Its name. The bucket has to exist.
        prefix: Where in the bucket; empty for all of it. Slashes around it do not matter.
        client: A boto3 S3 client; by default one made from the environment.
        part_bytes: Larger files travel in parallel parts of this size (S3 wants at least 5 MiB).
        connections: How many parts travel at once.

    An object's sha256 is stored as its metadata ``sha256``. S3 itself checks what it receives against checksums that
    were computed when the file was verified, so what is stored is what was verified.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        client: "S3Client | None" = None,
        *,
        part_bytes: int = PART_BYTES,
        connections: int = CONNECTIONS,
    ) -> None:
        self._bucket = S3Bucket(bucket, client, part_bytes=part_bytes, connections=connections)
        prefix = prefix.strip("/")
        self._root = f"{prefix}/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    def put(self, key: str, path: Path, *, sha256: str) -> None:
        self._bucket.upload(self._key(key), path, sha256=sha256)

    def put_bytes(self, key: str, data: bytes) -> None:
        self._bucket.write(self._key(key), data)

    def create(self, key: str, data: bytes) -> bool:
        return self._bucket.write(self._key(key), data, only_if_free=True)

    def get_bytes(self, key: str) -> bytes:
        try:
            return self._bucket.read(self._key(key))
        except ObjectNotFound:
            raise ObjectNotFound(key, self.uri) from None

    def fetch(self, key: str, folder: Path, *, sha256: str | None = None) -> Path:
        """As `Store.fetch`: downloads to `folder` / `key`; content that does not match is downloaded once more."""
        full_key = self._key(key)
        target = folder / key
        for _ in range(_FETCH_ATTEMPTS):
            with disk_errors(target):
                make_folder(target.parent)
                with partial_file(target.parent) as file:
                    try:
                        self._bucket.download(full_key, file)
                    except ObjectNotFound:
                        raise ObjectNotFound(key, self.uri) from None
                    digest = sha256_of(file) if sha256 is not None else None
                    if digest == sha256:
                        file.flush()
                        Path(file.name).replace(target)
                        return target
        raise DamagedData(
            f"{self.uri}/{key} is damaged: its sha256 is {digest}, not {sha256}; it has to be made again", key=key
        )

    def stat(self, key: str) -> ObjectInfo | None:
        found = self._bucket.head(self._key(key))
        return (
            None if found is None else ObjectInfo(key=key, size_bytes=found.size_bytes, modified_at=found.modified_at)
        )

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        return self._list(prefix)

    def delete(self, key: str) -> None:
        self._bucket.delete(self._key(key))

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        for found in self._bucket.list(self._root + prefix):
            key = found.key.removeprefix(self._root)
            if is_key(key):  # the console leaves empty objects whose names end in a slash
                yield replace(found, key=key)

    def _key(self, key: str) -> str:
        check_key(key)
        return self._root + key
