"""VMAF, by the libvmaf of the ffmpeg command that is at hand, if it has it.

libvmaf keeps some 300 bytes for each frame; its log is read line by line.
"""

import csv
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from sr_core.cores import core_count
from sr_core.errors import InputError
from sr_core.likeness import Vmaf
from sr_core.types import VideoInfo
from sr_core.video.allowed import CONTAINERS, DECODERS
from sr_core.video.comparing import bounds_of
from sr_core.video.isolation import isolated
from sr_core.video.pairing import Video
from sr_core.video.reader import Tell
from sr_core.video.rendering import ENLARGED_BY
from sr_core.video.source import expect, result_of
from sr_core.video.write import raise_if_stderr_says_full

MODELS = "version=vmaf_v0.6.1:name=vmaf|version=vmaf_v0.6.1neg:name=neg"
"""NEG caps what sharpening can gain, see `Vmaf`."""
_LOG, _ERRORS = "vmaf.csv", "vmaf-errors.txt"


@cache
def has_vmaf() -> bool:
    """Whether there is an ffmpeg command that can measure it."""
    try:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-h", "filter=libvmaf"]
    except RuntimeError:  # there is none
        return False
    told = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 — built above
    return b"Filter libvmaf" in told.stdout


def vmaf(
    distorted: Video,
    reference: Video,
    frame_count: int,
    *,
    scratch: Path,
    on_frame: Callable[[int], None] = lambda _: None,
) -> Vmaf:
    """Of a video beside its original, in a reader; `distorted` is enlarged to the size of `reference` if need be.

    Both have that many frames, paired in order. `scratch` takes the log: about 400 bytes a frame. `on_frame` is told
    now and then how many frames there were so far.

    Raises InputError when ffmpeg cannot read one of them, HostCapacity when the disk is full.
    """
    bounds = bounds_of([distorted, reference], writable=[scratch])
    parts = distorted.path.absolute(), distorted.info, reference.path.absolute(), reference.info
    subject = f"{distorted.path} or {reference.path}"
    job = isolated(_vmaf, *parts, frame_count, scratch, subject=subject, bounds=bounds)

    def tell(count: object) -> None:
        on_frame(expect(int, count, distorted.path))

    return expect(Vmaf, result_of(job, tell), distorted.path)


def _vmaf(
    tell: Tell, path: Path, info: VideoInfo, reference: Path, original: VideoInfo, frame_count: int, scratch: Path
) -> Vmaf:
    command = (
        ffmpeg.filter(
            [_way(path, info, original), _way(reference, original, original)],
            "libvmaf",
            model=MODELS,
            log_fmt="csv",
            log_path=_LOG,
            n_threads=core_count(),
        )
        .output("-", format="null")
        .global_args("-nostdin", "-loglevel", "error", "-nostats", "-progress", "pipe:1")
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )
    log, errors = scratch / _LOG, scratch / _ERRORS
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, cwd=scratch) as process,  # noqa: S603 — built above
    ):
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            name, _, value = line.partition(b"=")
            if name == b"frame":
                tell(int(value))
    if process.returncode:
        told = errors.read_bytes()
        raise_if_stderr_says_full(log, told)
        words = told.decode(errors="replace").strip().partition("\n")[0]
        raise InputError(
            f"VMAF of {path.name} cannot be measured ({words}); leave --reference out, or convert it first"
        )
    count, sums = 0, [0.0, 0.0]
    with log.open(newline="") as file:
        for count, row in enumerate(csv.DictReader(file), start=1):  # noqa: B007 — the last is the number of frames
            sums = [total + float(row[name]) for total, name in zip(sums, ("vmaf", "neg"), strict=True)]
    if count != frame_count:
        raise InputError(
            f"the ffmpeg command reads {count} frames of {path.name} and not {frame_count}; it is damaged: "
            "try a copy made by another tool, or leave --reference out"
        )
    return Vmaf(vmaf=sums[0] / count, vmaf_neg=sums[1] / count)


def _way(path: Path, info: VideoInfo, original: VideoInfo) -> ffmpeg.nodes.FilterableStream:
    """A file's frames, numbered, of the original's size, depth and range; the command turns them upright itself."""
    stream = ffmpeg.input(
        f"file:{path}",
        protocol_whitelist="file",
        format_whitelist=CONTAINERS,
        codec_whitelist=",".join(sorted(DECODERS)),
    )[str(info.stream_index)]
    if info.is_interlaced:
        stream = stream.filter("bwdif", mode="send_frame", deint="interlaced")
    stream = stream.filter(
        "scale",
        *original.upright_size_px,
        flags=ENLARGED_BY,
        in_range=info.color.range,
        out_range=original.color.range,
    )
    stream = stream.filter("format", "yuv420p" if original.bit_depth == 8 else "yuv420p10le")
    return stream.filter("settb", "1/25").filter("setpts", "N")
