"""What `Store` promises of listings, asked of every implementation."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from sr_core.storage import Store


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_keys_are_listed_in_the_order_of_their_bytes(store: Store) -> None:
    names = ["a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "ab/c", "B", "b", "z", "é", "ｚ", "𝄞"]
    for name in random.Random(2).sample(names, len(names)):
        store.put_bytes(name, name.encode())

    assert [(info.key, info.size_bytes) for info in store.list()] == [
        (name, len(name.encode())) for name in sorted(names, key=str.encode)
    ]


def test_a_store_tells_when_an_object_was_stored(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds

    store.put_bytes("receipts/00001.json", b"{}")

    (listed,), described = store.list(), store.stat("receipts/00001.json")
    assert described is not None
    assert before < listed.modified_at < datetime.now(UTC) + timedelta(seconds=1)
    assert described.modified_at.replace(microsecond=0) == listed.modified_at.replace(microsecond=0)


def test_a_prefix_is_any_beginning_of_a_key(store: Store) -> None:
    for name in ("segments/00001.mkv", "segments/00010.mkv", "segments/00010/part", "segment/1"):
        store.put_bytes(name, b"")

    assert keys(store, "segments/0001") == ["segments/00010.mkv", "segments/00010/part"]
    assert keys(store, "segments/00010/") == ["segments/00010/part"]
    assert keys(store, "segments/00010.mkv") == ["segments/00010.mkv"]
    assert keys(store, "segments") == ["segments/00001.mkv", "segments/00010.mkv", "segments/00010/part"]
    assert keys(store, "segment") == ["segment/1", *keys(store, "segments")]
    assert keys(store, "segments/2") == []
    assert keys(store, "segments/00010/part/") == []


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a//", ".", "a/."])
def test_a_listing_cannot_leave_the_store(store: Store, prefix: str) -> None:
    with pytest.raises(ValueError, match="key"):
        store.list(prefix)
