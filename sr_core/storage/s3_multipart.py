"""One object on its way to S3 in parts: begun, found again, sent, put together.

Knows S3's requests for it, and neither what is sent nor why. Raises what the SDK raises.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from sr_core.storage.parts import Part
from sr_core.storage.side_by_side import each_in_threads
from sr_core.storage.transfer import Moved

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    Completed = Mapping[int, CompletedPartTypeDef]
    """Parts that S3 has, by their numbers, as it wants to be told of them."""


class MultipartUpload:
    """An upload to `key` that S3 has not put together yet."""

    def __init__(self, client: "S3Client", bucket: str, key: str, upload_id: str) -> None:
        self._client = client
        self._which: Any = {"Bucket": bucket, "Key": key, "UploadId": upload_id}

    @classmethod
    def begun(cls, client: "S3Client", bucket: str, key: str, described: dict[str, Any]) -> "MultipartUpload":
        """A new one, of an object that is `described` in the SDK's words."""
        answer = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", **described)
        return cls(client, bucket, key, answer["UploadId"])

    @classmethod
    def unfinished(cls, client: "S3Client", bucket: str, key: str) -> "Sequence[MultipartUpload]":
        """Those that were begun and neither put together nor aborted, by whomever, the youngest first."""
        found = [
            (upload["Initiated"], upload["UploadId"])
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
            for upload in page.get("Uploads", ())
            if upload["Key"] == key
        ]
        return [cls(client, bucket, key, upload_id) for _, upload_id in sorted(found, reverse=True)]

    def there(self, parts: Sequence[Part]) -> "Completed":
        """Which of these parts S3 has already: those whose size and sha256 are what it has recorded."""
        wanted = {part.number: part for part in parts}
        return {
            found["PartNumber"]: {
                "PartNumber": found["PartNumber"],
                "ETag": found["ETag"],
                "ChecksumSHA256": found["ChecksumSHA256"],
            }
            for page in self._client.get_paginator("list_parts").paginate(**self._which)
            for found in page.get("Parts", ())
            if (part := wanted.get(found["PartNumber"])) is not None
            and (found["Size"], found.get("ChecksumSHA256")) == (part.size_bytes, part.checksum)
        }

    def send(
        self, file: BinaryIO, parts: Sequence[Part], there: "Completed", *, connections: int, sent: Moved
    ) -> "Completed":
        """Sends the parts of a file that are not `there`, so many at once; returns all. `sent` counts those, too."""
        total_bytes = sum(part.size_bytes for part in parts)
        done_bytes = sum(part.size_bytes for part in parts if part.number in there)
        completed = dict(there)
        if there:
            sent(done_bytes, total_bytes)

        def send(part: Part) -> "tuple[Part, str]":
            answer = self._client.upload_part(
                **self._which,
                PartNumber=part.number,
                Body=part.read(file),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=part.checksum,
            )
            return part, answer["ETag"]

        def count(answer: "tuple[Part, str]") -> None:
            nonlocal done_bytes
            part, etag = answer
            completed[part.number] = {"PartNumber": part.number, "ETag": etag, "ChecksumSHA256": part.checksum}
            done_bytes += part.size_bytes
            sent(done_bytes, total_bytes)

        left = [part for part in parts if part.number not in there]
        each_in_threads(send, left, threads=connections, then=count)
        return completed

    def complete(self, completed: "Completed", condition: dict[str, Any]) -> None:
        """Makes the object of these parts, under a condition in the SDK's words."""
        parts = [completed[number] for number in sorted(completed)]
        self._client.complete_multipart_upload(**self._which, MultipartUpload={"Parts": parts}, **condition)

    def abort(self) -> None:
        """Removes it with all its parts. What a dead network leaves is for the bucket's lifecycle rule."""
        with suppress(Exception):
            self._client.abort_multipart_upload(**self._which)
