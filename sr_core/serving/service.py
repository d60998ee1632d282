"""Who gets a turn: a queue of fixed length, an end to waiting, and what is done for one request.

Two threads work: while one's picture is in the network, the other's is read or written. It knows nothing of HTTP.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from pydantic import Field

from sr_core.errors import InputError, TransientError
from sr_core.frozen import Model
from sr_core.planning import MAX_SIDE_PX
from sr_core.serving.pictures import SUFFIXES, Kind, Picture, read_picture, written
from sr_core.storage import check_publishable, fetch_source, publish, source_version
from sr_core.storage.open import is_s3, parse_s3_uri
from sr_core.types import ModelSpec
from sr_core.video.frames import Planes

_WORKERS = 2
MAX_STORED_BYTES = 100_000_000
"""Of a picture that is fetched: it need not fit into a request, but it must not fill the disk."""


class BusyError(TransientError):
    """As many requests as may be are under way."""


class LateError(TransientError):
    """There was no time left to begin, or to go on."""


class Upscaler(Protocol):
    """Makes pictures larger: `inference.stills.StillUpscaler`."""

    model: ModelSpec

    def warm_up(self) -> None: ...

    def upscale(self, picture: Planes) -> Planes: ...


class Allowance(Model):
    """What may be asked of a server."""

    max_bytes: int
    """Of a picture that is sent, and of one that is answered with; those in S3 may be larger."""
    max_px: int
    """Width × height of a picture that comes."""
    queue: int
    """Requests under way, the one in the network included."""
    timeout_seconds: float
    """From a request's arrival to its answer."""
    input_buckets: tuple[str, ...] = ()
    """Where pictures may be fetched from."""
    output_buckets: tuple[str, ...] = ()
    """Where results may be put."""


class Addresses(Model):
    """A request that says where the picture lies, instead of bringing it."""

    input: str = Field(min_length=1)
    output: str = Field(min_length=1)
    overwrite: bool = False
    """Whether an output that this very request did not make is replaced."""


class Answered(Model):
    """What is answered to `Addresses`."""

    output: str
    width_px: int
    height_px: int
    size_bytes: int
    model: str
    seconds: float
    """From arrival to answer."""


class Service:
    """Upscales pictures for whoever may have a turn.

    Args:
        upscaler: makes them larger, one at a time.
        scratch: a folder for the files in hand.
    """

    def __init__(self, upscaler: Upscaler, allowance: Allowance, *, scratch: Path) -> None:
        self.allowance = allowance
        self._upscaler, self._scratch = upscaler, scratch
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="still")
        self._lock = threading.Lock()
        self._under_way = 0
        self._is_warm = self._has_failed = False

    @property
    def is_healthy(self) -> bool:
        """Whether the network has run, and the device has not failed since."""
        return self._is_warm and not self._has_failed

    def warm_up(self) -> None:
        """Runs the network once. Raises what `StillUpscaler.upscale` raises."""
        self._upscaler.warm_up()
        self._is_warm = True

    def enter(self) -> "Turn":
        """A turn for a request that has just arrived. Raises BusyError."""
        if not self._is_warm:
            raise BusyError("the network is being loaded; try again in a few seconds")
        with self._lock:
            if self._under_way >= self.allowance.queue:
                raise BusyError(f"{self._under_way} requests are under way, as many as may be; try again later")
            self._under_way += 1
        return Turn(self)

    def leave(self) -> None:
        """To be called once for each turn, when nothing is done for it any more."""
        with self._lock:
            self._under_way -= 1

    def begin(self, turn: "Turn", work: "Callable[[Turn], Any]") -> "Future[Any]":
        """Does `work` in one of the threads, when its turn has come."""
        future = self._pool.submit(work, turn)
        future.add_done_callback(lambda _: self.leave())
        return future

    def picture(self, turn: "Turn", body: bytes, kind: Kind) -> bytes:
        """A file of that kind with the picture in `body`, upscaled.

        Raises InputError, also where the result is larger than is made, or than may be answered with; LateError; and
        what `read_picture` and `StillUpscaler.upscale` raise.
        """
        with TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / "picture"
            path.write_bytes(body)
            result = written(self._upscaled(turn, path), kind)
        if len(result) > self.allowance.max_bytes:
            raise InputError(
                f"the result has {len(result)} bytes as {kind}, over the limit of {self.allowance.max_bytes}; ask for "
                "JPEG or WebP (Accept: image/jpeg), or have it put into S3 (docs/realtime.md)"
            )
        return result

    def addressed(self, turn: "Turn", asked: Addresses) -> Answered:
        """Puts the picture at one address, upscaled, at the other. Asked again, it replaces what it has made.

        Raises InputError, also for a bucket that is not allowed or an output that is not this request's own; LateError;
        and what `read_picture`, `StillUpscaler.upscale` and a store raise.
        """
        kind = self._checked(asked)
        turn.goes_on(f"looking at {asked.input} and {asked.output}")
        version = source_version(asked.input)
        made_of = (asked.input, version, asked.output, self._upscaler.model.sha256)
        job = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
        check_publishable(asked.output, overwrite=asked.overwrite, job=job)
        with TemporaryDirectory(dir=self._scratch) as folder:
            turn.goes_on(f"fetching {asked.input}")
            path = fetch_source(asked.input, Path(folder), version=version, max_bytes=MAX_STORED_BYTES)
            picture = self._upscaled(turn, path)
            result = Path(folder) / "result"
            result.write_bytes(written(picture, kind))
            turn.goes_on(f"putting {asked.output}")
            publish(result, asked.output, overwrite=asked.overwrite, job=job)
            return Answered(
                output=asked.output,
                width_px=picture.width_px,
                height_px=picture.height_px,
                size_bytes=result.stat().st_size,
                model=self._upscaler.model.name,
                seconds=round(turn.seconds, 3),
            )

    def _checked(self, asked: Addresses) -> Kind:
        """The kind of file that is wanted. Raises InputError where an address is not allowed."""
        for field, buckets in (("input", self.allowance.input_buckets), ("output", self.allowance.output_buckets)):
            address = getattr(asked, field)
            if not is_s3(address) or parse_s3_uri(address)[0] not in buckets:
                named = ", ".join(buckets) or "none"
                raise InputError(f"{field} must be s3://bucket/key in a bucket that is served ({named}), not {address}")
        suffix = PurePosixPath(asked.output).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{asked.output}: end the output's name with one of {', '.join(SUFFIXES)}")
        return SUFFIXES[suffix]

    def _check_result_size(self, picture: Picture) -> None:
        width_px, height_px = (side * self._upscaler.model.scale for side in (picture.width_px, picture.height_px))
        if max(width_px, height_px) > MAX_SIDE_PX:
            raise InputError(
                f"the result would be {width_px}×{height_px}, over the limit of {MAX_SIDE_PX} px a side; "
                "cut the picture"
            )

    def _upscaled(self, turn: "Turn", path: Path) -> Picture:
        turn.goes_on("being read")
        picture = read_picture(path, max_px=self.allowance.max_px)
        turn.size_px = picture.width_px, picture.height_px
        self._check_result_size(picture)
        turn.goes_on("in the network, or next")
        try:
            color = self._upscaler.upscale(picture.color)
            alpha = None if picture.alpha is None else self._upscaler.upscale(picture.alpha)
        except TransientError:
            self._has_failed = True  # a device that failed once is not trusted again; whoever runs this replaces it
            raise
        turn.goes_on("being written")
        return Picture(color=color, alpha=alpha, profile=picture.profile)


class Turn:
    """A request under way: how long it may take, and what has become of it."""

    def __init__(self, service: Service) -> None:
        self._started = time.monotonic()
        self._timeout_seconds = service.allowance.timeout_seconds
        self.doing = "waiting for its turn"
        """What it is at, for whoever wonders where the time went."""
        self.size_px: tuple[int, int] | None = None
        """Of the picture that came, once it is known."""

    @property
    def seconds(self) -> float:
        """Since it arrived."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        return self._timeout_seconds - self.seconds

    def goes_on(self, doing: str) -> None:
        """Tells what comes next. Raises LateError when nobody waits for it any more."""
        if self.seconds_left <= 0:
            raise self.late()
        self.doing = doing

    def late(self) -> LateError:
        return LateError(
            f"there was no answer within {self._timeout_seconds:g} s, it was {self.doing}; send a smaller picture, or "
            "fewer at a time"
        )
