"""What crosses a boundary: between stages, between processes, between this package and its caller.

Every model is frozen and refuses unknown fields; its JSON form is what lies in a job folder. Sizes are in pixels,
frame ranges are half-open, rates and times rational. Nothing here reads a file or makes a decision.
"""

import hashlib
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from sr_core.contract import CONTRACT_VERSION, MODELS_PREFIX, Stage
from sr_core.cost import Cost, Market
from sr_core.errors import InputError
from sr_core.frozen import Model as Model
from sr_core.frozen import canonical_json
from sr_core.media import ColorInfo as ColorInfo
from sr_core.media import StreamInfo as StreamInfo
from sr_core.media import VideoInfo as VideoInfo

Codec = Literal["h264", "hevc", "av1", "prores", "ffv1"]
ProresProfile = Literal["proxy", "lt", "standard", "hq", "4444", "4444xq"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16", "fp16"]
Kernels = Literal["torch", "fused", "winograd"]
"""What computes: torch, or kernels of this package that do at once a layer's convolution, bias and activation. On a GPU
those are the fused ones, which do also all that lies between RGB and planes; on a CPU Winograd's."""
SegmentCodec = Literal["delivery", "mezzanine"]
CloudTier = Literal["cpu", "standard", "premium", "memory"]
"""`contract.CloudTier`, as a plan and a request spell it."""
Tier = Literal["local", CloudTier]


COMPACT = "compact"
"""The architecture that ships, and the only one that this package has kernels for."""


class ModelSpec(Model):
    """A network, as far as planning needs to know it."""

    name: str
    """Catalogue name, or the path or address that was given."""
    architecture: str
    scale: int = Field(ge=1, le=8)
    radius_px: int = Field(ge=0)
    """Receptive radius in input pixels: how far away an input pixel may lie and still change an output pixel."""
    radius_is_exact: bool = True
    """False where a network sees further than can be measured; `radius_px` is then a generous overlap."""
    multiple_px: int = Field(default=1, ge=1)
    """Sides of a picture are padded to multiples of it; tiles begin at its multiples."""
    macs_per_pixel: int = Field(gt=0)
    """Multiply-accumulates per input pixel; FLOPs are twice that."""
    parameter_count: int = Field(gt=0)
    sha256: str
    """Digest of the weights file."""
    precisions: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
    """Those in which the network gives what it does in fp32, but for rounding."""
    stored_key: str | None = Field(default=None, pattern=f"^{MODELS_PREFIX}[0-9a-f]{{64}}$")
    """Where the job folder holds the weights file; None for a network that ships with the package."""


class Settings(Model):
    """What a user chooses. Every field has a default, so ``{}`` is valid settings."""

    model: str | None = None
    """A network's name, the path of a checkpoint, or ``basicsr:OPTIONS.yml``; None for what ships for `scale`."""
    scale: int | None = None
    """Refused unless it is the network's own; None takes the network's."""
    codec: Codec = "h264"
    crf: int | None = Field(default=None, ge=0, le=63)
    """Constant rate factor: 0 best to 51 worst for H.264 and HEVC, to 63 for AV1. None: `delivery.DEFAULT_CRF`.

    ProRes has profiles instead, FFV1 is lossless: for them it must be None."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "medium"
    )
    """x264's names for speed against size; AV1's numbers are `delivery.AV1_PRESETS`. ProRes and FFV1 have none."""
    prores_profile: ProresProfile | None = None
    """None: 4444 for a source of full chroma, hq for others."""
    segment_codec: SegmentCodec = "delivery"
    """Whether upscale writes the delivery codec itself, or a lossless mezzanine for the encode stage."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    kernels: Literal["auto", "torch", "fused", "winograd"] = "auto"
    """fused: on a GPU, in half precision, for compact networks of up to 64 features. Not run on a GPU yet.
    winograd: on a CPU, in fp32, for compact networks. auto: winograd where nothing is faster, which is measured; else
    torch."""
    tier: Literal["auto", CloudTier] = "auto"
    """Kind of machine that upscales in the cloud; auto: what the workload is cheapest on. `sr run` takes no notice."""
    tile_px: int | None = Field(default=None, ge=32)
    """Side of a tile in input pixels, without its halo; None: whole frames where memory allows."""
    strict: bool = False
    """Refuse a damaged source instead of upscaling what decodes."""
    deinterlace: Literal["auto", "off"] = "auto"
    """Whether interlaced frames are deinterlaced before they are upscaled, or upscaled as they are, woven."""

    @model_validator(mode="after")
    def _quality_is_the_codecs(self) -> Self:
        if self.codec in ("prores", "ffv1") and self.crf is not None:
            raise ValueError(f"crf: {self.codec} has none")
        if self.codec in ("h264", "hevc") and self.crf is not None and self.crf > 51:
            raise ValueError(f"crf: {self.codec} has 0 to 51")
        if self.codec != "prores" and self.prores_profile is not None:
            raise ValueError(f"prores_profile: {self.codec} has none")
        return self


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
    overwrite: bool = False
    """Whether an output that is not this job's own is replaced. It does not make the job another one."""

    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON, without `overwrite` and without what is as by default.

        So the same request is the same job under a later release whose settings are more. A release that changes what a
        default means needs another `CONTRACT_VERSION`, which is always part of it.
        """
        said = self.model_dump(mode="json", exclude={"overwrite"}, exclude_defaults=True)
        return hashlib.sha256(canonical_json(said | {"contract_version": self.contract_version})).hexdigest()

    @field_validator("contract_version")
    @classmethod
    def _is_this_contract(cls, version: int) -> int:
        if version != CONTRACT_VERSION:
            raise ValueError(
                f"it was written under contract {version}, and this program knows {CONTRACT_VERSION}; "
                "start the job again under the version of today"
            )
        return version

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
    tag: str | None = None
    """The four letters by which a container names the codec, where they say more than the codec (ProRes' profile)."""


class Execution(Model):
    """How the network is run; fixed for the whole job, because it can decide the last bit."""

    device: Device
    precision: Precision
    tile_px: int | None
    """Side of a tile in input pixels without halo; None: whole frames."""
    halo_px: int
    halo_is_exact: bool = True
    """False where tiles with this halo differ from the whole frame: they are blended, and nothing is reused."""
    multiple_px: int = 1
    """Tiles begin at multiples of it, halo included; for Winograd's kernels, the side of what they compute at once."""
    batch_frames: int = Field(ge=1)
    kernels: Kernels = "torch"
    """Planned, because each rounds otherwise."""


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
    deinterlace: bool = False
    """Whether the frames of the record are deinterlaced ones; see `video.interlace`."""
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
    """Of the first chunk that an extract job makes, with fetching and looking at the source before it."""
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
    """The Batch job's id; elsewhere the host's name."""
    instance_type: str | None = None
    """Of the machine, and in which market it was bought; None outside AWS Batch and where EC2 did not tell."""
    market: Market | None = None
    timing: Timing
    carrier: Literal["copy", "lossless"] | None = None
    """For a chunk: whether it holds the source's own packets, or its frames coded without loss."""
    notes: tuple[str, ...] = ()


class Failure(Model):
    """What the state machine writes of a chunk that it gives up."""

    chunk: int
    error: str
    cause: str


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
    cost: Cost | None = None
    """What was used, and what that comes to; None in the reports of earlier versions."""
    warnings: tuple[str, ...]
