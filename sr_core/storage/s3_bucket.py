"""Whole objects in one S3 bucket: conditional and verified writes, parallel transfers, errors translated.

It takes any key that S3 takes; it does not know of stores.
"""

import hashlib
import mimetypes
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from sr_core.aws.failures import error_code
from sr_core.aws.session import configured, new_session
from sr_core.errors import InputError, IntegrityError, TransientError
from sr_core.storage.base import ObjectInfo
from sr_core.storage.disk import disk_errors
from sr_core.storage.parts import PART_BYTES, FileDigest, checksum_of, digest_of
from sr_core.storage.s3_errors import s3_errors
from sr_core.storage.s3_multipart import MultipartUpload
from sr_core.storage.s3_object import META_JOB, META_SHA256, META_WRITE, S3Object
from sr_core.storage.s3_resumable import ResumableUpload, ResumingDenied
from sr_core.storage.transfer import Moved, UploadListener

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTIONS = 8
"""So many parts travel, and are in memory, at once."""

_READ_ATTEMPTS = 3
_CUT_SHORT = (ResponseStreamingError, IncompleteReadError, ReadTimeoutError, FlexibleChecksumError)
_CONFLICT_WAITS_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)

_Options = dict[str, Any]
"""Keyword arguments of the SDK's operations."""


class S3Bucket:
    """Objects of the bucket `name`. Every method raises InputError or TransientError as `s3_errors` says."""

    def __init__(
        self,
        name: str,
        client: "S3Client | None" = None,
        *,
        part_bytes: int = PART_BYTES,
        connections: int = CONNECTIONS,
    ) -> None:
        self._name = name
        self._part_bytes = part_bytes
        self._connections = connections
        self._seen = False
        with s3_errors(name):
            self._client = client or _connected(connections)

    def head(self, key: str, *, version_id: str | None = None) -> S3Object | None:
        """Describes an object, or None if there is none."""
        which: _Options = {"VersionId": version_id} if version_id else {}
        with s3_errors(self._name, key):
            try:
                answer = self._client.head_object(Bucket=self._name, Key=key, **which)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
                self.check_exists()
                return None
        version = answer.get("VersionId")
        return S3Object(
            size_bytes=answer["ContentLength"],
            modified_at=answer["LastModified"],
            etag=answer["ETag"].strip('"'),
            version_id=None if version == "null" else version,
            metadata=answer["Metadata"],
        )

    def check_exists(self) -> None:
        """Raises InputError if there is no such bucket (a HEAD of an object does not tell)."""
        if self._seen:
            return
        with s3_errors(self._name):
            try:
                self._client.head_bucket(Bucket=self._name)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == 404:
                    raise InputError(
                        f"s3://{self._name}: there is no such bucket; check its name and the account"
                    ) from error
                if status != 403:  # it is there, but its objects may not be listed
                    raise
        self._seen = True

    def check_writable(self, key: str) -> None:
        """Raises InputError unless an object may be stored under `key`. Leaves nothing behind."""
        where: _Options = {"Bucket": self._name, "Key": key}
        with s3_errors(self._name, key):
            upload_id = self._client.create_multipart_upload(**where)["UploadId"]
            self._client.abort_multipart_upload(**where, UploadId=upload_id)

    def accelerated(self) -> "S3Bucket":
        """The same by Transfer Acceleration; itself where the bucket has none, or nobody may know whether it has."""
        host = urlsplit(self._client.meta.endpoint_url).hostname or ""
        if not host.endswith(".amazonaws.com") or "." in self._name:  # S3 in another's place, or nothing to accelerate
            return self
        with suppress(InputError), s3_errors(self._name):
            if self._client.get_bucket_accelerate_configuration(Bucket=self._name).get("Status") == "Enabled":
                client = _connected(self._connections, use_accelerate_endpoint=True)
                return S3Bucket(self._name, client, part_bytes=self._part_bytes, connections=self._connections)
        return self

    def read(self, key: str) -> bytes:
        """Returns a small object. Raises ObjectNotFound."""
        with s3_errors(self._name, key):
            for _ in range(_READ_ATTEMPTS - 1):
                body = self._client.get_object(Bucket=self._name, Key=key)["Body"]
                with suppress(*_CUT_SHORT):  # the SDK repeats a request, but not the reading of its answer
                    return body.read()
            return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()

    def download(self, key: str, file: BinaryIO, *, version_id: str | None = None) -> None:
        """Fills `file` by parallel ranges of one and the same version. Raises ObjectNotFound, OSError."""
        config = TransferConfig(
            multipart_threshold=self._part_bytes,
            multipart_chunksize=self._part_bytes,
            max_concurrency=self._connections,
            preferred_transfer_client="classic",
        )
        which: _Options = {"VersionId": version_id} if version_id else {}
        file.seek(0)
        file.truncate()
        with s3_errors(self._name, key):
            try:
                self._client.download_fileobj(self._name, key, file, ExtraArgs=which, Config=config)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    self.check_exists()
                raise

    def write(self, key: str, data: bytes, *, only_if_free: bool = False) -> bool:
        """Stores `data`; with `only_if_free` not over another object. Returns whether it did."""
        whole = hashlib.sha256(data)

        def send(described: _Options, condition: _Options) -> None:
            self._put(key, data, whole.digest(), described, condition)

        return self._store(key, whole.hexdigest(), send, only_if_free=only_if_free)

    def upload(
        self,
        key: str,
        path: Path,
        *,
        sha256: str | None = None,
        only_if_free: bool = False,
        job: str | None = None,
        sent: Moved = lambda _done_bytes, _total_bytes: None,
    ) -> bool:
        """Stores a file, as made by `job`; with `only_if_free` not over another object. Returns whether it did.

        Raises IntegrityError when the bytes are not those of `sha256` (hex), or change while they are sent.
        """
        with disk_errors(path), path.open("rb") as file:
            digest = digest_of(file, self._part_bytes)
            if sha256 is not None and digest.sha256 != sha256:
                raise IntegrityError(
                    f"{path} has the sha256 {digest.sha256}, not {sha256}; it changed since it was made: make it again"
                )
            return self._upload(key, file, digest, sent, only_if_free=only_if_free, job=job)

    def upload_resumably(self, key: str, path: Path, digest: FileDigest, listener: UploadListener) -> bool:
        """Stores a file of that content under a free key, sending what is not there of it yet. Returns whether it did.

        What is sent stays there when this is interrupted or fails, so that the same call goes on from it. Where the
        credentials may not see what is there, the listener is told so, and it is an `upload` like any other.

        Raises IntegrityError when the file has other content by now, or gets it while it is sent.
        """
        with disk_errors(path), path.open("rb") as file:
            if not digest.holds_for(file):
                raise IntegrityError(f"{path} has changed since it was read; start again when nobody writes to it")
            if len(digest.parts) > 1:
                upload = ResumableUpload(
                    client=self._client,
                    bucket=self._name,
                    key=key,
                    file=file,
                    parts=digest.parts,
                    described=_described(key, digest.sha256),
                    connections=self._connections,
                    is_taken=lambda: self.head(key) is not None,
                )
                with suppress(ResumingDenied), s3_errors(self._name, key):
                    return upload.store(listener)
                listener.not_resuming()
            return self._upload(key, file, digest, listener.sent, only_if_free=True)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """What lies below a prefix, in the order of the keys' UTF-8 bytes."""
        with s3_errors(self._name):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield ObjectInfo(key=item["Key"], size_bytes=item["Size"], modified_at=item["LastModified"])

    def delete(self, key: str) -> None:
        """Removes an object, if it is there."""
        with s3_errors(self._name, key):
            self._client.delete_object(Bucket=self._name, Key=key)

    def _upload(
        self, key: str, file: BinaryIO, digest: FileDigest, sent: Moved, *, only_if_free: bool, job: str | None = None
    ) -> bool:
        def send(described: _Options, condition: _Options) -> None:
            parts = digest.parts
            if len(parts) <= 1:
                data = parts[0].read(file) if parts else b""
                self._put(key, data, bytes.fromhex(digest.sha256), described, condition)
                return
            upload = MultipartUpload.begun(self._client, self._name, key, described)
            try:
                completed = upload.send(file, parts, {}, connections=self._connections, sent=sent)
                upload.complete(completed, condition)
            except BaseException:
                upload.abort()
                raise

        return self._store(key, digest.sha256, send, only_if_free=only_if_free, job=job)

    def _store(
        self,
        key: str,
        sha256: str,
        send: Callable[[_Options, _Options], None],
        *,
        only_if_free: bool,
        job: str | None = None,
    ) -> bool:
        """Calls `send` with the description and the condition of the object to be, until S3 has decided."""
        described = _described(key, sha256, job)
        condition: _Options = {"IfNoneMatch": "*"} if only_if_free else {}
        with s3_errors(self._name, key):
            for wait_seconds in _CONFLICT_WAITS_SECONDS:
                try:
                    send(described, condition)
                    return True
                except ClientError as error:
                    code = error_code(error)
                    if code in ("PreconditionFailed", "NoSuchUpload"):
                        # The SDK repeats a request whose answer was lost: the object in the way may be this one.
                        found = self.head(key)
                        if found is not None and found.metadata.get(META_WRITE) == described["Metadata"][META_WRITE]:
                            return True
                        if code == "PreconditionFailed":
                            return False
                        raise
                    if code not in ("ConditionalRequestConflict", "OperationAborted"):
                        raise
                time.sleep(random.uniform(0, wait_seconds))  # noqa: S311 - spreads the writers, hides nothing
        raise TransientError(f"s3://{self._name}/{key}: other writers keep getting in the way; try again")

    def _put(self, key: str, data: bytes, sha256: bytes, described: _Options, condition: _Options) -> None:
        self._client.put_object(
            Bucket=self._name,
            Key=key,
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum_of(sha256),
            **described,
            **condition,
        )


def _described(key: str, sha256: str, job: str | None = None) -> _Options:
    """An object that is to be, by a write that has not been before."""
    return {
        "Metadata": {META_SHA256: sha256, META_WRITE: uuid.uuid4().hex} | ({META_JOB: job} if job else {}),
        "ContentType": mimetypes.guess_type(key)[0] or "application/octet-stream",
    }


def _connected(connections: int, **s3: Any) -> "S3Client":
    """A client from the environment; `s3` in the words of the SDK's own settings for S3."""
    return new_session().client("s3", config=configured(max_pool_connections=connections + 2, s3=s3 or None))
