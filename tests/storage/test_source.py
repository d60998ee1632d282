"""The video that a job reads, on disk and in S3."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sr_core.errors import InputError
from sr_core.storage import fetch_source, source_version

from .place import Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def asking(folder: Path) -> list[Callable[[str], object]]:
    """Both ways to ask for a source."""
    return [source_version, lambda uri: fetch_source(uri, folder / "scratch")]


def test_a_source_is_fetched_whole(place: Place, tmp_path: Path) -> None:
    place.write("Müller's film.mp4", b"frames")
    uri = f"{place.uri}/Müller's film.mp4"

    path = fetch_source(uri, tmp_path / "scratch", version=source_version(uri))

    assert path.read_bytes() == b"frames"
    assert path.suffix == ".mp4"


def test_other_content_is_another_version(place: Place) -> None:
    place.write("in.mp4", b"frames")
    uri = f"{place.uri}/in.mp4"
    before = source_version(uri)

    assert source_version(uri) == before
    place.write("in.mp4", b"framez")

    assert source_version(uri) != before


def test_a_source_that_changed_since_the_job_was_requested_is_refused(place: Place, tmp_path: Path) -> None:
    place.write("in.mp4", b"frames")
    uri = f"{place.uri}/in.mp4"
    version = source_version(uri)
    place.write("in.mp4", b"framez")

    with pytest.raises(InputError, match=r"in\.mp4 has changed since the job was requested; start a new job for it"):
        fetch_source(uri, tmp_path / "scratch", version=version)

    assert fetch_source(uri, tmp_path / "scratch").read_bytes() == b"framez"


def test_a_source_that_is_not_there_is_told(place: Place, tmp_path: Path) -> None:
    for name in ("in.mp4", "no/such/folder/in.mp4"):
        uri = f"{place.uri}/{name}"
        for ask in asking(tmp_path):
            with pytest.raises(InputError, match=f"^{uri} does not exist; check the address$"):
                ask(uri)


def test_an_empty_source_is_told(place: Place, tmp_path: Path) -> None:
    place.write("in.mp4", b"")
    uri = f"{place.uri}/in.mp4"

    for ask in asking(tmp_path):
        with pytest.raises(InputError, match=f"^{uri} is empty; check how it was made"):
            ask(uri)


def test_a_folder_is_no_source(place: Place, tmp_path: Path) -> None:
    for ask in asking(tmp_path):
        with pytest.raises(InputError, match="is a folder; give"):
            ask(f"{place.uri}/")


@pytest.mark.parametrize("uri", ["https://example.com/in.mp4", "", "s3://"])
def test_other_addresses_are_no_sources(uri: str) -> None:
    with pytest.raises(InputError, match=r"give a path|write s3://"):
        source_version(uri)


def test_a_local_source_is_named_by_its_content_and_read_where_it_lies(local_place: Place, tmp_path: Path) -> None:
    local_place.write("in.mp4", b"frames")
    uri = f"{local_place.uri}/in.mp4"

    assert source_version(uri) == f"sha256:{hashlib.sha256(b'frames').hexdigest()}"
    assert source_version(f"file://{uri}") == source_version(uri)
    assert fetch_source(uri, tmp_path / "scratch") == Path(uri)
    assert not (tmp_path / "scratch").exists()


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.mp4")

    with pytest.raises(InputError, match="save the video to a file first"):
        source_version(str(tmp_path / "in.mp4"))


def test_an_object_is_named_by_its_etag_and_size(s3_place: Place) -> None:
    s3_place.write("in.mp4", b"frames")

    etag = hashlib.md5(b"frames", usedforsecurity=False).hexdigest()
    assert source_version(f"{s3_place.uri}/in.mp4") == f"etag:{etag}:6"


def test_an_object_with_versions_is_fetched_as_it_was(
    s3_place: Place, s3_client: "S3Client", bucket: str, tmp_path: Path
) -> None:
    s3_client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    uri = f"{s3_place.uri}/in.mp4"
    s3_place.write("in.mp4", b"frames")
    version = source_version(uri)
    s3_place.write("in.mp4", b"newer frames")

    assert version.startswith("version:")
    assert fetch_source(uri, tmp_path / "scratch", version=version).read_bytes() == b"frames"
    assert fetch_source(uri, tmp_path / "scratch").read_bytes() == b"newer frames"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b.MKV", "source.MKV"), ("noend", "source"), ("odd.m p4", "source"), ("x.averyveryverylongend", "source")],
)
def test_a_download_keeps_its_suffix(s3_place: Place, tmp_path: Path, name: str, expected: str) -> None:
    s3_place.write(name, b"frames")

    assert fetch_source(f"{s3_place.uri}/{name}", tmp_path) == tmp_path / expected
