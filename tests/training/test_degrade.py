"""The bicubic resize is MATLAB's: its weights computed by hand, and the properties that follow from them."""

from fractions import Fraction

import pytest
import torch

from training.degrade import cubic, quantise, resize, resize_matrix

HALF = Fraction(1, 2)

KERNEL = {0.25: 0.8671875, 0.75: 0.2265625, 1.25: -0.0703125, 1.75: -0.0234375}
"""Keys' kernel by hand, at the distances that matter for a factor of two."""


def test_the_kernel_is_one_at_the_centre_zero_at_whole_distances_and_negative_beyond_one() -> None:
    distances = torch.tensor([0, 1, -1, 2, 3, *KERNEL, -0.25], dtype=torch.float64)
    expected = torch.tensor([1, 0, 0, 0, 0, *KERNEL.values(), KERNEL[0.25]], dtype=torch.float64)
    torch.testing.assert_close(cubic(distances), expected, rtol=0, atol=1e-15)


def test_halving_averages_eight_pixels_with_the_stretched_kernel() -> None:
    # Output pixel 4 lies between input pixels 8 and 9, hence 1/4, 3/4, 5/4 and 7/4 stretched units from its taps on
    # either side. The kernel's eight values sum to two, so each is halved.
    side = [weight / 2 for weight in KERNEL.values()]
    expected = torch.zeros(20, dtype=torch.float64)
    expected[5:13] = torch.tensor([*side[::-1], *side])
    torch.testing.assert_close(resize_matrix(20, scale=HALF)[4], expected, rtol=0, atol=1e-15)


def test_an_image_is_continued_by_its_mirror_with_the_edge_pixel_repeated() -> None:
    # The taps of output pixel 0 are -3 … 4; -1, -2 and -3 fold onto 0, 1 and 2.
    a, b, c, d = (weight / 2 for weight in KERNEL.values())
    expected = torch.zeros(20, dtype=torch.float64)
    expected[:5] = torch.tensor([a + b, a + c, b + d, c, d])
    torch.testing.assert_close(resize_matrix(20, scale=HALF)[0], expected, rtol=0, atol=1e-15)


def test_doubling_interpolates_between_four_pixels() -> None:
    a, b, c, d = KERNEL.values()
    expected = torch.zeros(9, dtype=torch.float64)
    expected[3:7] = torch.tensor([d, b, a, c])
    torch.testing.assert_close(resize_matrix(9, scale=Fraction(2))[10], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", [HALF, Fraction(1, 3), Fraction(2), Fraction(3, 4)])
def test_a_constant_image_stays_constant(scale: Fraction) -> None:
    image = torch.full((3, 17, 12), 0.7, dtype=torch.float64)
    resized = resize(image, scale=scale)
    torch.testing.assert_close(resized, torch.full_like(resized, 0.7), rtol=0, atol=1e-14)


def test_a_length_that_does_not_divide_is_rounded_up() -> None:
    assert resize(torch.zeros(1, 7, 5), scale=HALF).shape == (1, 4, 3)


@pytest.mark.parametrize("dimension", [1, 2])
def test_resizing_commutes_with_flipping(dimension: int) -> None:
    image = torch.rand(3, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        resize(image.flip(dimension), scale=HALF), resize(image, scale=HALF).flip(dimension), rtol=0, atol=1e-14
    )


def test_a_stripe_too_fine_for_the_small_grid_becomes_grey() -> None:
    stripes = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(16).expand(1, 4, 32)
    small = resize(stripes, scale=HALF)
    torch.testing.assert_close(small[..., 4:-4], torch.full_like(small[..., 4:-4], 0.5), rtol=0, atol=1e-14)


def test_whole_numbers_are_refused_rather_than_rounded_in_silence() -> None:
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        resize(torch.zeros(3, 8, 8, dtype=torch.uint8), scale=HALF)


def test_eight_bit_rounding_clips() -> None:
    assert quantise(torch.tensor([-0.2, 0.0, 100.4 / 255, 100.6 / 255, 1.3])).tolist() == [0, 0, 100, 101, 255]
