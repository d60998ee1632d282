"""A disk that is full: exit code 71, nothing half-written; once there is room, the same command goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from sr_core.contract import ExitCode
from tests.clips import make_clip

from .commands import Commands
from .job import FAST, OUTPUT, Job, Uninterrupted, names
from .script import Script


class Disk:
    """A file system of its own, of a size that can be changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def resize(self, kibibytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", self._folder], check=True)


@pytest.fixture
def disk(sr: Commands) -> Iterator[Disk]:
    """Below the folder of the commands."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", sr.folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: that takes root")
    yield Disk(sr.folder)
    subprocess.run(["umount", sr.folder], check=True)


def test_a_disk_that_grows_a_little_at_a_time(sr: Commands, job: Job, disk: Disk, uninterrupted: Uninterrupted) -> None:
    """Every write of the job meets the end of the disk."""
    places = set()
    for kibibytes in range(8, 1000, 20):
        disk.resize(kibibytes)
        ended = job.run(sr)
        if ended.code == ExitCode.OK:
            break
        assert ended.code == ExitCode.HOST_CAPACITY, (kibibytes, ended.stderr)
        assert ended.stderr.count("\n") == 1
        assert "free some" in ended.stderr
        assert names(sr.folder) in ([], [".sr-work"])
        places.add(ended.journal.edges[-1].split("/")[0] if ended.journal.edges else "at the start")

    uninterrupted.assert_done(ended, sr.folder)
    assert len(places) >= 4, "the end of the disk was met in too few places"


def test_sound_that_has_to_be_converted_is_not_lost_to_a_full_disk(
    sr: Commands, network: Path, tmp_path: Path, disk: Disk
) -> None:
    """The converter is another program: that it failed for want of room must not pass for something else.

    The picture is so coarse that there would be room for it alone.
    """
    clip = make_clip(tmp_path / "clip.mkv", audio="wavpack")
    codes = set()
    for kibibytes in range(96, 400, 8):
        disk.resize(kibibytes)
        ended = sr.run("run", clip, "-o", OUTPUT, "--model", network, "--crf", "51", *FAST)
        codes.add(ended.code)
        if ended.code == ExitCode.OK:
            break
        assert ended.code == ExitCode.HOST_CAPACITY, (kibibytes, ended.stderr)

    assert codes == {ExitCode.OK, ExitCode.HOST_CAPACITY}
    assert "is converted from wavpack to aac" in ended.stderr
    with av.open(str(sr.folder / OUTPUT)) as result:
        assert [stream.type for stream in result.streams] == ["video", "audio"]


@pytest.mark.parametrize("limit_bytes", [1_000, 20_000, 40_000])
def test_a_limit_on_the_size_of_files(limit_bytes: int, sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    limited = job.run(sr, script=Script(file_limit_bytes=limit_bytes))
    assert limited.code == ExitCode.HOST_CAPACITY, limited.stderr
    assert limited.stderr.count("\n") == 1
    uninterrupted.assert_nothing_half_written(sr.folder)

    uninterrupted.assert_done(job.run(sr), sr.folder)
