"""Both stores, and the two kinds of S3 that they meet: a strict one, and one that does as it is told."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from sr_core.storage import Store
from sr_core.storage.local import LocalStore
from sr_core.storage.parts import digest_of
from sr_core.storage.s3 import S3Store

from .interrupted import CONTENT, PART_BYTES, Upload
from .place import Place
from .scripted_s3 import Answer, Question, ScriptedS3, Serve
from .strict_s3 import StrictS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, StrictS3]]:
    """Its address and itself."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    assert server._server is not None
    strict = server._server.app = StrictS3(server._server.app)
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}", strict
    server.stop()


@pytest.fixture(scope="session")
def s3_endpoint(s3_server: tuple[str, StrictS3]) -> str:
    return s3_server[0]


@pytest.fixture
def strict_s3(s3_server: tuple[str, StrictS3]) -> Iterator[StrictS3]:
    """That which all share; what a test denies is allowed again after it."""
    yield s3_server[1]
    s3_server[1].denied.clear()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch, s3_endpoint: str) -> None:
    """What every AWS tool reads points to the local S3, in this process and in those it starts."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def connect_to() -> Iterator[Callable[[str], "S3Client"]]:
    """Makes clients of an endpoint that try twice, so that failures are quick, with credentials of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        session = boto3.session.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
        )
    clients: list[S3Client] = []

    def connect(endpoint: str) -> "S3Client":
        config = Config(retries={"mode": "standard", "total_max_attempts": 2})
        clients.append(session.client("s3", endpoint_url=endpoint, config=config))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def s3_client(connect_to: Callable[[str], "S3Client"], s3_endpoint: str) -> "S3Client":
    return connect_to(s3_endpoint)


@pytest.fixture
def bucket(s3_client: "S3Client") -> str:
    name = f"test-{secrets.token_hex(8)}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def local_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def s3_store(bucket: str, s3_client: "S3Client") -> S3Store:
    return S3Store(bucket, "jobs/ab12", s3_client, part_bytes=PART_BYTES)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each implementation in turn, empty."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[bytes], tuple[Path, str]]:
    """Writes bytes to a new file; returns its path and sha256."""
    folder = tmp_path / "scratch"
    folder.mkdir()

    def make(data: bytes) -> tuple[Path, str]:
        path = folder / secrets.token_hex(4)
        path.write_bytes(data)
        return path, hashlib.sha256(data).hexdigest()

    return make


@pytest.fixture
def serve(connect_to: Callable[[str], "S3Client"], monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A store on a scripted server. Nobody sleeps between the attempts; the SDK makes two of each request."""
    servers: list[ScriptedS3] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def start(script: Callable[[Question, int], Answer]) -> tuple[S3Store, ScriptedS3]:
        server = ScriptedS3(script)
        servers.append(server)
        return S3Store("bucket", "jobs", connect_to(server.endpoint)), server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def local_place(tmp_path: Path) -> Place:
    folder = tmp_path / "films"
    folder.mkdir()
    return Place(
        uri=str(folder),
        write=lambda name, data: (folder / name).write_bytes(data),
        read=lambda name: (folder / name).read_bytes(),
        names=lambda: sorted(path.name for path in folder.iterdir()),
    )


@pytest.fixture
def s3_place(s3_client: "S3Client", bucket: str, aws_environment: None) -> Place:
    def names() -> list[str]:
        assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)
        return [
            item["Key"].removeprefix("films/") for item in s3_client.list_objects_v2(Bucket=bucket).get("Contents", [])
        ]

    return Place(
        uri=f"s3://{bucket}/films",
        write=lambda name, data: s3_client.put_object(Bucket=bucket, Key=f"films/{name}", Body=data),
        read=lambda name: s3_client.get_object(Bucket=bucket, Key=f"films/{name}")["Body"].read(),
        names=names,
    )


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def upload(s3_client: "S3Client", bucket: str, make_file: Callable[[bytes], tuple[Path, str]]) -> Upload:
    """Of a file of some parts, of which nothing is there."""
    path, _ = make_file(CONTENT)
    with path.open("rb") as file:
        return Upload(s3_client, bucket, path, digest_of(file, PART_BYTES))
