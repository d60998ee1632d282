"""How much a source may ask for before it is refused: names, defaults, and the words in which they are changed.

The defaults let through what cameras, studios and archives make, and stop files that are made to exhaust a machine.
Whoever deploys the pipeline and whoever reads a file mean the same by these names; who holds a file to them is
`sr_core.video`'s business.
"""

from typing import Self

from pydantic import Field

from sr_core.frozen import Model


class Limits(Model):
    """The most that a file may declare, and the most that reading it may take."""

    picture_px: int = Field(default=8192 * 8192, gt=0)
    """Width × height of a picture; 8K is half of the default."""
    side_px: int = Field(default=16384, gt=0)
    """Width or height of a picture."""
    frames: int = Field(default=10_000_000, gt=0)
    """Frames of the video stream: four days at 25 frames a second, and about 300 MB of memory."""
    streams: int = Field(default=256, gt=0)
    """Streams of any kind, attachments included."""
    sample_rate_hz: int = Field(default=768_000, gt=0)
    audio_channels: int = Field(default=64, gt=0)
    duration_seconds: int = Field(default=7 * 24 * 3600, gt=0)
    """As the file declares it."""
    memory_bytes: int = Field(default=8 << 30, ge=256 << 20)
    """For the process that reads the source; small pictures get less than this."""
    silence_seconds: float = Field(default=120.0, gt=0)
    """How long that process may neither deliver anything nor read on."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The defaults, changed by words such as ``picture_px=200000000 streams=500``; commas may separate them, too.

        Raises pydantic.ValidationError (a ValueError) for a name that is not known or a value that cannot be.
        """
        return cls.model_validate(dict(word.partition("=")[::2] for word in text.replace(",", " ").split()))

    def to_text(self) -> str:
        """What `parse` makes the same of: the limits that are not the defaults; empty if all are."""
        changed = self.model_dump(exclude_defaults=True)
        return " ".join(f"{name}={value}" for name, value in changed.items())
