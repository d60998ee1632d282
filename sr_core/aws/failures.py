"""What the SDK's exceptions mean to the person at the keyboard, as far as that is the same for every service.

Whoever calls a service says what its own answers mean, and asks here for the rest.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore import exceptions as sdk
from botocore.exceptions import BotoCoreError, ClientError

from sr_core.errors import InputError, SrError, TransientError

_THROTTLED = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
)
_PASSING = frozenset({"InternalError", "ServiceUnavailable", "RequestTimeout"})
_NO_ACCESS = frozenset(
    {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"}
)
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
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
    Boto3Error,
)
SDK_ERRORS = (BotoCoreError, *_MAY_PASS)
"""What the SDK raises of itself, besides what it was answered (ClientError)."""


@contextmanager
def aws_errors(service: str, place: str, *, right: str) -> Iterator[None]:
    """Turns what the SDK raises into the package's own error, in one line about `place`.

    Args:
        right: what the credentials need for it, in IAM's words.

    Raises InputError or TransientError. Answers that only `service` gives are the caller's to catch first.
    """
    try:
        yield
    except ClientError as error:
        raise of_answer(error, service, place, right=right) from error
    except SDK_ERRORS as error:
        raise of_sdk(error, place) from error


def error_code(error: ClientError) -> str:
    """The service's name for an error, such as ``NoSuchKey``; the HTTP status where the answer had no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """What the service said, in one line."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split())


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_denied(error: ClientError) -> bool:
    """Whether the credentials are good, but not for this."""
    return error_code(error) in _NO_ACCESS


def of_answer(error: ClientError, service: str, place: str, *, right: str) -> SrError:
    """What an answer means that says something is wrong."""
    code, status = error_code(error), status_of(error)
    if code in _THROTTLED:
        return TransientError(f"{place}: {service} asks for fewer requests ({code}); try again later")
    if code in _PASSING or (status >= 500 and code != "NotImplemented") or status == 429:
        return TransientError(f"{place}: {service} failed ({code}, status {status}); try again")
    if code in _BAD_CREDENTIALS:
        return InputError(
            f"{place}: the AWS credentials are not valid ({code}); renew them, for instance with 'aws sso login'"
        )
    if code == "RequestTimeTooSkewed":
        return InputError(f"{place}: this machine's clock is wrong; set it")
    if is_denied(error) or status == 403:
        return InputError(
            f"{place}: access denied ({message_of(error) or code or status}); the credentials in use need {right}"
        )
    return InputError(f"{place}: {service} refused the request ({code or status}): {message_of(error)}")


def of_sdk(error: Exception, place: str) -> SrError:
    """What it means that the SDK did not come to an answer."""
    message = " ".join(str(error).split())
    if isinstance(error, _NO_CREDENTIALS):
        return InputError(f"{place}: no usable AWS credentials ({message}); run 'aws configure' or set AWS_PROFILE")
    if isinstance(error, sdk.NoRegionError):
        return InputError(f"{place}: no AWS region is set; set AWS_REGION, or one in the profile")
    if isinstance(error, _MAY_PASS):
        return TransientError(f"{place}: the transfer failed ({message}); check the network and try again")
    return InputError(
        f"{place}: the AWS SDK refused the request ({message}); check the address and the AWS configuration"
    )
