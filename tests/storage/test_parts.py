"""How a file is cut into parts: each byte is in one of them, and both the whole and the parts are summed."""

import base64
import hashlib
from pathlib import Path

import pytest

from sr_core.storage.parts import MAX_PARTS, FileDigest, digest_of


def digest(path: Path, content: bytes, part_bytes: int, told: list[tuple[int, int]] | None = None) -> FileDigest:
    path.write_bytes(content)
    with path.open("rb") as file:
        return digest_of(file, part_bytes, read=lambda *moved: None if told is None else told.append(moved))


@pytest.mark.parametrize(
    ("content", "parts"),
    [(b"", []), (b"ab", [b"ab"]), (b"abc", [b"abc"]), (b"abcd", [b"abc", b"d"]), (b"abcdef", [b"abc", b"def"])],
)
def test_parts_follow_one_another_and_bear_their_sums(tmp_path: Path, content: bytes, parts: list[bytes]) -> None:
    told: list[tuple[int, int]] = []

    found = digest(tmp_path / "film", content, 3, told)

    assert (found.sha256, found.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    with (tmp_path / "film").open("rb") as file:
        assert [part.read(file) for part in found.parts] == parts
    assert [part.number for part in found.parts] == list(range(1, len(parts) + 1))
    assert [base64.b64decode(part.checksum) for part in found.parts] == [
        hashlib.sha256(each).digest() for each in parts
    ]
    assert told[-1:] == [(len(content), len(content))] * bool(content)


def test_a_file_for_more_parts_than_s3_takes_has_larger_ones(tmp_path: Path) -> None:
    found = digest(tmp_path / "film", b"a" * (MAX_PARTS + 1), 1)

    assert found.part_bytes == 2
    assert len(found.parts) == MAX_PARTS // 2 + 1
    assert sum(part.size_bytes for part in found.parts) == MAX_PARTS + 1
