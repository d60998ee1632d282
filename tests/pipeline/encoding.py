"""`python -m tests.pipeline.encoding h264 3`: encodes a segment three times, others between, and prints digests."""

import hashlib
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from sr_core.delivery import delivery_encoding
from sr_core.types import Settings
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes
from sr_core.video.write import SegmentWriter
from tests.builders import video

_FORMAT = HANDLED["yuv420p"]
_FRAMES = 30


def main(codec: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            if number:
                _encode(Path(folder) / "other.mkv", codec, width_px=96 + 32 * number, height_px=80, seed=number)
            path = Path(folder) / "segment.mkv"
            _encode(path, codec, width_px=176, height_px=144, seed=0)
            print(hashlib.sha256(path.read_bytes()).hexdigest())  # noqa: T201


def _encode(path: Path, codec: str, *, width_px: int, height_px: int, seed: int) -> None:
    """A picture of noise and gradients that drifts, at the preset that users get."""
    settings = Settings.model_validate({"codec": codec, "preset": "medium"})
    encoding = delivery_encoding(settings, video(), width_px=width_px, height_px=height_px)
    random = np.random.default_rng(seed)
    plates = [
        random.integers(40, 200, (height, width + _FRAMES), dtype=np.uint8)
        for width, height in _FORMAT.plane_sizes_px(width_px, height_px)
    ]
    for plate in plates:
        plate[: len(plate) // 2] = np.linspace(30, 220, plate.shape[1], dtype=np.uint8)
    with SegmentWriter(path, encoding, width_px=width_px, height_px=height_px, rate=Fraction(25), color=None) as writer:
        for shift in range(_FRAMES):
            planes = tuple(plate[:, shift : plate.shape[1] - _FRAMES + shift] for plate in plates)
            writer.write(Planes(_FORMAT, planes))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
