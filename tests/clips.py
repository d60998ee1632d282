"""Small videos made in code: a pattern that moves, and a tone.

Each is made from its description alone, so that a failing test can say which clip it was about. Nothing here knows what
the clips are for.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

SIZE = (64, 48)
"""(width, height) in pixels: large enough for every codec, small enough that a run takes a second."""
_TONE_HZ = 440
_AUDIO_RATE_HZ = 16000
_AUDIO_BLOCK_SAMPLES = 1024
_SAMPLES: dict[str, Callable[[NDArray[np.float64]], NDArray[Any]]] = {
    "u8": lambda wave: ((wave + 1) * 127).astype(np.uint8),
    "s16": lambda wave: (wave * 32767).astype(np.int16),
    "flt": lambda wave: wave.astype(np.float32),
}
"""From -1 … 1 to what encoders want, by the name of the sample format."""


def make_clip(
    path: Path,
    *,
    frames: int = 36,
    size: tuple[int, int] = SIZE,
    rate: Fraction | int = 6,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 2,
    open_gop: bool = False,
    times: Sequence[int] | None = None,
    audio: str | None = "aac",
    seed: int = 0,
) -> Path:
    """Writes a clip, in the container that the suffix of `path` names, and returns the path.

    Args:
        frames: how many.
        size: (width, height) in pixels.
        rate: frames per second. At 6, the pipeline's segments have 24 frames: the fewest there are.
        codec, pixel_format: an encoder and a planar YUV format that it takes, 8 or 10 bits.
        gop: frames from one keyframe to the next.
        b_frames: frames between two others that are coded from both.
        open_gop: whether frames that are shown before a keyframe may need the group before it (H.264 and HEVC).
        times: presentation times in units of a frame's duration ÷ 10, for a variable rate; one for each frame.
        audio: an audio encoder, or None for a silent clip.
        seed: another one gives another picture.
    """
    rate = Fraction(rate)
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        video = cast(VideoStream, container.add_stream(codec, rate=rate))
        context = video.codec_context
        context.width, context.height = size
        context.pix_fmt = pixel_format
        context.gop_size = gop
        context.max_b_frames = b_frames
        context.thread_count = 1
        context.time_base = 1 / rate if times is None else 1 / rate / 10
        context.options = _options(codec, open_gop=open_gop)
        sound = None if audio is None else cast(AudioStream, container.add_stream(audio, rate=_AUDIO_RATE_HZ))
        if sound is not None:
            sound.layout = "mono"
        for index in range(frames):
            frame = _picture(index, size, pixel_format, seed)
            frame.pts = index if times is None else times[index]
            frame.time_base = context.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for block in _tone(float(frames / rate), str(sound.format.name)):
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path


def make_sound(path: Path, *, seconds: float = 2.0, codec: str = "aac") -> Path:
    """Writes a file that holds a tone and no picture, and returns the path."""
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        sound = cast(AudioStream, container.add_stream(codec, rate=_AUDIO_RATE_HZ))
        sound.layout = "mono"
        for block in _tone(seconds, str(sound.format.name)):
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def _options(codec: str, *, open_gop: bool) -> dict[str, str]:
    flag = str(int(open_gop))
    match codec:
        case "libx264":
            # Without mbtree, whose AVX-512 code reads memory that nobody wrote: bytes would differ from run to run.
            return {"preset": "veryfast", "x264-params": f"open-gop={flag}:scenecut=0:mbtree=0"}
        case "libx265":
            return {"preset": "ultrafast", "x265-params": f"open-gop={flag}:scenecut=0:pools=1:log-level=error"}
    return {}


def _picture(index: int, size: tuple[int, int], pixel_format: str, seed: int) -> av.VideoFrame:
    """Gradients, a box that moves across them, and some noise that stays where it is."""
    frame = av.VideoFrame(*size, pixel_format)
    is_deep = "10" in pixel_format
    top = 1023 if is_deep else 255
    noise = np.random.default_rng(seed)
    for number, plane in enumerate(frame.planes):
        width, height = plane.width, plane.height
        rows, columns = np.mgrid[0:height, 0:width]
        values: NDArray[Any] = 0.25 + 0.3 * columns / width + 0.2 * rows / height + 0.05 * number
        left = (index * 2 + 5 * seed) % max(1, width - width // 4)
        values[height // 4 : height // 2, left : left + width // 4] = 0.8 if number == 0 else 0.35
        values += noise.normal(0, 0.02, values.shape)
        samples = (values.clip(0.07, 0.92) * top).astype(np.uint16 if is_deep else np.uint8)
        buffer = np.frombuffer(cast(Any, plane), dtype=samples.dtype).reshape(-1, plane.line_size // samples.itemsize)
        buffer[:height, :width] = samples
    return frame


def _tone(seconds: float, sample_format: str) -> list[av.AudioFrame]:
    """Blocks of a sine in the sample format that the encoder wants, as long as the video."""
    blocks = []
    for start in range(0, round(seconds * _AUDIO_RATE_HZ), _AUDIO_BLOCK_SAMPLES):
        times = np.arange(start, start + _AUDIO_BLOCK_SAMPLES) / _AUDIO_RATE_HZ
        wave = 0.3 * np.sin(2 * np.pi * _TONE_HZ * times)
        samples = _SAMPLES[sample_format.rstrip("p")](wave)
        block = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format=sample_format, layout="mono")
        block.sample_rate = _AUDIO_RATE_HZ
        block.pts = start
        block.time_base = Fraction(1, _AUDIO_RATE_HZ)
        blocks.append(block)
    return blocks
