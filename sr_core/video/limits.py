"""What a source may ask for before it is refused, and the one place where that is changed.

The defaults let through what cameras, studios and archives make, and stop files that are made to exhaust a machine.
`SR_LIMITS` in the environment changes any of them: ``SR_LIMITS="picture_px=200000000 streams=500"`` (docs/limits.md).
Nothing here looks at a file; `open`, `source` and `confinement` hold files and processes to these numbers.
"""

import os
from contextvars import ContextVar

from pydantic import Field, ValidationError

from sr_core.errors import InputError
from sr_core.types import Model

ENV_LIMITS = "SR_LIMITS"


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
    def from_environment(cls) -> "Limits":
        """The defaults, changed by `SR_LIMITS`. Raises InputError when that cannot be understood."""
        words = os.environ.get(ENV_LIMITS, "").replace(",", " ").split()
        pairs = dict(word.partition("=")[::2] for word in words)
        try:
            return cls.model_validate(pairs)
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, problem["loc"]))
            raise InputError(
                f"{ENV_LIMITS}: {name}: {problem['msg']}; known are {', '.join(cls.model_fields)}"
            ) from error


_current: ContextVar[Limits | None] = ContextVar("limits", default=None)


def current() -> Limits:
    """The limits in force: those of `enforce`, else those of the environment."""
    return _current.get() or Limits.from_environment()


def enforce(limits: Limits) -> None:
    """Makes `limits` the current ones for the rest of this thread."""
    _current.set(limits)


def over(name: str) -> str:
    """What every refusal ends with: where the limit `name` is raised."""
    return f"raise the limit with {ENV_LIMITS}={name}=… if you trust the file"
