"""Downloads a file by its address: goes on where it was stopped, and keeps nothing that is not what was promised.

It knows of no network and of no store.
"""

import errno
import fcntl
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_core.errors import InputError, IntegrityError, TransientError

_PIECE_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60
_ATTEMPTS = 4
"""In a row without a byte gained; each that gains some starts the count anew."""

_OF_THE_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR}
)
"""What only writing the file can raise: a connection's own errors have other numbers, or none (URLError)."""

OnBytes = Callable[[int, int], None]
"""Called with the bytes that are there and the size of the whole."""


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Waits until no other process brings the same file to `path`: two would write to one unfinished file.

    A small file beside `path` with the suffix ``.lock`` is locked (flock) meanwhile, and stays: removing it would take
    it from under those who wait. Where the filesystem has no locks, nobody waits. Raises OSError where there can be no
    such file.
    """
    with path.with_name(path.name + ".lock").open("a") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def download(
    url: str,
    path: Path,
    *,
    size_bytes: int,
    sha256: str | None,
    on_bytes: OnBytes = lambda _done, _whole: None,
    pause_seconds: float = 1.0,
) -> str:
    """Brings the file at `url` to `path` and returns its sha256 (hex). What is there of it already is kept.

    While it is incomplete it lies beside `path` with the suffix ``.partial``, where the next call finds it.

    Args:
        size_bytes: the whole size, which is part of the promise.
        sha256: the promised sum; None where there is none.
        pause_seconds: before the second attempt; twice as long before each further one.

    Raises:
        InputError: there is no such file.
        IntegrityError: it is not what was promised; the download is thrown away.
        OSError: the file cannot be written.
        TransientError: the transfer failed several times in a row; what came is kept.
    """
    partial = path.with_name(path.name + ".partial")
    failures = 0
    while _size_bytes(partial) < size_bytes:
        before = _size_bytes(partial)
        try:
            _transfer(url, partial, size_bytes, on_bytes)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404, 410):
                raise InputError(f"{url} is not there any more (HTTP {error.code})") from error
            fault: Exception = error
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            fault = error
        else:
            fault = TransientError("the connection ended early")
        if _size_bytes(partial) >= size_bytes:
            break
        failures = 1 if _size_bytes(partial) > before else failures + 1
        if failures >= _ATTEMPTS:
            raise TransientError(f"{url}: {fault}; run the same command again, it goes on from here") from fault
        time.sleep(pause_seconds * 2 ** (failures - 1))
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if _size_bytes(partial) != size_bytes or (sha256 is not None and found != sha256):
        partial.unlink()
        raise IntegrityError(f"{url} is not the file that was promised (sha256 {found}); it was thrown away")
    partial.replace(path)
    return found


def _transfer(url: str, partial: Path, size_bytes: int, on_bytes: OnBytes) -> None:
    """Appends what is lacking; begins anew where the server gives no parts. Never writes more than `size_bytes` + 1."""
    done = _size_bytes(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310 — see caller
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        with partial.open("ab" if done else "wb") as file:
            while piece := answer.read(min(_PIECE_BYTES, size_bytes + 1 - done)):
                file.write(piece)
                done += len(piece)
                on_bytes(done, size_bytes)


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
