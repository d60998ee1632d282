"""A large file brought to a free key in as many goes as it takes: what S3 has of it already is not sent again.

S3's own record of unfinished uploads is the only state (decision 0861). Knows when to go on, when to begin anew and
what another process at the same file may have done meanwhile; the requests are `s3_multipart`'s.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import ClientError

from sr_core.aws.failures import error_code, is_denied
from sr_core.errors import TransientError
from sr_core.storage.parts import Part
from sr_core.storage.s3_multipart import MultipartUpload
from sr_core.storage.transfer import UploadListener

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sr_core.storage.s3_multipart import Completed

_MOST_LOOKED_AT = 8
"""Of the unfinished uploads of one key; each costs a request for every thousand parts."""
_OVERTAKEN = frozenset(
    {
        "PreconditionFailed",  # the key is taken
        "ConditionalRequestConflict",  # it is just being taken
        "OperationAborted",
        "NoSuchUpload",  # somebody has put it together, or aborted it
        "InvalidPart",  # somebody has sent a part once more, which has another ETag then where a key of KMS is used
    }
)
_WAITS_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


class ResumingDenied(Exception):
    """The credentials may not see what is there of an upload. The object was not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableUpload:
    """What is brought where."""

    client: "S3Client"
    bucket: str
    key: str
    file: BinaryIO
    parts: Sequence[Part]
    described: dict[str, Any]
    """The object that is to be, in the SDK's words."""
    connections: int
    is_taken: Callable[[], bool]
    """Whether there is an object under the key."""

    def store(self, listener: UploadListener) -> bool:
        """Brings it there, unless the key is taken. Returns whether it did.

        After an error, what was sent stays for the next call, unless other writers keep getting in the way.

        Raises ResumingDenied, TransientError (other writers keep getting in the way) or what the SDK raises.
        """
        found = self._best()
        if found is not None:
            listener.resuming(self._bytes_of(found[1]), sum(part.size_bytes for part in self.parts))
        for wait_seconds in _WAITS_SECONDS:
            upload, there = found or (
                MultipartUpload.begun(self.client, self.bucket, self.key, self.described),
                {},
            )
            try:
                completed = upload.send(self.file, self.parts, there, connections=self.connections, sent=listener.sent)
                upload.complete(completed, {"IfNoneMatch": "*"})
                return True
            except ClientError as error:
                if error_code(error) not in _OVERTAKEN:
                    raise
            if self.is_taken():
                upload.abort()
                return False
            time.sleep(random.uniform(0, wait_seconds))  # noqa: S311 - spreads the writers, hides nothing
            try:
                found = self._best()
            except ResumingDenied:
                upload.abort()
                raise
        upload.abort()  # by S3's documentation it may never be put together after a conflict
        raise TransientError(f"s3://{self.bucket}/{self.key}: other writers keep getting in the way; try again")

    def _best(self) -> "tuple[MultipartUpload, Completed] | None":
        """The unfinished upload of which most is there; None where there is nothing of any."""
        try:
            unfinished = MultipartUpload.unfinished(self.client, self.bucket, self.key)[:_MOST_LOOKED_AT]
            found = [(upload, self._there(upload)) for upload in unfinished]
        except ClientError as error:
            if is_denied(error):
                raise ResumingDenied from error
            raise
        best = max(found, key=lambda each: self._bytes_of(each[1]), default=None)
        return best if best is not None and best[1] else None

    def _there(self, upload: MultipartUpload) -> "Completed":
        try:
            return upload.there(self.parts)
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":  # it has just ended
                raise
            return {}

    def _bytes_of(self, there: "Completed") -> int:
        return sum(part.size_bytes for part in self.parts if part.number in there)
