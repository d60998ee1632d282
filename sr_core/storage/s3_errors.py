"""What S3's answers mean to the person at the keyboard, and whether trying again may help.

What every service says alike is known to `sr_core.aws.failures`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError, S3ValidationError

from sr_core.aws.failures import SDK_ERRORS, error_code, of_answer, of_sdk, status_of
from sr_core.errors import InputError, IntegrityError, SrError, TransientError
from sr_core.storage.base import ObjectNotFound

_CORRUPTED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
"""How S3 says that bytes are not those of their checksum."""
_WRONG_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_CUT_OFF = (
    RetriesExceededError,
    S3DownloadFailedError,  # the object was replaced while its parts were downloaded
    S3ValidationError,
)
_RIGHTS = "s3:GetObject, s3:PutObject and s3:DeleteObject on the objects and s3:ListBucket on the bucket"


@contextmanager
def s3_errors(bucket: str, key: str = "") -> Iterator[None]:
    """Turns what the SDK raises into the package's own error, in one line about the object or its bucket.

    Raises ObjectNotFound (`key` is the whole key in the bucket), InputError, IntegrityError (bytes changed while they
    were sent) or TransientError.
    """
    uri = f"s3://{bucket}/{key}" if key else f"s3://{bucket}"
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, bucket, key, uri) from error
    except _CUT_OFF as error:
        raise TransientError(
            f"{uri}: the transfer failed ({' '.join(str(error).split())}); check the network and try again"
        ) from error
    except SDK_ERRORS as error:
        raise of_sdk(error, uri) from error


def _of_answer(error: ClientError, bucket: str, key: str, uri: str) -> SrError:
    code, status = error_code(error), status_of(error)
    if code == "NoSuchBucket":
        return InputError(f"s3://{bucket}: there is no such bucket; check its name and the account")
    if code == "NoSuchUpload":  # somebody aborted it
        return TransientError(f"{uri}: S3 failed ({code}, status {status}); try again")
    if key and (code in ("NoSuchKey", "NoSuchVersion") or status == 404):
        return ObjectNotFound(key, f"s3://{bucket}")
    if code in _CORRUPTED:
        return IntegrityError(
            f"{uri}: S3 received other bytes than were announced ({code}); the file changed while it was sent, "
            "or was damaged on its way; try again when nobody writes to it"
        )
    if code == "InvalidObjectState":
        return InputError(f"{uri}: the object is archived; restore it from Glacier first")
    if code in _WRONG_REGION:
        return InputError(f"{uri}: the bucket lies in another region; set AWS_REGION to it")
    return of_answer(error, "S3", uri, right=_RIGHTS)
