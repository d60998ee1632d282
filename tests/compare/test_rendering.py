"""What a player would show: chroma where it lies, upright, in square samples."""

from fractions import Fraction

import av
import numpy as np
import pytest

from sr_core.video.formats import HANDLED
from sr_core.video.frames import Planes, to_av
from sr_core.video.rendering import Renderer, displayed_size_px
from tests import builders

SIZE = (64, 32)


def ramp(siting: str) -> av.VideoFrame:
    """Luma and chroma that grow by two codes with each luma sample from left to right."""
    width, height = SIZE
    lies_at = 2 * np.arange(width // 2) + (0.5 if siting == "center" else 0)
    chroma = (60 + 2 * lies_at).round().astype(np.uint8) * np.ones((height // 2, 1), np.uint8)
    luma = (60 + 2 * np.arange(width)).astype(np.uint8) * np.ones((height, 1), np.uint8)
    return to_av(Planes(HANDLED["yuv420p"], (luma, chroma, chroma)))


@pytest.mark.parametrize("siting", ["left", "center"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_enlarged_chroma_stays_with_its_luma(siting: str, scale: int) -> None:
    info = builders.video(width_px=64, height_px=32, color=builders.color(siting=siting))

    shown = Renderer(info, (64 * scale, 32 * scale)).render(ramp(siting))

    assert shown.format.name == "yuv444p"
    wanted = 60 + 2 * ((np.arange(64 * scale) + 0.5) / scale - 0.5)
    for plane in shown.planes:
        inside = np.abs(plane.astype(float) - wanted)[:, 4 * scale : -4 * scale]
        assert inside.max() <= 1


def test_a_frame_that_is_not_enlarged_keeps_every_luma_sample() -> None:
    info = builders.video(width_px=64, height_px=32)
    noise = np.random.default_rng(0).integers(0, 256, (32, 64)).astype(np.uint8)
    grey = np.full((16, 32), 128, np.uint8)

    shown = Renderer(info, SIZE).render(to_av(Planes(HANDLED["yuv420p"], (noise, grey, grey))))

    assert (shown.planes[0] == noise).all()


@pytest.mark.parametrize(
    ("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))], ids=lambda value: str(value)
)
def test_a_turn_is_clockwise(degrees: int, corner: tuple[int, int]) -> None:
    # Given a picture whose upper left corner, as it is stored, is bright
    info = builders.video(width_px=64, height_px=32, rotation_degrees=degrees)
    luma = np.full((32, 64), 30, np.uint8)
    luma[:8, :8] = 220
    grey = np.full((16, 32), 128, np.uint8)
    size = displayed_size_px(info)

    shown = Renderer(info, size).render(to_av(Planes(HANDLED["yuv420p"], (luma, grey, grey))))

    assert (shown.width_px, shown.height_px) == size
    assert shown.planes[0][corner] > 200


@pytest.mark.parametrize(
    ("sar", "degrees", "size"),
    [
        (Fraction(1), 0, (64, 32)),
        (Fraction(3, 2), 0, (96, 32)),
        (Fraction(1, 2), 0, (64, 64)),
        (Fraction(3, 2), 90, (32, 96)),
    ],
)
def test_sides_are_stretched_and_never_shortened(sar: Fraction, degrees: int, size: tuple[int, int]) -> None:
    assert displayed_size_px(builders.video(width_px=64, height_px=32, sar=sar, rotation_degrees=degrees)) == size
