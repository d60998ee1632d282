"""Figures of `sr compare`: right for pictures of which the answer is known, whatever the files' form."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sr_core.errors import InputError
from sr_core.likeness import Likeness, Measured
from sr_core.video.comparing import Pictures, compare_videos
from sr_core.video.pairing import Video
from sr_core.video.probe import probe
from sr_core.video.vmaf import has_vmaf, vmaf
from tests.compare.videos import Picture, blown_up, flat, texture, write


def compared(*paths: Path) -> Measured:
    return looked_at(*(Video(path, probe(path)) for path in paths))[0]


def looked_at(*videos: Video) -> tuple[Measured, list[Pictures]]:
    """With one pair of pictures."""
    told = compare_videos(*videos, count=1)
    pictures: list[Pictures] = []
    while True:
        try:
            item = next(told)
        except StopIteration as end:
            return end.value, pictures
        if isinstance(item, Pictures):
            pictures.append(item)


def is_equal(likeness: Likeness | None) -> bool:
    return likeness is not None and likeness.psnr_db is None and likeness.ssim == pytest.approx(1)


def brightened(picture: Picture, *, number: int, codes: int) -> Picture:
    """Luma of one frame is higher."""

    def changed(asked: int) -> Sequence[NDArray[Any]]:
        luma, *chroma = picture(asked)
        return (luma.clip(0, 255 - codes) + codes * (asked == number)).astype(np.uint8), *chroma

    return changed


def test_what_scales_back_to_the_source_is_equal_to_it(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", texture())
    output = write(tmp_path / "output.mp4", blown_up(texture()))

    measured = compared(source, output)

    assert is_equal(measured.round_trip)
    assert (measured.frame_count, measured.shift_seconds, measured.worst_time_error_seconds) == (12, 0, 0)
    assert measured.output_to_reference is None


def test_one_frame_that_differs_is_found_with_its_time_and_by_the_definition_of_psnr(tmp_path: Path) -> None:
    # Given an output of which one of twelve frames is four codes too bright
    source = write(tmp_path / "source.mkv", texture())
    output = write(tmp_path / "output.mkv", blown_up(brightened(texture(), number=7, codes=4)))

    likeness = compared(source, output).round_trip

    # Then that frame is the worst, and what is said of all is of the mean squared error
    assert likeness.worst_psnr_db == pytest.approx(10 * math.log10(255**2 / 16), abs=1e-3)
    assert likeness.psnr_db == pytest.approx(10 * math.log10(255**2 / (16 / 12)), abs=1e-3)
    assert (likeness.worst_psnr_seconds, likeness.worst_ssim_seconds) == (0.7, 0.7)
    assert likeness.worst_ssim < likeness.ssim < 1


def test_a_turned_source_is_compared_with_its_upright_output(tmp_path: Path) -> None:
    # Given a source that is stored lying and to be turned, and an output that has it upright
    lying = write(tmp_path / "lying.mkv", texture())
    upright = write(
        tmp_path / "upright.mkv", lambda number: [np.rot90(plane, -1) for plane in blown_up(texture())(number)]
    )
    info = probe(lying).model_copy(update={"rotation_degrees": 90})

    # When they are compared
    measured, [pictures] = looked_at(Video(lying, info), Video(upright, probe(upright)))

    # Then they are equal and both are shown upright
    assert is_equal(measured.round_trip)
    assert pictures.source.planes[0].shape == pictures.output.planes[0].shape == (96, 64)
    assert np.corrcoef(pictures.source.planes[0].ravel(), pictures.output.planes[0].ravel())[0, 1] > 0.7


@pytest.mark.parametrize(
    ("pixel_format", "top"),
    [("gray", 255), ("gray10le", 1023), ("yuv420p10le", 1023), ("yuv444p12le", 4095), ("gbrp10le", 1023)],
)
def test_every_kind_of_samples_is_compared(pixel_format: str, top: int, tmp_path: Path) -> None:
    count = 1 if pixel_format.startswith("gray") else 3

    def picture(number: int) -> Sequence[NDArray[Any]]:
        noise = np.random.default_rng(number)
        planes = [noise.integers(top // 10, top, (32, 48)) for _ in range(count)]
        if "420" in pixel_format:
            planes[1:] = [plane[::2, ::2] for plane in planes[1:]]
        return [plane.astype(np.uint8 if top == 255 else np.uint16) for plane in planes]

    matrix = 0 if pixel_format == "gbrp10le" else 1
    source = write(tmp_path / "source.mkv", picture, pixel_format=pixel_format, matrix=matrix, times=range(3))
    output = write(tmp_path / "output.mkv", blown_up(picture), pixel_format=pixel_format, matrix=matrix, times=range(3))

    likeness = compared(source, output).round_trip

    assert likeness.psnr_db is None or likeness.psnr_db > 50  # RGB becomes luma before it is scaled


def test_a_grey_source_is_compared_with_an_output_that_has_chroma(tmp_path: Path) -> None:
    # Given a source without chroma, and an output of the same luma with neutral chroma
    def colourless(number: int) -> Sequence[NDArray[Any]]:
        luma, *chroma = texture()(number)
        return luma, *(np.full_like(plane, 128) for plane in chroma)

    source = write(tmp_path / "source.mkv", lambda number: colourless(number)[:1], pixel_format="gray")
    output = write(tmp_path / "output.mkv", blown_up(colourless))

    assert is_equal(compared(source, output).round_trip)


@pytest.mark.parametrize(
    ("codes", "color_range", "pixel_format"),
    [((128, 128, 128), 2, "yuv420p"), ((16 + 110, 128, 128), 1, "yuv420p"), ((4 * 126, 512, 512), 1, "yuv420p10le")],
    ids=["full range", "limited range", "ten bits"],
)
def test_other_ranges_and_depths_of_the_same_grey_are_equal_to_a_code(
    codes: tuple[int, int, int], color_range: int, pixel_format: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "source.mkv", flat(126, 128, 128), times=range(2))
    grey = blown_up(flat(*codes, dtype=np.uint8 if pixel_format == "yuv420p" else np.uint16))
    output = write(tmp_path / "output.mkv", grey, color_range=color_range, pixel_format=pixel_format, times=range(2))

    likeness = compared(source, output).round_trip

    assert likeness.psnr_db is None or likeness.psnr_db > 48  # a squared error of one


def test_beside_the_reference_the_output_and_the_plain_enlargement_are_told_apart(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", texture(), times=range(3))
    output = write(tmp_path / "output.mkv", blown_up(texture()), times=range(3))
    reference = write(tmp_path / "reference.mkv", blown_up(texture()), times=range(3))

    measured = compared(source, output, reference)

    assert is_equal(measured.output_to_reference)
    assert measured.enlargement_to_reference is not None
    assert measured.enlargement_to_reference.psnr_db is not None
    assert measured.enlargement_to_reference.psnr_db < 30


@pytest.mark.skipif(not has_vmaf(), reason="the ffmpeg command at hand has no libvmaf")
def test_vmaf_is_high_for_the_original_and_low_for_noise(tmp_path: Path) -> None:
    original = write(tmp_path / "original.mkv", blown_up(texture(), 8), times=range(3))
    copy = write(tmp_path / "copy.mkv", blown_up(texture(), 8), times=range(3))
    other = write(tmp_path / "other.mkv", blown_up(texture(seed=1), 4), times=range(3))
    videos = [Video(path, probe(path)) for path in (original, copy, other)]

    counts: list[int] = []

    same, noise = (vmaf(each, videos[0], 3, scratch=tmp_path, on_frame=counts.append) for each in videos[1:])

    assert counts[-1] == 3
    assert min(same.vmaf, same.vmaf_neg) > 90
    assert max(noise.vmaf, noise.vmaf_neg) < 50


@pytest.mark.skipif(not has_vmaf(), reason="the ffmpeg command at hand has no libvmaf")
def test_vmaf_is_not_told_of_other_frames_than_were_compared(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", blown_up(texture(), 8), times=range(2))
    copy = write(tmp_path / "copy.mkv", blown_up(texture(), 8), times=range(2))

    with pytest.raises(InputError, match=r"reads 2 frames of clip.mkv and not 3"):
        vmaf(Video(path, probe(path)), Video(copy, probe(copy)), 3, scratch=tmp_path)


def test_pictures_are_shown_in_square_samples(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", texture(), sar=Fraction(3, 2), times=range(2))
    output = write(tmp_path / "output.mp4", blown_up(texture()), sar=Fraction(3, 2), times=range(2))

    _, [pictures] = looked_at(*(Video(path, probe(path)) for path in (source, output)))

    assert {(each.width_px, each.height_px) for each in (pictures.source, pictures.output)} == {(144, 64)}
