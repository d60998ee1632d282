"""Weights that nobody publishes, in the model store: found by their file's name, as a deployment puts them there."""

from pathlib import Path

import pytest

from sr_core.contract import ENV_MODELS
from sr_core.errors import InputError
from sr_core.model_files import find
from sr_core.models.catalogue import file_digest
from sr_core.types import Settings
from tests.pipeline.network import make_network
from tests.storage.conftest import aws_environment, bucket, connect_to, s3_client, s3_endpoint, s3_server

__all__ = ["aws_environment", "bucket", "connect_to", "s3_client", "s3_endpoint", "s3_server"]


@pytest.fixture(params=["folder", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a model store with one network in it, `own.safetensors`."""
    (tmp_path / "store").mkdir()
    network = make_network(tmp_path / "store" / "own.safetensors")
    if request.param == "folder":
        uri = str(network.parent)
    else:
        request.getfixturevalue("aws_environment")
        uri = f"s3://{request.getfixturevalue('bucket')}"
        request.getfixturevalue("s3_client").upload_file(str(network), uri.removeprefix("s3://"), network.name)
    monkeypatch.setenv(ENV_MODELS, uri)
    return uri


def test_a_network_of_ones_own_is_found_by_its_files_name(uri: str, tmp_path: Path) -> None:
    found = find(Settings(model="own.safetensors"), tmp_path / "scratch")

    assert found.path is not None
    assert found.spec.name == "own.safetensors"
    assert found.spec.sha256 == file_digest(found.path) == file_digest(tmp_path / "store" / "own.safetensors")


def test_a_file_at_hand_comes_first(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_network(tmp_path / "own.safetensors")

    assert find(Settings(model="own.safetensors"), tmp_path / "scratch").path == Path("own.safetensors")


@pytest.mark.parametrize("name", ["other.safetensors", "../own.safetensors", "/own.safetensors"])
def test_a_name_that_is_not_there_is_told(uri: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        find(Settings(model=name), tmp_path / "scratch")
