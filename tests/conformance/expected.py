"""In what a result may differ from its source, and what a look at it gives."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something that was looked at."""

    what: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Expected:
    """In what a result may differ from its source."""

    pictures: Literal["same", "deinterlaced", "count alone"] = "same"
    times: Literal["same", "increasing"] = "same"
    pixel_format: str | None = None
    """None: the source's."""
    left_out: frozenset[int] = frozenset()
    """Streams of the source that are not in the result."""
    converted: dict[int, str] = field(default_factory=dict)
    """Streams of the source and their codec in the result."""
    lost_dispositions: frozenset[str] = frozenset()
    lost_tags: frozenset[str] = frozenset()
    has_chapters: bool = True
    has_light: bool = True
    """Whether the source's HDR10 metadata is expected in the result."""
    limited_range: bool = False
    """Whether the result's samples are limited whatever the source's are."""
    whole_pixels: bool = False
    """Whether the container states the aspect by a width in whole pixels, and the codec does not state it."""
    audio_framing: bool = False
    """Whether packets lose the framing of a transport stream on the way (ADTS)."""
    frame_count: int | None = None
    """Where the source holds more than is to be shown."""
