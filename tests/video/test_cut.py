"""Chunk files decode to exactly the frames that were promised, however the source was coded."""

import subprocess
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from sr_core.delivery import lossless_encoding
from sr_core.errors import IntegrityError
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk
from sr_core.video.cut import _MAX_PREROLL_PACKETS, CutChunk, _packet_ranges, cut
from sr_core.video.formats import target_of
from sr_core.video.probe import probe
from sr_core.video.read import read_copied, read_lossless
from sr_core.video.scan import PacketIndex, Scan, scan
from tests.clips import make_clip
from tests.reference import VIDEO, needs_media

SOURCES: dict[str, dict[str, Any]] = {
    "h264 with b-frames": {"b_frames": 3},
    "h264 with open gops": {"open_gop": True, "b_frames": 2},
    "hevc with open gops": {"codec": "libx265", "open_gop": True},
    "mpeg-2": {"codec": "mpeg2video", "suffix": ".mkv", "b_frames": 2, "rate": 25},
    "mpeg-2 program stream": {"codec": "mpeg2video", "suffix": ".mpg", "b_frames": 2, "rate": 25, "audio": "mp2"},
    "transport stream": {"suffix": ".ts"},
    "one keyframe": {"gop": 1000},
    "keyframes only": {"gop": 1, "b_frames": 0},
    "variable rate": {"times": [index * 7 + index % 5 for index in range(36)]},
    "10 bits": {"pixel_format": "yuv420p10le"},
    "4:4:4": {"pixel_format": "yuv444p"},
    "odd size": {"size": (67, 45), "pixel_format": "yuv444p"},
    "vp9": {"codec": "libvpx-vp9", "suffix": ".webm", "audio": "libopus", "b_frames": 0},
}


def chunks(frame_count: int, *, size: int) -> list[Chunk]:
    return [
        Chunk(index=index, start_segment=0, end_segment=0, start_frame=start, end_frame=min(start + size, frame_count))
        for index, start in enumerate(range(0, frame_count, size))
    ]


def cut_all(path: Path, folder: Path, *, size: int, found: Scan | None = None) -> tuple[Scan, list[CutChunk]]:
    info = probe(path)
    found = found or scan(path, info)
    target = target_of(info.pixel_format)
    assert target is not None
    lossless = lossless_encoding(target.format.name)
    wanted = chunks(len(found.frames), size=size)
    return found, list(cut(path, info, found, wanted, lossless=lossless, folder=folder))


def read_back(made: CutChunk, found: Scan) -> int:
    """Number of frames read; each is held against its checksum on the way."""
    read = read_copied if made.carrier == "copy" else read_lossless
    return sum(1 for _ in read(made.path, found.frames, made.chunk.start_frame, made.chunk.end_frame))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("size", [5, 13, 36])
def test_every_chunk_decodes_to_its_frames(tmp_path: Path, name: str, size: int) -> None:
    # Given a source of some kind
    description = dict(SOURCES[name])
    path = make_clip(tmp_path / f"clip{description.pop('suffix', '.mp4')}", **{"frames": 36, **description})

    # When it is cut
    found, made = cut_all(path, tmp_path, size=size)

    # Then every chunk has its frames, and packets were copied
    assert sorted(one.chunk.index for one in made) == list(range(-(-36 // size)))
    assert [read_back(one, found) for one in made] == [one.chunk.frame_count for one in made]
    assert {one.carrier for one in made} == {"copy"}


@needs_media
@pytest.mark.parametrize(
    "name", ["bikes.mp4", "flipping_a_pancake.mkv", "carphone_pristine.mp4", "var_fps.mp4", "anomaly_detection.mpg"]
)
def test_real_clips_are_cut_exactly(tmp_path: Path, name: str) -> None:
    found, made = cut_all(VIDEO / name, tmp_path, size=70)

    assert [read_back(one, found) for one in made] == [one.chunk.frame_count for one in made]


def test_a_source_whose_times_had_to_be_made_is_coded_losslessly(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=20)
    exact = scan(path, probe(path))
    found = Scan(exact.frames, exact.packets, times_are_exact=False, warnings=())

    _, made = cut_all(path, tmp_path, size=7, found=found)

    assert {one.carrier for one in made} == {"lossless"}
    assert [read_back(one, found) for one in made] == [7, 7, 6]


@pytest.mark.parametrize(
    ("codec", "pixel_format"), [("prores_ks", "yuv422p10le"), ("qtrle", "rgb24"), ("rawvideo", "gray")]
)
def test_a_codec_that_the_carrier_does_not_take_is_coded_losslessly(
    tmp_path: Path, codec: str, pixel_format: str
) -> None:
    path = tmp_path / "clip.mov"
    source = f"testsrc2=size=64x48:rate=5:duration=2,format={pixel_format}"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*ffmpeg, "-c:v", codec, "-pix_fmt", pixel_format, str(path)], check=True)

    found, made = cut_all(path, tmp_path, size=5)

    assert [read_back(one, found) for one in made] == [5, 5]


def test_frames_that_an_edit_list_hides_are_not_output(tmp_path: Path) -> None:
    # Given a clip of ten frames whose edit list starts at the fourth
    whole, trimmed = make_clip(tmp_path / "whole.mp4", frames=12, audio=None), tmp_path / "trimmed.mp4"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-ss", "0.5", "-i", str(whole), "-c", "copy"]
    subprocess.run([*ffmpeg, str(trimmed)], check=True)

    # When it is scanned and cut
    found, made = cut_all(trimmed, tmp_path, size=5)

    # Then only the frames from the fourth on are there
    original = scan(whole, probe(whole)).frames.checksums
    assert list(found.frames.checksums) == list(original[3:])
    assert sum(read_back(one, found) for one in made) == 9


def test_a_copy_that_would_not_decode_right_is_replaced_by_a_lossless_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a cut that starts too late: without the keyframe that the second chunk needs
    path = make_clip(tmp_path / "clip.mp4", frames=24, gop=100)
    monkeypatch.setattr("sr_core.video.cut._packet_ranges", lambda *_: {0: (0, 14), 1: (13, 24)})

    # When it is cut
    found, made = cut_all(path, tmp_path, size=12)

    # Then that chunk is coded losslessly, and both hold their frames
    assert {one.chunk.index: one.carrier for one in made} == {0: "copy", 1: "lossless"}
    assert [read_back(one, found) for one in made] == [12, 12]


def test_a_long_preroll_is_not_copied_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.video.cut._MAX_PREROLL_PACKETS", 10)
    path = make_clip(tmp_path / "clip.mp4", frames=36, gop=1000)

    found, made = cut_all(path, tmp_path, size=9)

    assert [one.carrier for one in sorted(made, key=lambda one: one.chunk.index)] == [
        "copy",
        "copy",
        "lossless",
        "lossless",
    ]
    assert sum(read_back(one, found) for one in made) == 36


class Counted(array):  # type: ignore[type-arg]
    """An array that counts how often it is looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)


def test_planning_the_cuts_looks_at_a_packet_a_few_times_however_many_chunks_there_are() -> None:
    """A day's recording with a single keyframe would else keep the reader silent until it is taken to hang."""
    # Given a source of one keyframe, and many chunks that need a long pre-roll
    count, size = 20_000, 50
    frames = FrameTable(time_base=Fraction(1, 25))
    for index in range(count):
        frames.append(index, checksum=index)
    pts = Counted("q", range(count))
    found = Scan(frames, PacketIndex(pts, bytearray([1] + [0] * (count - 1))), times_are_exact=True, warnings=())

    # When their packets are looked up
    ranges = _packet_ranges(found, chunks(count, size=size))

    # Then those near the keyframe are copied, and the others given up after as many packets as are too many
    assert list(ranges) == list(range(_MAX_PREROLL_PACKETS // size + 1))
    assert pts.looks < 4 * (count * len(ranges) + (_MAX_PREROLL_PACKETS + 1) * count // size)


def test_a_frame_that_is_not_the_promised_one_is_noticed(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=20)
    found, made = cut_all(path, tmp_path, size=10)
    found.frames.checksums[12] ^= 1

    with pytest.raises(IntegrityError, match="frame 12 does not decode to what it did"):
        read_back(made[1], found)


def test_a_chunk_that_ends_early_is_noticed(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=20)
    found, made = cut_all(path, tmp_path, size=10)

    with pytest.raises(IntegrityError, match=r"frame 10 of \[5, 15\) is missing"):
        list(read_copied(made[0].path, found.frames, 5, 15))


def test_times_of_a_rational_rate_are_exact(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=50, rate=Fraction(24000, 1001), audio=None)

    frames = scan(path, probe(path)).frames

    assert [frames.seconds(index) for index in range(50)] == [Fraction(1001 * index, 24000) for index in range(50)]
