"""What comparing videos frame for frame finds, in figures. Nothing here looks at a picture."""

from pydantic import Field

from sr_core.frozen import Model


class Likeness(Model):
    """How near the frames of one video come to those of another, on luma, over all frames."""

    psnr_db: float | None
    """Of the mean squared error of all frames; null where every frame is equal."""
    worst_psnr_db: float | None
    """Of the frame with the greatest squared error; null where every frame is equal."""
    worst_psnr_seconds: float
    """When that frame is shown, on the source's clock."""
    ssim: float
    """Structural similarity, the mean of all frames; 1 where they are equal."""
    worst_ssim: float
    worst_ssim_seconds: float


class Vmaf(Model):
    """Netflix's measure of how good a video looks beside its original, 0 to 100: means over all frames."""

    vmaf: float
    vmaf_neg: float
    """The variant that sharpening gains nothing in (Li et al., "Toward A Better Quality Metric For The Video
    Community", 2020)."""


class Measured(Model):
    """What looking at every frame of two or three videos found."""

    frame_count: int = Field(gt=0)
    """Of each of them."""
    shift_seconds: float
    """How much later the output's first frame is shown than the source's; it is taken off all times of the output."""
    worst_time_error_seconds: float
    """How far a frame of the output is then from the source's, at most."""
    round_trip: Likeness
    """The output, scaled back down, beside the source."""
    output_to_reference: Likeness | None = None
    enlargement_to_reference: Likeness | None = None
    """The plain enlargement of the source beside the reference."""
