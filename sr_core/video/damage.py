"""Which frames of a damaged source may look different each time they are decoded.

Decoders conceal what they cannot read with whatever lies in their buffers, and with several threads that is a matter
of chance. No checksum of such frames could hold: they are decoded once more, into a lossless chunk, and are what they
were then. An error spoils its group of pictures, from one keyframe to the next, and those that lead into the one after.
"""

from bisect import bisect_left, bisect_right

from sr_core.timestamps import UNSTEADY, FrameTable


class UnsteadyFrames:
    """Keyframes and errors, by their presentation times, as they are met."""

    def __init__(self) -> None:
        self._key_times: list[int] = []
        self._error_times: set[int] = set()
        self._last_time = 0

    def packet(self, pts: int | None, *, is_key: bool) -> None:
        """The next packet; one without a time counts as the one before."""
        if pts is not None:
            self._last_time = pts
            if is_key:
                self._key_times.append(pts)

    def error(self, pts: int | None = None) -> None:
        """A frame of that time is damaged; without one, the packet last met."""
        self._error_times.add(self._last_time if pts is None else pts)

    def mark(self, frames: FrameTable, *, times_are_exact: bool) -> None:
        """Takes away the checksums of frames that errors may have touched: of all where times were made up."""
        keys = sorted(self._key_times) if times_are_exact else []
        for time in self._error_times:
            group = bisect_right(keys, time)
            start = bisect_left(frames.pts, keys[group - 1]) if group else 0
            end = bisect_left(frames.pts, keys[group + 1]) if group + 1 < len(keys) else len(frames)
            for index in range(max(0, start - 1), end):  # deinterlacing looks one frame ahead
                frames.checksums[index] = UNSTEADY
