"""How stages tell how far they are."""

from typing import Protocol

from sr_core.contract import Stage


class Progress(Protocol):
    """Called by a stage, from its own thread, at least once a second or so while it works."""

    def __call__(self, stage: Stage, done_frames: int, total_frames: int) -> None: ...


def silent(stage: Stage, done_frames: int, total_frames: int) -> None:
    """Tells nobody."""
