"""Encoding frames into a segment file: a new encoder for each, so that its bytes depend on nothing but its frames."""

import errno
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
from av.video.stream import VideoStream

from sr_core.errors import HostCapacity, InputError, IntegrityError
from sr_core.types import ColorInfo, Encoding, Plan
from sr_core.video.frames import Planes, to_av

_MATRIX_CODES = {"rgb": 0, "bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "bt2020nc": 9}
"""H.273 matrix coefficients, as written on the output."""
_RANGE_CODES = {"limited": 1, "full": 2}

_HIGHEST_RATE = Fraction(500)
"""Matroska counts milliseconds, and a damaged header can say thousands of frames a second. The times in these files
only give the order, so slower ones do as well."""

DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How writing says that there is no space."""

_X264_ASM = {"x86_64": "avx2", "AMD64": "avx2"}
"""x264's AVX-512 code for macroblock trees reads memory that nobody wrote: in a long-lived process the same frames give
other bytes. AVX2 code does not, and makes machines with and without AVX-512 agree (docs/decisions/0004)."""


_QUIET_SVT = ("SVT_LOG", "0")
"""SVT-AV1 writes a page about itself to standard error for every encoder, unless its environment says otherwise."""


class SegmentWriter:
    """Writes frames, in order of presentation, into a Matroska file with one closed stream.

    The file's times only give the order: frame i of the segment stands at i / rate. Use it as a context manager; an
    exception inside removes the file.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        *,
        width_px: int,
        height_px: int,
        rate: Fraction,
        color: ColorInfo | None,
        sar: Fraction = Fraction(1),
    ) -> None:
        self.path = path
        self.frame_count = 0
        rate = min(rate, _HIGHEST_RATE)
        options = {"fflags": "+bitexact"}  # no random identifiers, no version strings
        self._container = av.open(str(path), "w", format="matroska", container_options=options)
        os.environ.setdefault(*_QUIET_SVT)
        stream = cast(VideoStream, self._container.add_stream(encoding.codec, rate=rate))
        context = stream.codec_context
        context.width, context.height = width_px, height_px
        context.pix_fmt = encoding.pixel_format
        context.time_base = 1 / rate
        context.sample_aspect_ratio = sar.limit_denominator(1 << 15)
        context.thread_count = encoding.threads
        if encoding.tag is not None:
            context.codec_tag = encoding.tag
        context.options = encoder_options(encoding)
        context.flags |= int(av.codec.context.Flags.bitexact)
        self._color = color
        if color is not None:
            context.colorspace = _MATRIX_CODES[color.matrix]
            context.color_range = _RANGE_CODES[color.range]
            context.color_primaries = color.primaries
            context.color_trc = color.transfer
        self._stream = stream

    @classmethod
    def of_plan(cls, path: Path, plan: Plan, encoding: Encoding) -> Self:
        """A writer for a segment of the plan's output, in its delivery codec or its mezzanine."""
        return cls(
            path,
            encoding,
            width_px=plan.width_px,
            height_px=plan.height_px,
            rate=plan.video.rate,
            color=plan.color,
            sar=plan.video.upright_sar,
        )

    def write(self, frame: Planes) -> None:
        """Encodes the next frame. Raises HostCapacity when the disk is full."""
        out = to_av(frame)
        if out.format.name != self._stream.codec_context.pix_fmt:
            out = out.reformat(format=self._stream.codec_context.pix_fmt)  # planar RGB packed, nothing else
        if self._color is not None:  # prores_ks asks the frames, the others the encoder
            out.colorspace = _MATRIX_CODES[self._color.matrix]
            out.color_range = _RANGE_CODES[self._color.range]
            out.color_primaries = self._color.primaries
            out.color_trc = self._color.transfer
        out.pts = self.frame_count
        out.time_base = self._stream.codec_context.time_base
        self.frame_count += 1
        self._mux(self._encode(out))

    def close(self) -> None:
        """Flushes the encoder and finishes the file. Raises HostCapacity when the disk is full."""
        self._mux(self._encode(None))
        try:
            self._container.close()
        except OSError as error:
            raise_if_disk_is_full(self.path, error)
            raise IntegrityError(f"{self.path} could not be written: {error.strerror or error}") from error

    def _encode(self, frame: av.VideoFrame | None) -> "Sequence[av.Packet[Any]]":
        try:
            return self._stream.encode(frame)
        except (av.error.ExternalError, av.error.ArgumentError, av.error.InvalidDataError) as error:
            context = self._stream.codec_context
            raise InputError(
                f"{context.codec.name} does not take {context.width}×{context.height} {context.pix_fmt} with "
                f"{dict(context.options)}; choose another --codec"
            ) from error

    def _mux(self, packets: Sequence["av.Packet[Any]"]) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise_if_disk_is_full(self.path, error)
            raise IntegrityError(f"{self.path} could not be written: {error.strerror or error}") from error

    def abandon(self) -> None:
        """Stops without finishing and removes the file."""
        with suppress(OSError):  # what cannot be written is not wanted
            self._container.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def encoder_options(encoding: Encoding) -> dict[str, str]:
    """The encoder's options as given in the plan, with what this machine must add for the bytes to be the same."""
    options = dict(encoding.options)
    asm = _X264_ASM.get(platform.machine())
    if encoding.codec == "libx264" and asm:
        options["x264-params"] = ":".join(filter(None, [options.get("x264-params"), f"asm={asm}"]))
    return options


def encoder_versions() -> tuple[tuple[str, str], ...]:
    """What decides an encoder's bytes, for the fingerprint: its build, which is another one for each architecture."""
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return (("pyav", av.__version__), ("libavcodec", libavcodec), ("architecture", platform.machine()))


def raise_if_stderr_says_full(path: Path, stderr: bytes) -> None:
    """Raises HostCapacity if the ffmpeg command said that there is no space for `path`."""
    if any(os.strerror(number).encode() in stderr for number in DISK_IS_FULL):
        raise HostCapacity(f"no space left for {path.name} in {path.parent}; free some or set another work folder")


def raise_if_disk_is_full(path: Path, error: Exception) -> None:
    """Raises HostCapacity if `error` says that there is no space for `path`."""
    if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
        raise HostCapacity(
            f"no space left for {path.name} in {path.parent}; free some or set another work folder"
        ) from error
