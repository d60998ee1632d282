"""What `sr submit` shows of files that it sends: how much of each is there, and where one goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from sr_core.cli.output import bytes_display, note, of_bytes, printable
from sr_core.contract import PROGRAM
from sr_core.storage.transfer import Moved, UploadListener


class UploadDisplay:
    """Of all uploads of one command."""

    def __init__(self) -> None:
        self._remarked = False

    @contextmanager
    def of(self, place: str) -> Iterator[UploadListener]:
        """Shows what it is told of the file at `place` until the block ends."""
        with bytes_display(place) as moved:
            yield _Shown(self, printable(place), moved)

    def remark(self, text: str) -> None:
        """Says what holds for every upload, once."""
        if not self._remarked:
            note(text)
        self._remarked = True


class _Shown(UploadListener):
    def __init__(self, display: UploadDisplay, place: str, moved: Moved) -> None:
        self._display, self._place, self._moved = display, place, moved

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        self._moved(done_bytes, total_bytes)

    def resuming(self, there_bytes: int, total_bytes: int) -> None:
        note(f"{self._place}: resuming: {of_bytes(there_bytes, total_bytes)} are there")

    def not_resuming(self) -> None:
        self._display.remark(
            f"{PROGRAM}: an interrupted upload starts anew: to see what is there of it, the credentials in use need "
            "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts"
        )
