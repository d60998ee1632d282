"""An S3 that is as strict as the real one: moto's HTTP application with what moto leaves out."""

import base64
import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeMultipart, s3_backends

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


class StrictS3:
    """moto, and what S3's documentation says besides.

    - One request at a time: moto's conditional writes are not atomic.
    - No body that belies its checksum.
    - ListParts tells the checksum of every part that was sent with one.
    - No upload is gone on with that is not there (in moto, a defect).
    - What is `denied` is denied.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._lock = threading.Lock()
        self._checksums: dict[tuple[str, str], str] = {}
        self.denied: set[str] = set()
        """Names of rights, of those that `_right` knows."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        method = environ["REQUEST_METHOD"]
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}
        upload_id, number = query.get("uploadId", ""), query.get("partNumber", "")
        announced = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if _right(method, query) in self.denied:
            return _error(start_response, "403 Forbidden", "AccessDenied")
        if announced is not None and announced != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return _error(start_response, "400 Bad Request", "BadDigest")
        with self._lock:
            if upload_id and upload_id not in unfinished(environ["PATH_INFO"].split("/")[1]):
                return _error(start_response, "404 Not Found", "NoSuchUpload")
            if number and announced is not None:
                self._checksums[upload_id, number] = announced
            if method == "GET" and upload_id:
                return self._listed(environ, start_response, upload_id)
            return list(self._app(environ, start_response))

    def _listed(self, environ: "WSGIEnvironment", start_response: "StartResponse", upload_id: str) -> Iterable[bytes]:
        given: list[tuple[str, Headers]] = []

        def take(status: str, headers: Headers, *_: object) -> Callable[[bytes], object]:
            given.append((status, headers))
            return lambda _: None

        def told(part: re.Match[str]) -> str:
            checksum = self._checksums.get((upload_id, part[1]))
            return part[0] + (f"<ChecksumSHA256>{checksum}</ChecksumSHA256>" if checksum else "")

        listing = b"".join(self._app(environ, take)).decode()
        content = re.sub(r"<PartNumber>(\d+)</PartNumber>", told, listing).encode()
        status, headers = given[-1]
        start_response(status, [*_without_length(headers), ("Content-Length", str(len(content)))])
        return [content]


def unfinished(bucket: str) -> dict[str, FakeMultipart]:
    """moto's unfinished uploads in a bucket, by their ids."""
    found: dict[str, FakeMultipart] = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(bucket).multiparts
    return found


def _right(method: str, query: dict[str, str]) -> str:
    """Of the requests about unfinished uploads (Service Authorization Reference, "Actions defined by Amazon S3")."""
    match method:
        case "GET" if "uploads" in query:
            return "s3:ListBucketMultipartUploads"
        case "GET" if "uploadId" in query:
            return "s3:ListMultipartUploadParts"
    return ""


def _without_length(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]


def _error(start_response: "StartResponse", status: str, code: str) -> Iterable[bytes]:
    content = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))])
    return [content]
