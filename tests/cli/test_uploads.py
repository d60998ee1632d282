"""What `sr submit` says of files that it sends: where it goes on, and once for all where it cannot."""

import pytest

from sr_core.cli.output import of_bytes
from sr_core.cli.uploads import UploadDisplay

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("done_bytes", "total_bytes", "text"),
    [
        (12_345_678_901, 96_000_000_000, "12.3 of 96.0 GB"),
        (16_777_216, 999_900_000, "16.8 of 999.9 MB"),
        (999_999_999, 1_000_000_000, "1.0 of 1.0 GB"),
    ],
)
def test_bytes_are_told_in_the_unit_of_the_whole(done_bytes: int, total_bytes: int, text: str) -> None:
    assert of_bytes(done_bytes, total_bytes) == text


def test_where_an_upload_goes_on_is_told_in_a_line(capsys: Capture) -> None:
    with UploadDisplay().of("a\nb.mov") as listener:
        listener.resuming(12_300_000_000, 96_000_000_000)

    assert capsys.readouterr().err == "a\\nb.mov: resuming: 12.3 of 96.0 GB are there\n"


def test_that_no_upload_can_go_on_is_told_once(capsys: Capture) -> None:
    display = UploadDisplay()

    for place in ("a.mov", "b.mov"):
        with display.of(place) as listener:
            listener.not_resuming()

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("sr: an interrupted upload starts anew")
    assert "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts" in told
