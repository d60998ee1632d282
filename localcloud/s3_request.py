"""What an HTTP request asks of S3: whose it is, which object, and which rights it takes.

Path-style requests only, as every SDK sends them to a numeric address. Operations that the pipeline has no business
with are named so that no policy allows them.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Request:
    """One request."""

    access_key: str
    """Of the credentials that signed it; empty for an unsigned one."""
    method: str
    bucket: str
    key: str
    """Empty for a request about the bucket."""
    action: str
    """The right that it takes, such as ``s3:GetObject``."""
    prefix: str | None
    """The prefix of a listing."""

    @property
    def resource(self) -> str:
        """The ARN that the right is about."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket}"

    @property
    def conditions(self) -> dict[str, str]:
        """Condition keys of the request; a listing without a prefix has none."""
        return {} if self.prefix is None else {"s3:prefix": self.prefix}

    @property
    def is_write(self) -> bool:
        """Whether it may change what others see, parts of an upload included."""
        return self.method in ("PUT", "POST", "DELETE")

    @classmethod
    def of(cls, environ: "WSGIEnvironment") -> "S3Request":
        """Reads a request's line and headers; never its body."""
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        path = unquote(str(environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")[0])
        bucket, _, key = path.lstrip("/").partition("/")
        credential = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        method = environ["REQUEST_METHOD"]
        return cls(
            access_key=credential[1] if credential else "",
            method=method,
            bucket=bucket,
            key=key,
            action=_action(method, bool(key), set(query), copies="HTTP_X_AMZ_COPY_SOURCE" in environ),
            prefix=query["prefix"][0] if "prefix" in query and not key else None,
        )


def _action(method: str, of_object: bool, query: set[str], *, copies: bool) -> str:
    """The right that an operation takes (Service Authorization Reference, "Actions defined by Amazon S3")."""
    if not of_object:
        if method == "HEAD" or (method == "GET" and (query <= _LISTING)):
            return "s3:ListBucket"
        return f"unknown:{method} bucket {' '.join(sorted(query))}".rstrip()
    match method:
        case "GET" | "HEAD" if "versionId" in query:
            return "s3:GetObjectVersion"
        case "GET" | "HEAD" if not query & {"acl", "tagging", "uploadId", "attributes"}:
            return "s3:GetObject"
        case "PUT" if not copies and not query & {"acl", "tagging", "retention", "legal-hold"}:
            return "s3:PutObject"
        case "POST" if query & {"uploads", "uploadId"}:
            return "s3:PutObject"
        case "DELETE" if "uploadId" in query:
            return "s3:AbortMultipartUpload"
        case "DELETE" if "versionId" not in query:
            return "s3:DeleteObject"
    return f"unknown:{method} {' '.join(sorted(query))}".rstrip()


_LISTING = {
    "list-type",
    "prefix",
    "max-keys",
    "continuation-token",
    "start-after",
    "delimiter",
    "encoding-type",
    "fetch-owner",
}
