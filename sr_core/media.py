"""What is in a file, as probing describes it: the picture, its colours and light, and every stream.

Sizes are in pixels, rates and times rational. Nothing here reads a file or decides what is done about what it says.
"""

from fractions import Fraction
from typing import Literal

from pydantic import Field

from sr_core.frozen import Model


class ColorInfo(Model):
    """How the numbers in a frame stand for colours (names as in ffmpeg, codes as in ITU-T H.273)."""

    matrix: Literal["bt601", "bt709", "bt2020nc", "smpte240m", "fcc", "rgb"]
    """Luma coefficients; `rgb` where the planes are red, green and blue themselves."""
    range: Literal["limited", "full"]
    primaries: int = Field(ge=0, le=255)
    """H.273 code; 2 = unspecified, kept so."""
    transfer: int = Field(ge=0, le=255)
    """H.273 code; 2 = unspecified, kept so."""
    siting: Literal["left", "center", "topleft"] = "left"
    """Where a subsampled chroma sample lies relative to its luma samples."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that the file does not state and that probing decided."""


class MasteringDisplay(Model):
    """The display on which a film was graded: SMPTE ST 2086."""

    red: tuple[Fraction, Fraction]
    """(x, y) in CIE 1931, as the others."""
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    min_luminance: Fraction
    """Candelas per square metre."""
    max_luminance: Fraction


class LightLevel(Model):
    """How bright a film gets: CTA-861.3, candelas per square metre, 0 for unknown."""

    max_content: int = Field(ge=0)
    """The brightest sample of all (MaxCLL)."""
    max_frame_average: int = Field(ge=0)
    """The brightest frame's average (MaxFALL)."""


class StreamInfo(Model):
    """One stream of the source, as far as carrying it is concerned."""

    index: int
    kind: Literal["video", "audio", "subtitle", "data", "attachment"]
    codec: str
    language: str | None = None
    title: str | None = None
    dispositions: tuple[str, ...] = ()
    note: str | None = None
    """What the pipeline will do with it, when that is not simply to carry it."""


class VideoInfo(Model):
    """What the pipeline sees in a file."""

    container: str
    """Name of the demuxer, for example ``mov,mp4,m4a,3gp,3g2,mj2``."""
    stream_index: int
    codec: str
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    """Size of the stored picture, before `rotation_degrees` is applied."""
    sar: Fraction = Fraction(1)
    """Sample aspect ratio of the stored picture."""
    rotation_degrees: Literal[0, 90, 180, 270] = 0
    """Clockwise turn that makes the stored picture upright."""
    pixel_format: str
    bit_depth: int
    chroma: Literal["420", "422", "444", "gray", "rgb"]
    rate: Fraction
    """Average frame rate, frames per second."""
    time_base: Fraction
    """Seconds per unit of a presentation time in this stream."""
    clock_start_seconds: Fraction = Fraction(0)
    """Subtracted from every time of the source: where the clock of a transport or program stream happened to start, or
    the time of the first frame where that is before zero."""
    frame_count: int
    """Frames that are shown. From the packets when probed, exact once the source has been decoded."""
    variable_rate: bool
    duration_seconds: float
    field_order: Literal["progressive", "top-first", "bottom-first", "unknown"]
    """`unknown`: interlaced, and no telling which field comes first but frame by frame."""
    color: ColorInfo
    mastering_display: MasteringDisplay | None = None
    light_level: LightLevel | None = None
    streams: tuple[StreamInfo, ...]
    warnings: tuple[str, ...] = ()

    @property
    def upright_size_px(self) -> tuple[int, int]:
        """(width, height) after rotation."""
        size = (self.width_px, self.height_px)
        return size if self.rotation_degrees in (0, 180) else size[::-1]

    @property
    def is_interlaced(self) -> bool:
        """Whether frames are made of two fields of different times, as far as the first frames tell."""
        return self.field_order != "progressive"

    @property
    def upright_sar(self) -> Fraction:
        """Sample aspect ratio after rotation."""
        return self.sar if self.rotation_degrees in (0, 180) else 1 / self.sar
