"""A file on its way to a key in S3, by an upload that a test interrupts, and what was heard and sent meanwhile."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from sr_core.errors import TransientError
from sr_core.storage.parts import FileDigest, digest_of
from sr_core.storage.s3_bucket import S3Bucket
from sr_core.storage.transfer import UploadListener

from .requests import before
from .strict_s3 import unfinished

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 takes."""
KEY = "submitted/ab12/film.mp4"
PARTS = 4
"""Of the file; the last one has a byte."""
TOTAL_BYTES = (PARTS - 1) * PART_BYTES + 1
CONTENT = b"".join(bytes([number]) * PART_BYTES for number in range(PARTS - 1)) + b"!"


def part_of(content: bytes, number: int) -> bytes:
    return content[(number - 1) * PART_BYTES : number * PART_BYTES]


@dataclass
class Upload(UploadListener):
    """Calling it brings the file, by one connection, so that parts go in order."""

    client: "S3Client"
    bucket: str
    path: Path
    digest: FileDigest
    heard: list[tuple[Any, ...]] = field(default_factory=list)
    parts_sent: list[int] = field(default_factory=list)

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        self.heard.append((done_bytes, total_bytes))

    def resuming(self, there_bytes: int, total_bytes: int) -> None:
        self.heard.append(("resuming", there_bytes, total_bytes))

    def not_resuming(self) -> None:
        self.heard.append(("not resuming",))

    def __call__(self) -> bool:
        self.heard.clear()
        self.parts_sent.clear()
        objects = S3Bucket(self.bucket, self.client, connections=1)
        with before(self.client, "UploadPart", lambda params: self.parts_sent.append(params["PartNumber"])):
            return objects.upload_resumably(KEY, self.path, self.digest, self)

    def interrupted(self, *, at: int, error: BaseException | None = None) -> None:
        """Brings it until the network fails (or whatever the error says) when part `at` is to be sent."""
        error = error or EndpointConnectionError(endpoint_url="https://s3")

        def fail(params: dict[str, Any]) -> None:
            if params["PartNumber"] == at:
                raise error

        with (
            before(self.client, "UploadPart", fail),
            pytest.raises(TransientError if isinstance(error, EndpointConnectionError) else type(error)),
        ):
            self()

    @property
    def unfinished(self) -> list[str]:
        return sorted(unfinished(self.bucket))

    @property
    def stored(self) -> bytes:
        return S3Bucket(self.bucket, self.client).read(KEY)

    def read(self) -> None:
        """Takes the file's digest anew."""
        with self.path.open("rb") as file:
            self.digest = digest_of(file, PART_BYTES)

    def begin(self, **described: Any) -> str:
        """Begins another upload to the key; returns its id."""
        return self.client.create_multipart_upload(**{"Bucket": self.bucket, "Key": KEY, **described})["UploadId"]

    def put(self, upload_id: str, number: int, data: bytes, **more: Any) -> None:
        """Puts a part into an upload, by another way."""
        described: Any = {"Bucket": self.bucket, "Key": KEY, "UploadId": upload_id, "PartNumber": number}
        self.client.upload_part(**{**described, **more}, Body=data)
