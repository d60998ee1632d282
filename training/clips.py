"""How well networks enlarge video that was made small and compressed: VMAF, VMAF-NEG, PSNR-Y, flicker.

Owns the clips' protocol: a few seconds of a real clip, reduced by ffmpeg's bicubic scaler, encoded by x264, decoded,
enlarged, and compared on luma with what it was before, by libvmaf. It does not know which networks are compared.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.types import ColorInfo
from sr_core.video.vmaf import MODELS

COLOR = ColorInfo(matrix="bt709", range="limited", primaries=2, transfer=2)
"""The same on the way to RGB and back, so that it hardly matters which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A part of a file."""

    file: str
    start_seconds: float
    frames: int


CLIPS = (
    Clip(file="bigbuckbunny.mp4", start_seconds=1.0, frames=24),
    Clip(file="bikes.mp4", start_seconds=2.0, frames=32),
    Clip(file="carphone_pristine.mp4", start_seconds=0.0, frames=32),
    Clip(file="flipping_a_pancake.mkv", start_seconds=3.0, frames=32),
    Clip(file="nasa_13013.mp4", start_seconds=5.0, frames=32),
    Clip(file="realshort.mp4", start_seconds=0.0, frames=32),
)
"""The named list: animation, film, a talking head, home video, television, a handheld camera."""

CRFS = (23, 28)

Frames = NDArray[np.uint8]
"""(N, height · 3 / 2, width): 4:2:0 frames, one plane below the other, as ffmpeg's raw video has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A clip as it was, and as it was sent."""

    name: str
    original: Frames
    small: Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScore:
    """How near an enlarged clip comes to the original, on luma; means over its frames."""

    vmaf: float
    vmaf_neg: float
    psnr_y_db: float
    flicker_codes: float
    """Root mean square of what the changes from frame to frame differ by from the original's, in 8-bit codes."""


def prepare(folder: Path, clip: Clip, *, scale: int, crf: int, scratch: Path) -> Source:
    """Cuts, crops to a multiple of two small pixels, reduces, encodes and decodes a clip.

    Raises FileNotFoundError when the file is not there.
    """
    path = folder / clip.file
    if not path.is_file():
        raise FileNotFoundError(f"no clip {path}: name the folder of reference media in SR_REFERENCE_MEDIA")
    side = 2 * scale
    source = ffmpeg.input(str(path), ss=clip.start_seconds)["v:0"]
    source = source.filter("crop", f"trunc(iw/{side})*{side}", f"trunc(ih/{side})*{side}", 0, 0)
    width, height = _cropped_size_px(path, side)
    original = _raw(source, width, height, clip.frames)
    small_path = scratch / f"{path.stem}-x{scale}-crf{crf}.mp4"
    flags = "bicubic+accurate_rnd+full_chroma_int"
    encoded = source.filter("scale", width // scale, height // scale, flags=flags).output(
        str(small_path), vcodec="libx264", crf=crf, preset="medium", pix_fmt="yuv420p", vframes=clip.frames, threads=1
    )
    encoded.overwrite_output().run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    small = _raw(ffmpeg.input(str(small_path))["v:0"], width // scale, height // scale, clip.frames)
    if len(small) != len(original):
        raise ValueError(f"{small_path} has {len(small)} frames, not {len(original)}")
    return Source(name=f"{path.stem} crf {crf}", original=original, small=small)


def enlarge_by_network(network: nn.Module, small: Frames, *, dtype: torch.dtype = torch.float32) -> Frames:
    """Enlarges every frame by a network, through RGB as the pipeline does."""
    network = network.to(dtype).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    results = []
    with torch.inference_mode():
        for frame in small:
            rgb = planes_to_rgb(_planes(frame), chroma="420", bit_depth=8, color=COLOR)
            enlarged = network(rgb.contiguous(memory_format=torch.channels_last)).float()
            planes = rgb_to_planes(enlarged, chroma="420", bit_depth=8, color=COLOR)
            results.append(_frame(planes))
    return np.stack(results)


def enlarge_by_filter(small: Frames, *, scale: int, flags: str) -> Frames:
    """Enlarges every frame by ffmpeg's scaler, plane by plane."""
    count, rows, width = small.shape
    height = rows * 2 // 3
    source = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="yuv420p", s=f"{width}x{height}")
    source = source.filter("scale", width * scale, height * scale, flags=f"{flags}+accurate_rnd+full_chroma_int")
    return _raw(source, width * scale, height * scale, count, given=small.tobytes())


def score(original: Frames, enlarged: Frames, *, scratch: Path) -> ClipScore:
    """Compares two clips of the same size. Raises ValueError when they differ in it."""
    if original.shape != enlarged.shape:
        raise ValueError(f"cannot compare {enlarged.shape} with {original.shape}")
    paths = (scratch / "enlarged.yuv", scratch / "original.yuv")
    for path, frames in zip(paths, (enlarged, original), strict=True):
        path.write_bytes(frames.tobytes())
    log = scratch / "vmaf.json"
    size = f"{original.shape[2]}x{original.shape[1] * 2 // 3}"
    first, second = (ffmpeg.input(str(path), format="rawvideo", pix_fmt="yuv420p", s=size) for path in paths)
    compared = ffmpeg.filter(
        [first, second], "libvmaf", model=MODELS, feature="name=psnr", log_fmt="json", log_path=str(log), n_threads=1
    )
    compared.output("-", format="null").run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    pooled = json.loads(log.read_text())["pooled_metrics"]
    return ClipScore(
        vmaf=pooled["vmaf"]["mean"],
        vmaf_neg=pooled["neg"]["mean"],
        psnr_y_db=pooled["psnr_y"]["mean"],
        flicker_codes=flicker(original, enlarged),
    )


def flicker(original: Frames, enlarged: Frames) -> float:
    """See `ClipScore.flicker_codes`; zero for a clip of one frame."""
    rows = original.shape[1] * 2 // 3
    if len(original) < 2:
        return 0.0
    error = enlarged[:, :rows].astype(np.float64) - original[:, :rows]
    return float(np.sqrt(np.square(np.diff(error, axis=0)).mean()))


def mean(scores: Mapping[str, ClipScore]) -> ClipScore:
    """The plain mean of at least one score."""
    count = len(scores)
    names = ClipScore.__dataclass_fields__
    return ClipScore(**{name: math.fsum(getattr(score, name) for score in scores.values()) / count for name in names})


def table(results: Mapping[str, Mapping[str, ClipScore]]) -> str:
    """A Markdown table of VMAF / NEG / PSNR-Y / flicker: a row for each clip and the mean, a column for each method."""
    lines = ["| clip | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    names = next(iter(results.values()))
    lines += [_row(name, [scores[name] for scores in results.values()]) for name in names]
    return "\n".join([*lines, _row("**mean**", [mean(scores) for scores in results.values()])])


def _row(name: str, scores: list[ClipScore]) -> str:
    cells = (f"{s.vmaf:.1f} / {s.vmaf_neg:.1f} / {s.psnr_y_db:.2f} / {s.flicker_codes:.2f}" for s in scores)
    return f"| {name} | " + " | ".join(cells) + " |"


def frame_rgb(frame: NDArray[np.uint8]) -> Tensor:
    """One frame as (3, H, W) uint8 RGB, to be looked at."""
    rgb = planes_to_rgb(_planes(frame), chroma="420", bit_depth=8, color=COLOR)
    return (rgb[0] * 255).round().clamp(0, 255).to(torch.uint8)


def _planes(frame: NDArray[np.uint8]) -> list[Tensor]:
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    flat = torch.tensor(frame).reshape(-1)
    luma, blue, red = torch.split(flat, [height * width, height * width // 4, height * width // 4])
    half = (1, height // 2, width // 2)
    return [luma.reshape(1, height, width), blue.reshape(half), red.reshape(half)]


def _frame(planes: tuple[Tensor, ...]) -> NDArray[np.uint8]:
    height, width = planes[0].shape[1:]
    flat: NDArray[np.uint8] = torch.cat([plane.reshape(-1) for plane in planes]).numpy()
    return flat.reshape(height * 3 // 2, width)


def _cropped_size_px(path: Path, side: int) -> tuple[int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width // side * side, stream.height // side * side


_Runner = Callable[..., tuple[bytes, bytes]]


def _raw(stream: ffmpeg.nodes.FilterableStream, width: int, height: int, count: int, *, given: bytes = b"") -> Frames:
    output = stream.output("pipe:", format="rawvideo", pix_fmt="yuv420p", vframes=count, fps_mode="passthrough")
    run: _Runner = output.run
    data, _ = run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), input=given or None, capture_stdout=True, capture_stderr=True)
    return np.frombuffer(data, np.uint8).reshape(-1, height * 3 // 2, width)
