"""Stating a picture's sample aspect ratio in a Matroska or WebM file whose packets have no place for it.

PyAV cannot set it on a stream, and these containers state it on nothing else; the ffmpeg command writes the file anew,
its packets and times as they are (docs/decisions/0303).
"""

import subprocess
from fractions import Fraction
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from sr_core.errors import IntegrityError
from sr_core.video.write import raise_if_stderr_says_full

_TIMEOUT_SECONDS = 3600
ENCODERS_WITHOUT_ASPECT = ("libsvtav1", "ffv1", "prores_ks")
"""H.264 and HEVC state it in their packets."""


def state_aspect(path: Path, sar: Fraction, *, width_px: int, height_px: int, position: int, container: str) -> None:
    """Replaces the file by one that states `sar` for its video stream number `position`, counted among videos.

    Raises HostCapacity when the disk is full, IntegrityError when ffmpeg fails.
    """
    stated = path.with_name(f"stated-{path.name}")
    shape = sar * width_px / height_px
    command = (
        ffmpeg.input(f"file:{path}", protocol_whitelist="file", copyts=None)
        .output(
            f"file:{stated}",
            map="0",
            c="copy",
            f=container,
            avoid_negative_ts="disabled",
            fflags="+bitexact",
            map_metadata="0",
            **{f"aspect:v:{position}": f"{shape.numerator}:{shape.denominator}"},
        )
        .global_args("-nostdin", "-loglevel", "error")
        .overwrite_output()
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )
    try:
        outcome = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)  # noqa: S603 — built above
        if outcome.returncode:
            raise_if_stderr_says_full(path, outcome.stderr)
            words = outcome.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise IntegrityError(f"ffmpeg could not state the aspect ratio of the result: {words}")
        stated.replace(path)
    except subprocess.TimeoutExpired as error:
        raise IntegrityError("stating the aspect ratio of the result took over an hour") from error
    finally:
        stated.unlink(missing_ok=True)
