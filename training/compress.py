"""What users' files look like: photographs made into short clips, blurred, reduced, made noisy, and really encoded.

Owns the chances that decide a degradation, the motion, and the round trip through x264 or x265. Each clip follows from
the seed, the photograph and the variant alone. It knows nothing of networks or of batches.
"""

from fractions import Fraction
from typing import Literal

import av
import numpy as np
import torch
from av.video.codeccontext import VideoCodecContext
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.types import ColorInfo
from training.degrade import blurred, quantise, resize

ENCODERS = {"h264": "libx264", "hevc": "libx265"}
PRESETS = ("veryfast", "faster", "fast", "medium")
FRAME_RATE = 25
LEAST_HEVC_PX = 64
"""Side of a picture for x265: at 48×32 it writes beyond its memory (seen with x265 4.2; 64×48 is well)."""


class VideoDegradation(BaseModel):
    """The chances and limits of one kind of video. Chances are probabilities, lengths are in reduced pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variants: int = Field(gt=0)
    """Clips made of each photograph."""
    frames: int = Field(gt=0)
    """Frames of a clip; one of them, any, becomes the sample."""
    margin_px: int = Field(ge=0)
    """In high-resolution pixels: how far the window may wander over the photograph, and how much smaller it is."""
    still: float = Field(ge=0, le=1)
    """Chance that nothing moves."""
    kernels: tuple[str, ...] = Field(min_length=1)
    """Of the reduction; each as likely."""
    blur: float = Field(ge=0, le=1)
    blur_sigma_px: float = Field(ge=0)
    """The most; Gaussian."""
    noise: float = Field(ge=0, le=1)
    noise_codes: float = Field(ge=0)
    """The most, as a standard deviation in 8-bit codes; half of the clips get it on luma only."""
    compressed: float = Field(ge=0, le=1)
    """Chance of a round trip through an encoder; the others are only converted to 4:2:0 and back."""
    hevc: float = Field(ge=0, le=1)
    """Chance that the encoder is x265 rather than x264."""
    crf: tuple[int, int]
    """Least and most, each value as likely."""


class Sample(BaseModel):
    """One frame of a degraded clip and where it lies in its photograph."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    low: Tensor
    """(3, H, W) uint8."""
    top_px: int
    """In high-resolution pixels, as `left_px`."""
    left_px: int


def degrade(photograph: Tensor, kind: VideoDegradation, *, scale: int, seed: int, index: int, variant: int) -> Sample:
    """Makes a clip of a (3, H, W) uint8 photograph, degrades it, and returns one frame.

    Raises ValueError when the window's sides are no multiples of `scale` or of two reduced pixels.
    """
    random = np.random.default_rng((seed, index, variant))
    height, width = (length - kind.margin_px for length in photograph.shape[1:])
    if height <= 0 or width <= 0 or height % (2 * scale) or width % (2 * scale):
        raise ValueError(f"a window of {width}×{height} px does not become a 4:2:0 picture when reduced by {scale}")
    path = _path(kind, random)
    clip = torch.stack([photograph[:, top : top + height, left : left + width] for top, left in path]).float() / 255
    if random.random() < kind.blur:
        clip = blurred(clip, sigma_px=float(random.uniform(0, kind.blur_sigma_px)) * scale)
    low = resize(clip, scale=Fraction(1, scale), kernel=str(random.choice(kind.kernels)))
    if random.random() < kind.noise:
        channels = 1 if random.random() < 0.5 else 3
        codes = random.normal(0, random.uniform(0, kind.noise_codes), (len(path), channels, *low.shape[2:]))
        low = low + torch.from_numpy(codes).float() / 255
    color = ColorInfo(matrix="bt709" if random.random() < 0.5 else "bt601", range="limited", primaries=2, transfer=2)
    planes = rgb_to_planes(low, chroma="420", bit_depth=8, color=color)
    if random.random() < kind.compressed:
        codec: Literal["h264", "hevc"] = "hevc" if random.random() < kind.hevc else "h264"
        crf = int(random.integers(kind.crf[0], kind.crf[1] + 1))
        planes = round_trip(planes, codec=codec, crf=crf, preset=str(random.choice(PRESETS)))
    chosen = int(random.integers(len(path)))
    rgb = planes_to_rgb([plane[chosen : chosen + 1] for plane in planes], chroma="420", bit_depth=8, color=color)
    return Sample(low=quantise(rgb[0]), top_px=path[chosen][0], left_px=path[chosen][1])


def round_trip(
    planes: tuple[Tensor, ...], *, codec: Literal["h264", "hevc"], crf: int, preset: str
) -> tuple[Tensor, ...]:
    """Encodes and decodes a 4:2:0 clip of 8 bits, (N, height, width) uint8 a plane; returns the same form.

    Raises ValueError for HEVC with pictures of less than `LEAST_HEVC_PX` a side.
    """
    count, height, width = planes[0].shape
    if codec == "hevc" and min(height, width) < LEAST_HEVC_PX:
        raise ValueError(f"{width}×{height} is too small for x265: take {LEAST_HEVC_PX} px a side at least, or no HEVC")
    encoder, decoder = av.CodecContext.create(ENCODERS[codec], "w"), av.CodecContext.create(codec, "r")
    assert isinstance(encoder, VideoCodecContext)
    assert isinstance(decoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, FRAME_RATE)
    encoder.framerate = Fraction(FRAME_RATE)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": preset}
    if codec == "hevc":
        encoder.options |= {"x265-params": "log-level=none:pools=none:frame-threads=1"}
    decoder.thread_count = 1
    packets = []
    for index in range(count):
        samples = np.concatenate([plane[index].numpy().reshape(-1) for plane in planes])
        frame = av.VideoFrame.from_ndarray(samples.reshape(height * 3 // 2, width), format="yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    if len(frames) != count:
        raise ValueError(f"{ENCODERS[codec]} gave {len(frames)} frames of {count} back")
    flat = torch.from_numpy(np.stack([frame.to_ndarray() for frame in frames])).reshape(count, -1)
    sizes = [plane[0].numel() for plane in planes]
    return tuple(part.reshape(plane.shape) for part, plane in zip(torch.split(flat, sizes, dim=1), planes, strict=True))


def _path(kind: VideoDegradation, random: np.random.Generator) -> list[tuple[int, int]]:
    """(top, left) of the window in every frame: it stands still, or moves evenly by whole high-resolution pixels."""
    steps = kind.frames - 1
    fastest = kind.margin_px // steps if steps else 0
    down, right = (int(speed) for speed in random.integers(-fastest, fastest + 1, size=2))
    if random.random() < kind.still:
        down = right = 0
    tops, lefts = (_line(speed, steps, kind.margin_px, random) for speed in (down, right))
    return list(zip(tops, lefts, strict=True))


def _line(speed: int, steps: int, margin_px: int, random: np.random.Generator) -> list[int]:
    least, most = max(0, -speed * steps), min(margin_px, margin_px - speed * steps)
    start = int(random.integers(least, most + 1))
    return [start + speed * step for step in range(steps + 1)]
