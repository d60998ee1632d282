"""Converting one audio or subtitle stream that a container cannot hold into one that it can, with the ffmpeg command.

Files meet files here: ffmpeg reads the source and writes a file with the single stream, its times unchanged.
"""

import subprocess
from pathlib import Path
from typing import Any

import av
import ffmpeg
import imageio_ffmpeg

from sr_core.errors import IntegrityError
from sr_core.video.allowed import CONTAINERS
from sr_core.video.open import open_source
from sr_core.video.write import raise_if_stderr_says_full

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


_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""What so many channels are taken to be where the source does not say and the encoder must know."""


class NotConverted(Exception):
    """Says why, to be put behind what the container cannot hold; or nothing, where there is nothing to convert to."""


def convert_stream(source: Path, index: int, kind: str, *, container: str, folder: Path) -> tuple[Path, str]:
    """Writes stream `index` of `source` into a new file in `folder`; the caller removes it.

    Returns the file and, where something had to be assumed, a note to be put behind what is said of it.

    Raises:
        NotConverted: there is nothing it could become (data, attachments, bitmap subtitles for a text-only container),
            or ffmpeg cannot convert it.
        HostCapacity: the disk is full.
        IntegrityError: ffmpeg takes longer than an hour.
    """
    codec = _CODECS.get((kind, container))
    if codec is None:
        raise NotConverted
    path = folder / f"stream-{index}.{container}"
    problem = _run(source, index, codec, path, container=container)
    if not problem:
        return path, ""
    layout = _layout(source, index) if kind == "audio" else None
    if layout is not None:
        channels = "|".join(f"c{number}=c{number}" for number in range(len(layout.channels)))
        if not _run(source, index, codec, path, container=container, filters=f"pan={layout.name}|{channels}"):
            return path, f"; its channels are taken to be {layout.name}"
    raise NotConverted(f", and ffmpeg cannot convert it to {codec} ({problem})")


def _layout(source: Path, index: int) -> av.AudioLayout | None:
    """What the channels are taken to be; None where there are too many."""
    with open_source(source) as container:
        context: Any = container.streams[index].codec_context
        name = _LAYOUTS.get(context.layout.nb_channels)
    return None if name is None else av.AudioLayout(name)


def _run(source: Path, index: int, codec: str, path: Path, *, container: str, filters: str | None = None) -> str:
    """Runs ffmpeg; returns its last words if it failed, and then leaves no file."""
    options = {} if filters is None else {"af": filters}
    command = (
        ffmpeg.input(f"file:{source}", protocol_whitelist="file", format_whitelist=CONTAINERS, copyts=None)
        .output(
            f"file:{path}",
            map=f"0:{index}",
            c=codec,
            f=container,
            avoid_negative_ts="disabled",
            fflags="+bitexact",
            **options,
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
    if not outcome.returncode:
        return ""
    path.unlink(missing_ok=True)
    raise_if_stderr_says_full(path, outcome.stderr)
    return outcome.stderr.decode(errors="replace").strip().partition("\n")[0] or "it does not say why"
