"""Where a network comes from: the package, a path, an option file, the model store."""

import fcntl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from moto import mock_aws

from sr_core.contract import ENV_MODELS
from sr_core.errors import HostCapacity, InputError, IntegrityError, TransientError
from sr_core.model_files import find, is_there, pull
from sr_core.models import catalogue
from sr_core.models.catalogue import PublishedModel, file_digest, published
from sr_core.models.compact import Compact
from sr_core.models.loading import describe_file
from sr_core.types import Settings
from tests.models.networks import need
from tests.models.test_download import Server, server

__all__ = ["server"]
NAME = "somebodys-x3"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "theirs" / "network.pth"
    path.parent.mkdir()
    torch.manual_seed(1)
    torch.save(Compact(scale=3, feature_count=4, conv_count=1).state_dict(), path)
    return path


@pytest.fixture
def entry(weights: Path, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PublishedModel:
    """A catalogue with one published network, which a server on this machine has; an empty model store."""
    server.content = weights.read_bytes()
    made = PublishedModel(
        url=server.url,
        size_bytes=weights.stat().st_size,
        sha256=file_digest(weights),
        sha256_source="this test",
        licence="MIT",
        origin="here",
        summary="small",
        spec=describe_file(weights, name=NAME),
    )
    _publish(made, monkeypatch)
    monkeypatch.setenv(ENV_MODELS, str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def _publish(entry: PublishedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "published", lambda: {NAME: entry})


def test_without_a_model_the_catalogue_chooses_by_scale() -> None:
    for scale in sorted({entry.scale for entry in catalogue.shipped().values()}):
        assert find(Settings(scale=scale)).spec.scale == scale
    assert find(Settings()).spec.scale == catalogue.DEFAULT_SCALE


def test_a_scale_that_nothing_ships_for_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no network of scale 7 ships; choose --scale 2"):
        find(Settings(scale=7))


def test_a_published_network_must_be_pulled_first(entry: PublishedModel) -> None:
    assert not is_there(NAME)
    with pytest.raises(InputError, match=f"sr models pull {NAME}"):
        find(Settings(model=NAME))


def test_a_pulled_network_is_found_by_its_name_and_not_pulled_twice(entry: PublishedModel, server: Server) -> None:
    pulled = pull(NAME)
    again = pull(NAME)

    found = find(Settings(model=NAME))

    assert (pulled.was_there, again.was_there, pulled.is_pinned) == (False, True, True)
    assert len(server.ranges) == 1
    assert (found.spec.name, found.spec.scale, found.spec.sha256) == (NAME, 3, entry.sha256)
    assert found.path is not None
    assert file_digest(found.path) == entry.sha256


def test_a_model_store_may_lie_in_s3(entry: PublishedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with mock_aws():
        import boto3

        for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")):
            monkeypatch.setenv(name, value)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="weights-of-ours")
        monkeypatch.setenv(ENV_MODELS, "s3://weights-of-ours/models")

        pulled = pull(NAME)
        found = find(Settings(model=NAME), tmp_path / "scratch")

        assert pulled.address == "s3://weights-of-ours/models/network.pth"
        assert found.path is not None
        assert file_digest(found.path) == entry.sha256


def test_a_file_that_was_changed_in_the_store_is_refused_and_pulled_anew(entry: PublishedModel, tmp_path: Path) -> None:
    pull(NAME)
    file = tmp_path / "store" / "network.pth"
    file.write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=f"sr models pull {NAME} replaces it"):
        find(Settings(model=NAME))

    assert not pull(NAME).was_there
    assert file_digest(file) == entry.sha256


def test_a_sum_that_nobody_states_is_recorded_when_it_is_first_seen(
    entry: PublishedModel, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given a network whose sum is unknown, pulled once
    _publish(entry.model_copy(update={"sha256": None, "sha256_source": None}), monkeypatch)
    first = pull(NAME)
    assert (first.is_pinned, first.sha256) == (False, entry.sha256)

    # When the server has other content of the same size later, then it is not taken
    (tmp_path / "store" / "network.pth").unlink()
    server.content = bytes(len(server.content))
    with pytest.raises(IntegrityError):
        pull(NAME)


@pytest.mark.parametrize(("name", "message"), [("nope", "no published network 'nope'"), ("compact-x2", "ships")])
def test_only_published_networks_are_pulled(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pull(name)


def test_the_catalogue_states_for_each_published_network_who_states_its_sum() -> None:
    for name, entry in published().items():
        assert entry.spec.name == name
        assert entry.url.startswith("https://")
        assert (entry.sha256 is None) == (entry.sha256_source is None)
        assert entry.spec.sha256 == (entry.sha256 or "")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("realesrgan-x4plus", {"num_block": 23, "scale": 4}),
        ("realesrgan-x2plus", {"num_block": 23, "scale": 2}),
        ("realesrgan-x4plus-anime-6b", {"num_block": 6, "scale": 4}),
    ],
)
def test_what_the_catalogue_says_of_a_network_is_what_its_architecture_has(name: str, options: dict[str, int]) -> None:
    """Asked of spandrel, given the tensors of BasicSR's network of those sizes."""
    need("spandrel")
    from sr_core.models.published import recognise
    from tests.models.networks import rrdb

    spec = published()[name].spec
    network = rrdb(**options, num_feat=64)
    found = recognise(network.state_dict(), name=name)
    assert (spec.scale, spec.multiple_px, spec.architecture) == (found.scale, found.multiple_px, found.architecture)
    assert spec.parameter_count == sum(parameter.numel() for parameter in network.parameters())
    assert spec.precisions == ("fp32", *found.precisions)


@pytest.mark.parametrize("model", ["x" * 5000, "/proc/self/mem"], ids=["too long a name", "a file that cannot be read"])
@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")
def test_a_file_that_the_system_refuses_is_wrong_input_or_may_pass(model: str) -> None:
    with pytest.raises((InputError, TransientError), match=r"; (choose|try)"):
        find(Settings(model=model))


def test_an_option_file_without_what_reads_it_is_told_how_to_get_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)  # as `make run` leaves it

    with pytest.raises(InputError, match="`make basicsr`"):
        find(Settings(model=f"basicsr:{tmp_path / 'options.yml'}"), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_model_store_is_said_so(entry: PublishedModel, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "sr" / "models"
    folder.mkdir(parents=True)
    (folder / f"{entry.file}.new.partial").symlink_to("/dev/full")

    with pytest.raises(HostCapacity, match="the disk is full"):
        pull(NAME)


def test_two_pulls_at_once_download_once(
    entry: PublishedModel, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a download that is held up half way, until a second pull of the same network asks for it or waits
    server.halfway = threading.Barrier(2)
    lock, pulling = fcntl.flock, []

    def flock(file: Any, operation: int) -> None:
        if str(getattr(file, "name", "")).endswith(".lock"):
            pulling.append(file)
            if len(pulling) == 2:
                server.meet()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)

    # When both run
    with ThreadPoolExecutor(2) as pool:
        pulled = list(pool.map(pull, [NAME, NAME]))

    # Then the file came once, and both have it
    assert server.ranges == [None]
    assert sorted(one.was_there for one in pulled) == [False, True]
    assert {one.sha256 for one in pulled} == {entry.sha256}
