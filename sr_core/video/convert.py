"""Converting one audio or subtitle stream that a container cannot hold into one that it can, with the ffmpeg command.

Files meet files here: ffmpeg reads the source and writes a file with the single stream, its times unchanged.
"""

import os
import subprocess
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from sr_core.errors import HostCapacity, IntegrityError
from sr_core.video.allowed import CONTAINERS
from sr_core.video.write import DISK_IS_FULL

_CODECS = {
    ("audio", "mp4"): "aac",
    ("audio", "mov"): "aac",
    ("audio", "matroska"): "flac",
    ("audio", "webm"): "libopus",
    ("subtitle", "mp4"): "mov_text",
    ("subtitle", "mov"): "mov_text",
    ("subtitle", "matroska"): "srt",
    ("subtitle", "webm"): "webvtt",
}
_TIMEOUT_SECONDS = 3600


def convert_stream(source: Path, index: int, kind: str, *, container: str, folder: Path) -> Path | None:
    """Writes stream `index` of `source` into a new file in `folder`; the caller removes it.

    Returns None when there is nothing it could become: data, attachments, bitmap subtitles for a text-only container.

    Raises HostCapacity when the disk is full, IntegrityError when ffmpeg takes longer than an hour.
    """
    codec = _CODECS.get((kind, container))
    if codec is None:
        return None
    path = folder / f"stream-{index}.{container}"
    command = (
        ffmpeg.input(f"file:{source}", protocol_whitelist="file", format_whitelist=CONTAINERS, copyts=None)
        .output(
            f"file:{path}", map=f"0:{index}", c=codec, f=container, avoid_negative_ts="disabled", fflags="+bitexact"
        )
        .global_args("-nostdin", "-loglevel", "error")
        .overwrite_output()
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )
    try:
        outcome = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)  # noqa: S603 — built above
    except subprocess.TimeoutExpired as error:
        raise IntegrityError(
            f"converting stream {index} to {codec} took over an hour; the source may be damaged"
        ) from error
    if outcome.returncode:
        path.unlink(missing_ok=True)
        if any(os.strerror(number).encode() in outcome.stderr for number in DISK_IS_FULL):
            raise HostCapacity(f"no space left for {path.name} in {folder}; free some or set another work folder")
        return None
    return path
