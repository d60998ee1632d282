"""What a stream is called and what it is for: read, carried over, and compared.

Containers spell the same things differently: QuickTime calls a track's title its name, and knows some languages only by
one of the two codes that ISO 639-2 has for them.
"""

from dataclasses import dataclass
from typing import Any

_TERMINOLOGICAL = {
    "alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra",
    "geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas",
    "rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym",
}  # fmt: skip
"""ISO 639-2's other code by its bibliographic one."""
_QUICKTIME_KNOWS = ("fra", "ces", "ron", "slk", "sqi")
"""Of the codes above, those that QuickTime's table has in the other form."""
_OWN_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "handler_name", "vendor_id",
             "software")  # fmt: skip
"""Tags that describe the source file itself, not its content; mkvmerge's statistics begin with an underscore."""
_NO_CREATION_TIME = ("creation_time", "1970-01-01")
"""What muxers write that do not know the time."""
_STATISTICS = ("bps", "number_of_frames", "number_of_bytes", "duration")


@dataclass(frozen=True, slots=True)
class Labels:
    """Of one stream."""

    language: str | None
    title: str | None
    dispositions: frozenset[str]

    @classmethod
    def of(cls, stream: Any) -> "Labels":
        flags = stream.disposition
        tags = {name.lower(): value for name, value in stream.metadata.items()}
        language = tags.get("language")
        return cls(
            language=None if language == "und" else language,
            title=tags.get("title") or tags.get("name"),
            dispositions=frozenset(flag.name.lower() for flag in type(flags) if flags & flag and flag.name),
        )

    def lost_in(self, found: "Labels") -> list[str]:
        """What is not there any more, in words."""
        lost = [] if _code(self.language) == _code(found.language) else [f"language {self.language}"]
        if self.title is not None and found.title != self.title:
            lost.append(f"title {self.title!r}")
        return lost + [f"disposition {name}" for name in sorted(self.dispositions - found.dispositions)]


def _code(language: str | None) -> str | None:
    return None if language is None else _TERMINOLOGICAL.get(language, language)


def stream_tags(metadata: dict[str, str], *, container: str) -> dict[str, str]:
    """A stream's tags as the muxer `container` takes them."""
    tags = content_tags(metadata)
    if container in ("mp4", "mov") and "title" not in tags and "name" in tags:
        tags["title"] = tags["name"]
    other = _TERMINOLOGICAL.get(tags.get("language", ""))
    if container == "mov" and other in _QUICKTIME_KNOWS:
        tags["language"] = other
    return tags


def content_tags(metadata: dict[str, str]) -> dict[str, str]:
    """The tags that speak of the content rather than of the file they were read from."""
    return {
        name: value
        for name, value in metadata.items()
        if (name.lower(), value[:10]) != _NO_CREATION_TIME
        and name.lower() not in _OWN_TAGS
        and name.lower().split("-")[0] not in _STATISTICS
        and not name.startswith("_")
    }
