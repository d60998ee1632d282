"""Whole and healthy files of every container and of the usual codecs, short enough to be read hundreds of times."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from tests.clips import make_clip
from tests.reference import VIDEO

FRAMES = 8
_MADE: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264-open.mov": {"open_gop": True, "gop": 4, "audio": "pcm_s16le"},
    "hevc10.mp4": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "h264.ts": {"audio": "mp2"},
    "h264.flv": {},
    "mpeg2.mpg": {"codec": "mpeg2video", "audio": "mp2", "rate": 25},
    "mpeg4.avi": {"codec": "mpeg4", "audio": "mp2"},
    "vp9.webm": {"codec": "libvpx-vp9", "audio": "libopus", "b_frames": 0},
    "ffv1.mkv": {"codec": "ffv1", "audio": "flac", "b_frames": 0},
    "variable.mkv": {"times": [0, 10, 25, 30, 60, 70, 75, 90]},
    "mjpeg.nut": {"codec": "mjpeg", "pixel_format": "yuvj420p", "audio": None, "b_frames": 0},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le", "audio": None, "b_frames": 0},
    "mpeg2.mxf": {"codec": "mpeg2video", "audio": None, "rate": 25, "b_frames": 0},
}


def made_samples(folder: Path) -> Iterator[Path]:
    """Clips made in code: nothing but the repository is needed."""
    for name, options in _MADE.items():
        yield make_clip(folder / name, frames=FRAMES, **options)
    yield make_gif(folder / "palette.gif")


def reference_samples(folder: Path) -> Iterator[Path]:
    """The first frames of every reference clip, with all of its streams, packets copied; nothing without the media."""
    for path in sorted(VIDEO.iterdir()) if VIDEO.is_dir() else ():
        yield _beginning(path, folder / path.name)


def make_gif(path: Path) -> Path:
    """Noise in a palette."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("gif", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for number in range(FRAMES):
            samples = np.random.default_rng(number).integers(0, 255, (48, 64), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb8")))
        container.mux(stream.encode(None))
    return path


def _beginning(source: Path, target: Path) -> Path:
    with av.open(str(source)) as original, av.open(str(target), "w") as out:
        streams: dict[int, Any] = {}
        for stream in original.streams:
            with suppress(ValueError):
                streams[stream.index] = out.add_stream_from_template(cast(Any, stream), opaque=True)
        video = original.streams.video[0].index
        count = 0
        for packet in original.demux():
            if packet.stream_index in streams and packet.size and count < FRAMES:
                count += packet.stream_index == video
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return target
