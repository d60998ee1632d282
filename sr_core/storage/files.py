"""What lies outside job folders: the video that a job reads and the file that it delivers, on disk or in S3.

Owns how a source's content is named, how a result gets its place without destroying another, and what is refused before
any work is done. It does not know what is in the files.

An `uri` is a path, ``file:///path`` or ``s3://bucket/key``. Every function raises TransientError where trying again may
help and InputError, in one line with what to do, where it will not.
"""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sr_core.errors import InputError
from sr_core.storage.base import ObjectNotFound, OutputExists
from sr_core.storage.disk import (
    NO_HARD_LINKS,
    copied,
    disk_errors,
    make_folder,
    partial_file,
    remove_abandoned,
    settle_folder,
    sha256_of,
)
from sr_core.storage.host_cache import HostCache
from sr_core.storage.open import is_s3, local_path, parse_s3_uri

if TYPE_CHECKING:
    from sr_core.storage.s3_bucket import S3Bucket
    from sr_core.storage.s3_object import S3Object

_SOURCE_STEM = "source"
_MAX_SUFFIX_LENGTH = 16
_VERSION_ID = "version:"


def source_version(uri: str) -> str:
    """Names the content that lies at `uri` now; other content has another name.

    Returns ``sha256:<hex>`` for a local file (which is read for it), ``version:<id>`` for an object in a bucket with
    versions, else ``etag:<etag>:<size in bytes>``.

    Raises InputError where there is no file, or an empty one.
    """
    if not is_s3(uri):
        path = _source_path(uri)
        with disk_errors(path), path.open("rb") as file:
            return f"sha256:{sha256_of(file)}"
    bucket, key = _in_s3(uri)
    return _version(_source_object(bucket, key, uri))


def fetch_source(uri: str, folder: Path, *, version: str | None = None, max_bytes: int | None = None) -> Path:
    """Returns a local file with the content of `uri`, to be read only.

    A local file is its own; an object is downloaded to `folder` (made if need be) as ``source`` with its suffix, or
    taken from the machine's cache if it has one. S3 is asked for it in any case, so that nobody gets what he may not.
    With `version` (of `source_version`) only that content will do: an S3 version is fetched by its id, anything else is
    compared, which reads a local file once.

    Raises InputError where there is no such file, an empty one, one of more than `max_bytes` or, with `version`, other
    content; HostCapacity when the disk is full.
    """
    if not is_s3(uri):
        path = _source_path(uri)
        if version is not None and source_version(uri) != version:
            raise _changed(uri)
        _check_size(uri, path.stat().st_size, max_bytes)
        return path
    bucket, key = _in_s3(uri)
    version_id = version.removeprefix(_VERSION_ID) if version is not None and version.startswith(_VERSION_ID) else None
    found = _source_object(bucket, key, uri, version_id=version_id)
    if version is not None and _version(found) != version:
        raise _changed(uri)
    _check_size(uri, found.size_bytes, max_bytes)
    target = folder / f"{_SOURCE_STEM}{_suffix(key)}"

    def download() -> None:
        with disk_errors(target):
            make_folder(folder)
            with partial_file(folder) as file:
                try:
                    bucket.download(key, file, version_id=version_id or found.version_id)
                except ObjectNotFound:
                    raise _missing(uri) from None
                file.flush()
                if found.version_id is None and _version(_source_object(bucket, key, uri)) != _version(found):
                    raise _changed(uri)
                Path(file.name).replace(target)

    cache = HostCache.from_environment()
    if cache is None:
        download()
    else:
        cache.provide(f"{uri} {_version(found)}", target, download)
    return target


def check_publishable(uri: str, *, overwrite: bool, job: str | None = None) -> None:
    """Raises InputError if `publish` could not succeed as things are: before the work, not after it.

    It tries: a temporary file in the folder, or a multipart upload to the key that is aborted at once.
    """
    if is_s3(uri):
        bucket, key = _in_s3(uri)
        if not overwrite:
            _own_result(bucket, key, uri, job=job, overwrite=False)
        bucket.check_writable(key)
        return
    target = _target_path(uri, overwrite=overwrite, job=job)
    with disk_errors(target.parent), partial_file(target.parent):
        pass


def publish(path: Path, uri: str, *, overwrite: bool, job: str | None = None) -> None:
    """Puts a copy of the file at `path` at `uri`: entirely or not at all, and it stays if the power fails then.

    Without `overwrite` nothing that is there is replaced, whoever else publishes at the same time.

    Args:
        job: id of the job that made the file. An object in S3 bears it, and what the same job published before is
            replaced by it in any case, or left as it is where it is the same. A file on disk bears no such mark.

    Raises OutputExists, InputError (the folder is missing or not writable) and HostCapacity (the disk is full).
    """
    if is_s3(uri):
        bucket, key = _in_s3(uri)
        own = _own_result(bucket, key, uri, job=job, overwrite=overwrite)
        with disk_errors(path), path.open("rb") as file:
            if own is not None and own.sha256 == sha256_of(file):
                return
        if not bucket.upload(key, path, only_if_free=not overwrite and own is None, job=job):
            raise _exists(uri, job)
        return
    target = _target_path(uri, overwrite=overwrite, job=job)
    with disk_errors(path):
        source = path.open("rb")
    with source, disk_errors(target), partial_file(target.parent) as file:
        copied(source, file)
        if overwrite:
            Path(file.name).replace(target)
        else:
            try:
                _place_new(Path(file.name), target)
            except FileExistsError:
                raise _exists(uri, job) from None
        settle_folder(target.parent)


def has_published(uri: str, *, job: str) -> bool:
    """Whether what lies at an address in S3 is the result of `job`. Raises OutputExists where it is anything else."""
    bucket, key = _in_s3(uri)
    return _own_result(bucket, key, uri, job=job, overwrite=False) is not None


def is_same_place(one: str, other: str) -> bool:
    """Whether what is published at one address would replace what lies at the other, however they are written."""
    if is_s3(one) or is_s3(other):
        return is_s3(one) and is_s3(other) and parse_s3_uri(one) == parse_s3_uri(other)
    try:
        return local_path(one).samefile(local_path(other))
    except OSError:
        return False  # one of them is not there


def is_published(uri: str, *, sha256: str) -> bool:
    """Whether `publish` has put content of that sha256 (hex) at `uri`, perhaps in a process that was killed at once.

    What such a process left beside the file is removed.
    """
    if is_s3(uri):
        bucket, key = _in_s3(uri)
        found = bucket.head(key)
        return found is not None and found.sha256 == sha256
    target = local_path(uri)
    with disk_errors(target):
        if not target.is_file():
            return False
        with target.open("rb") as file:
            if sha256_of(file) != sha256:
                return False
        remove_abandoned(target.parent)
    return True


def _source_path(uri: str) -> Path:
    path = local_path(uri)
    with disk_errors(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _missing(uri) from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{uri} is a folder; give one video file")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{uri} is not a file but a device, pipe or socket; save the video to a file first")
    if found.st_size == 0:
        raise InputError(f"{uri} is empty; check how it was made or copied")
    with disk_errors(path), path.open("rb"):
        pass  # it may be read
    return path


def _source_object(bucket: "S3Bucket", key: str, uri: str, *, version_id: str | None = None) -> "S3Object":
    found = bucket.head(key, version_id=version_id)
    if found is None:
        raise _changed(uri) if version_id is not None else _missing(uri)
    if found.size_bytes == 0:
        raise InputError(f"{uri} is empty; check how it was made or uploaded")
    return found


def _check_size(uri: str, size_bytes: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size_bytes > max_bytes:
        raise InputError(f"{uri} has {size_bytes} bytes, over the limit of {max_bytes}; give a smaller file")


def _version(found: "S3Object") -> str:
    return f"etag:{found.etag}:{found.size_bytes}" if found.version_id is None else f"{_VERSION_ID}{found.version_id}"


def _own_result(bucket: "S3Bucket", key: str, uri: str, *, job: str | None, overwrite: bool) -> "S3Object | None":
    """What `job` has published at `uri` before. Raises OutputExists where something else may not be replaced."""
    found = bucket.head(key)
    if found is None or (job is not None and found.job == job):
        return found
    if not overwrite:
        raise _exists(uri, job)
    return None


def _suffix(key: str) -> str:
    suffix = PurePosixPath(key).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= _MAX_SUFFIX_LENGTH else ""


def _in_s3(uri: str) -> tuple["S3Bucket", str]:
    name, key = parse_s3_uri(uri)
    if not key or key.endswith("/"):
        raise InputError(f"{uri} is a folder; give the whole address of a file")
    from sr_core.storage.s3_bucket import S3Bucket

    return S3Bucket(name), key


def _target_path(uri: str, *, overwrite: bool, job: str | None) -> Path:
    target = local_path(uri)
    with disk_errors(target):
        if target.is_dir() or uri.endswith("/"):
            raise InputError(f"{uri} is a folder; give a file's name")
        if not target.parent.is_dir():
            raise InputError(f"{target.parent} is not a folder; create it first")
        if not overwrite and os.path.lexists(target):
            raise _exists(uri, job)
    return target


def _place_new(partial: Path, target: Path) -> None:
    """Gives a settled file its name unless that is taken (FileExistsError), also where there are no hard links."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        # Reserve the name with an empty file, as only one can, and put the whole one over it.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        partial.replace(target)


def _missing(uri: str) -> InputError:
    return InputError(f"{uri} does not exist; check the address")


def _changed(uri: str) -> InputError:
    return InputError(f"{uri} has changed since the job was requested; start a new job for it")


def _exists(uri: str, job: str | None = None) -> OutputExists:
    if job is None:
        return OutputExists(f"{uri} exists; add --overwrite or choose another output")
    return OutputExists(
        f"{uri} exists and was not made by this job; choose another output, or have it replaced (--overwrite, "
        'or "overwrite": true in an execution\'s input)'
    )
