"""What a case is: a source, what is asked for, and what is expected of the result."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.reference import VIDEO

from .expected import Expected
from .sources import Maker

COUNT_ALONE = Expected(pictures="count alone")
DAMAGED = Expected(pictures="count alone", times="increasing")

Refusal = str
"""A part of the one line that a refusal is."""


@dataclass(frozen=True)
class Case:
    """One source, upscaled or refused."""

    trait: str
    name: str
    source: Maker | str
    """A maker, or the name of a clip of the reference media."""
    suffix: str = ".mp4"
    codec: str = "h264"
    options: tuple[str, ...] = ()
    expected: Expected | Refusal = field(default_factory=Expected)
    warnings: tuple[str, ...] = ()
    """A part of each warning, in any order; there must be no other."""
    is_quick: bool = False
    """Whether it is one of those that run with every test run."""

    @property
    def title(self) -> str:
        target = (
            f"{self.codec}{self.suffix}" if not self.options else f"{self.codec}{self.suffix} {' '.join(self.options)}"
        )
        return f"{self.trait}: {self.name} to {target}"

    def arguments(self, source: Path, output: str, network: Path) -> list[str | Path]:
        """Of the command, at a quality at which pictures can be compared."""
        quality = [] if self.codec in ("prores", "ffv1") else ["--crf", "8", "--preset", "veryfast"]
        return [
            "run",
            source,
            "-o",
            output,
            "--model",
            network,
            "--codec",
            self.codec,
            *quality,
            *self.options,
            "--json",
        ]

    def make_source(self, folder: Path) -> Path:
        return VIDEO / self.source if isinstance(self.source, str) else self.source(folder)
