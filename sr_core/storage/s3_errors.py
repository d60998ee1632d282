"""What S3's answers and the SDK's exceptions mean to the person at the keyboard, and whether trying again may help.

With `s3_bucket` the only importer of the SDK.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore import exceptions as sdk
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError, S3ValidationError

from sr_core.errors import InputError, IntegrityError, SrError, TransientError
from sr_core.storage.base import ObjectNotFound

_THROTTLED = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
)
_PASSING = frozenset({"InternalError", "ServiceUnavailable", "RequestTimeout", "NoSuchUpload"})
"""NoSuchUpload: somebody aborted it."""
_CORRUPTED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
_NO_ACCESS = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_BAD_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)
_WRONG_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)

_NO_CREDENTIALS = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.ProfileNotFound,
    sdk.TokenRetrievalError,
    sdk.NoAuthTokenError,
    sdk.SSOError,
)
_MAY_PASS = (
    sdk.HTTPClientError,
    sdk.ConnectionError,
    sdk.IncompleteReadError,
    sdk.ChecksumError,
    sdk.FlexibleChecksumError,
    sdk.MetadataRetrievalError,
    sdk.CredentialRetrievalError,
    RetriesExceededError,
    S3DownloadFailedError,  # the object was replaced while its parts were downloaded
    S3ValidationError,
    Boto3Error,
)


@contextmanager
def s3_errors(bucket: str, key: str = "") -> Iterator[None]:
    """Turns what the SDK raises into the package's own error, in one line about the object or its bucket.

    Raises ObjectNotFound (`key` is the whole key in the bucket), InputError, IntegrityError (bytes changed while they
    were sent) or TransientError.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, bucket, key) from error
    except (BotoCoreError, *_MAY_PASS) as error:
        raise _of_sdk(error, f"s3://{bucket}/{key}" if key else f"s3://{bucket}") from error


def error_code(error: ClientError) -> str:
    """S3's name for an error, such as ``NoSuchKey``; the HTTP status where the answer had no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_answer(error: ClientError, bucket: str, key: str) -> SrError:
    code = error_code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    uri = f"s3://{bucket}/{key}" if key else f"s3://{bucket}"
    if code == "NoSuchBucket":
        return InputError(f"s3://{bucket}: there is no such bucket; check its name and the account")
    if code in _THROTTLED:
        return TransientError(f"{uri}: S3 asks for fewer requests ({code}); try again later")
    if code in _PASSING or (status >= 500 and code != "NotImplemented") or status == 429:
        return TransientError(f"{uri}: S3 failed ({code}, status {status}); try again")
    if key and (code in ("NoSuchKey", "NoSuchVersion") or status == 404):
        return ObjectNotFound(key, f"s3://{bucket}")
    if code in _CORRUPTED:
        return IntegrityError(
            f"{uri}: S3 received other bytes than were announced ({code}); the file changed while it was sent"
        )
    if code in _BAD_CREDENTIALS:
        return InputError(
            f"{uri}: the AWS credentials are not valid ({code}); renew them, for instance with 'aws sso login'"
        )
    if code == "RequestTimeTooSkewed":
        return InputError(f"{uri}: this machine's clock is wrong; set it")
    if code == "InvalidObjectState":
        return InputError(f"{uri}: the object is archived; restore it from Glacier first")
    if code in _WRONG_REGION:
        return InputError(f"{uri}: the bucket lies in another region; set AWS_REGION to it")
    if code in _NO_ACCESS or status == 403:
        return InputError(
            f"{uri}: access denied ({message or code}); the credentials in use need s3:GetObject, s3:PutObject and "
            "s3:DeleteObject on the objects and s3:ListBucket on the bucket"
        )
    return InputError(f"{uri}: S3 refused the request ({code or status}): {message}")


def _of_sdk(error: Exception, uri: str) -> SrError:
    message = " ".join(str(error).split())
    if isinstance(error, _NO_CREDENTIALS):
        return InputError(f"{uri}: no usable AWS credentials ({message}); run 'aws configure' or set AWS_PROFILE")
    if isinstance(error, _MAY_PASS):
        return TransientError(f"{uri}: the transfer failed ({message}); check the network and try again")
    return InputError(
        f"{uri}: the AWS SDK refused the request ({message}); check the address and the AWS configuration"
    )
