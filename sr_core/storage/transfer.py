"""What is told of bytes that are on their way, to whoever shows it. It moves none."""

from collections.abc import Callable

Moved = Callable[[int, int], None]
"""Is told how many bytes of how many have been read or sent."""


class UploadListener:
    """Is told how an upload goes, in the thread that asked for it. What is not overridden is not heard."""

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        """So many bytes of so many are there, those of former attempts included."""

    def resuming(self, there_bytes: int, total_bytes: int) -> None:
        """So many bytes of so many were there before; only the others are sent."""

    def not_resuming(self) -> None:
        """The credentials may not see what is there already; all is sent."""
