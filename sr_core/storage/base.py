"""The Store interface and what is true of every implementation (tests/storage holds them to it)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sr_core.errors import InputError, SrError


class ObjectNotFound(SrError):
    """There is no object under that key."""

    def __init__(self, key: str, uri: str) -> None:
        super().__init__(f"{uri}/{key} does not exist")
        self.key = key


class OutputExists(InputError):
    """There is something where a result is to be published, and it may not be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What a store knows of an object without reading it."""

    key: str
    size_bytes: int
    modified_at: datetime = field(compare=False)
    """When it was stored, by the store's clock; in UTC."""


class Store(Protocol):
    """Whole objects under keys, below one address.

    Guarantees:
        - An object is there entirely or not at all: a reader never sees part of it, whenever the writer dies.
        - `create` has exactly one winner, however many processes call it at once with the same key.
        - A write that has returned is seen by every later read and listing.
        - Keys are relative, use ``/``, and cannot leave the store: absolute ones, ``..`` and every part that is empty
          or begins with a dot raise ValueError (`keys.check_key`). No key may be another's folder (``a`` and ``a/b``).
        - An address where nothing lies is an empty store; the first write makes what it needs.

    Raises (every method): TransientError where trying again may help (network, throttling, 5xx), HostCapacity when the
    disk is full, InputError where it will not help (no such bucket, access denied, read-only folder).
    """

    uri: str
    """The address without a trailing slash; `open_store(store.uri)` opens the same store."""

    def put(self, key: str, path: Path, *, sha256: str) -> None:
        """Stores the file at `path`, replacing what was there. The caller must not change the file afterwards.

        Raises IntegrityError when the bytes read are not those of `sha256` (hex).
        """
        ...

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores `data`, replacing what was there."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Stores `data` only if the key is free; returns whether it did (S3: ``If-None-Match: *``)."""
        ...

    def get_bytes(self, key: str) -> bytes:
        """Returns a small object. Raises ObjectNotFound."""
        ...

    def fetch(self, key: str, folder: Path, *, sha256: str | None = None) -> Path:
        """Returns a local file with the object's content, to be read only.

        A store of local files returns its own; others download into `folder`. With `sha256` (hex) it is checked.

        Raises ObjectNotFound, or DamagedData when the content does not match.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Describes the object, or None if there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with `prefix`, in the order of the keys' UTF-8 bytes."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object; nothing happens if there is none."""
        ...
