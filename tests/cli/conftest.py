"""An account for each test, and a clip for all of a module."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from sr_core.cli import follow
from sr_core.storage import s3_bucket
from tests.clips import make_clip

from .account import REGION, Account, client_of


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """With one deployment, found by the environment. Nobody waits between two looks at an execution."""
    find_nothing_else(monkeypatch)
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.0)
    share_a_client(monkeypatch)
    with mock_aws():
        yield Account()


def find_nothing_else(patch: pytest.MonkeyPatch) -> None:
    """Makes the environment that of nobody's real account."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_CONFIG_FILE", "/dev/null")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_DEFAULT_REGION", REGION)


def share_a_client(patch: pytest.MonkeyPatch) -> None:
    """Makes one client for S3 do for all: to make one takes longer than what is asked of it here."""
    patch.setattr(s3_bucket, "_connected", lambda _connections, **_: client_of("s3"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("submit") / "film one.mp4", frames=6))
