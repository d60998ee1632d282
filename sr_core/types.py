"""What crosses a boundary: between stages, between processes, between this package and its caller.

Every model is frozen and refuses unknown fields; its JSON form is what lies in a job folder. Sizes are in pixels,
frame ranges are half-open, rates and times rational. Nothing here reads a file or makes a decision.
"""

import hashlib
import json
from fractions import Fraction
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from sr_core.contract import CONTRACT_VERSION, Stage
from sr_core.errors import InputError

Codec = Literal["h264", "hevc"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16", "fp16"]
SegmentCodec = Literal["delivery", "mezzanine"]
Tier = Literal["local", "standard", "premium", "memory"]


class Model(BaseModel):
    """Base of every model here: immutable, strict about names, with a digest of its canonical JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8, one trailing newline."""
        return (
            json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        ).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Reads what `to_json` wrote. Raises pydantic.ValidationError (a ValueError) when it is not that."""
        return cls.model_validate_json(data)

    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()


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
    """Subtracted from every time of the source: where the clock of a transport or program stream happened to start."""
    frame_count: int
    """Frames that are shown. From the packets when probed, exact once the source has been decoded."""
    variable_rate: bool
    duration_seconds: float
    field_order: Literal["progressive", "top-first", "bottom-first", "unknown"]
    color: ColorInfo
    streams: tuple[StreamInfo, ...]
    warnings: tuple[str, ...] = ()

    @property
    def upright_size_px(self) -> tuple[int, int]:
        """(width, height) after rotation."""
        size = (self.width_px, self.height_px)
        return size if self.rotation_degrees in (0, 180) else size[::-1]

    @property
    def upright_sar(self) -> Fraction:
        """Sample aspect ratio after rotation."""
        return self.sar if self.rotation_degrees in (0, 180) else 1 / self.sar


class ModelSpec(Model):
    """A network, as far as planning needs to know it."""

    name: str
    """Catalogue name, or the path or address that was given."""
    architecture: str
    scale: int = Field(ge=1, le=8)
    radius_px: int = Field(ge=0)
    """Receptive radius in input pixels: how far away an input pixel may lie and still change an output pixel."""
    macs_per_pixel: int = Field(gt=0)
    """Multiply-accumulates per input pixel; FLOPs are twice that."""
    parameter_count: int = Field(gt=0)
    sha256: str
    """Digest of the weights file."""
    stored_key: str | None = None
    """Where the job folder holds the weights file; None for a network that ships with the package."""


class Settings(Model):
    """What a user chooses. Every field has a default, so ``{}`` is valid settings."""

    model: str = "compact-x2"
    scale: int | None = None
    """Refused unless it is the network's own; None takes the network's."""
    codec: Codec = "h264"
    crf: int = Field(default=18, ge=0, le=51)
    """Constant rate factor of the delivery codec: 0 lossless (8 bit), 18 visually transparent, 51 worst."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "medium"
    )
    segment_codec: SegmentCodec = "delivery"
    """Whether upscale writes the delivery codec itself, or a lossless mezzanine for the encode stage."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    tile_px: int | None = Field(default=None, ge=32)
    """Side of a tile in input pixels, without its halo; None: whole frames where memory allows."""
    strict: bool = False
    """Refuse a damaged source instead of upscaling what decodes."""


class Request(Model):
    """What makes a job the job it is. Its digest is the job id."""

    contract_version: int = CONTRACT_VERSION
    input: str
    """Path or address of the source."""
    input_version: str
    """Checksum or version of the source: the same name with other content is another job."""
    output: str
    """Path or address of the result."""
    settings: Settings = Settings()
    model: ModelSpec | None = None
    """None where the submitter only knows the name; extract then looks it up in the catalogue."""

    @property
    def job_id(self) -> str:
        """First 16 hex digits of the digest."""
        return self.digest()[:16]


class Encoding(Model):
    """How frames become packets; fixed for the whole job, because it decides the bytes."""

    codec: str
    """Encoder name as libavcodec knows it, for example ``libx264``."""
    pixel_format: str
    options: tuple[tuple[str, str], ...]
    """The encoder's private options, in the order in which they are given."""
    threads: int = Field(ge=1)
    """Fixed, because x264 writes other bytes with another number of threads."""


class Execution(Model):
    """How the network is run; fixed for the whole job, because it can decide the last bit."""

    device: Device
    precision: Precision
    tile_px: int | None
    """Side of a tile in input pixels without halo; None: whole frames."""
    halo_px: int
    batch_frames: int = Field(ge=1)


class Segment(Model):
    """The unit of encoding and of a checkpoint: frames [start_frame, end_frame)."""

    index: int
    start_frame: int
    end_frame: int

    @property
    def frame_count(self) -> int:
        return self.end_frame - self.start_frame


class Chunk(Segment):
    """The unit that a job works on: whole segments, [start_segment, end_segment)."""

    start_segment: int
    end_segment: int


class Plan(Model):
    """Everything that is decided about a job, once, before its first frame is upscaled."""

    request_digest: str
    video: VideoInfo
    model: ModelSpec
    width_px: int
    height_px: int
    """Size of the output picture."""
    color: ColorInfo
    """What the output's samples mean; written on the output."""
    segments: tuple[Segment, ...]
    chunks: tuple[Chunk, ...]
    segment_codec: SegmentCodec
    delivery: Encoding
    mezzanine: Encoding
    execution: Execution
    tier: Tier
    warnings: tuple[str, ...] = ()

    def chunk(self, index: int) -> Chunk:
        """The chunk of that index. Raises InputError when there is none."""
        if not 0 <= index < len(self.chunks):
            raise InputError(f"there is no chunk {index}; the job has chunks 0 to {len(self.chunks) - 1}")
        return self.chunks[index]

    def chunk_segments(self, chunk: Chunk) -> tuple[Segment, ...]:
        """The segments of `chunk`, in order."""
        return self.segments[chunk.start_segment : chunk.end_segment]


class Timing(Model):
    """Seconds of wall time spent while a unit of work was done. They overlap, so they need not add up to `total`."""

    total_seconds: float
    decode_seconds: float = 0.0
    model_seconds: float = 0.0
    encode_seconds: float = 0.0
    network_frames: float = 0.0
    """How much went through the network, in whole frames: fewer than there were where little changed."""


class Receipt(Model):
    """Says that a unit of work is done. Written once, after the data it speaks of."""

    stage: Stage
    index: int
    """Index of the chunk (extract) or of the segment (upscale, encode)."""
    key: str
    """Where the data lies; the key contains the start of `sha256`."""
    size_bytes: int
    sha256: str
    frame_count: int
    plan_digest: str
    fingerprint: tuple[tuple[str, str], ...]
    """What else could change a bit: software builds, device, precision. Equal fingerprints promise equal bytes."""
    machine: str
    timing: Timing
    carrier: Literal["copy", "lossless"] | None = None
    """For a chunk: whether it holds the source's own packets, or its frames coded without loss."""
    notes: tuple[str, ...] = ()


class Report(Model):
    """What a finished job says about itself."""

    output: str
    size_bytes: int
    sha256: str
    """Of the published file."""
    frame_count: int
    width_px: int
    height_px: int
    segment_count: int
    upscale_seconds: float
    """Sum over the segments; more than the wall time when chunks ran side by side."""
    model_seconds: float
    """Part of `upscale_seconds` in which the network was busy."""
    assemble_seconds: float
    warnings: tuple[str, ...]
