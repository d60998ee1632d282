"""What probing says about a file, and what it had to assume."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from sr_core.errors import InputError
from sr_core.video.probe import probe
from sr_core.video.scan import scan
from tests.clips import make_clip, make_sound
from tests.reference import VIDEO, needs_media


def test_a_plain_clip_is_described(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "clip.mp4", frames=30, rate=Fraction(30000, 1001)))

    assert (info.width_px, info.height_px, info.rotation_degrees) == (64, 48, 0)
    assert info.sar == 1
    assert (info.rate, info.frame_count, info.variable_rate) == (Fraction(30000, 1001), 30, False)
    assert info.duration_seconds == pytest.approx(30 * 1001 / 30000, abs=1e-3)
    assert (info.codec, info.pixel_format, info.chroma, info.bit_depth) == ("h264", "yuv420p", "420", 8)
    assert info.field_order == "progressive"
    assert [(stream.kind, stream.codec) for stream in info.streams] == [("video", "h264"), ("audio", "aac")]
    assert info.streams[0].note == "upscaled"


@pytest.mark.parametrize(
    ("size", "matrix"), [((64, 48), "bt601"), ((720, 576), "bt601"), ((1024, 578), "bt709"), ((1280, 64), "bt709")]
)
def test_an_unstated_matrix_is_decided_by_size_and_said_to_be_assumed(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    info = probe(make_clip(tmp_path / "clip.mkv", frames=1, size=size, audio=None))

    assert info.color.matrix == matrix
    assert {"matrix", "range"} <= set(info.color.assumed)
    assert info.color.range == "limited"


def test_a_stated_matrix_is_not_assumed(tmp_path: Path) -> None:
    path = tmp_path / "tagged.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 9, 2
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))

    color = probe(path).color

    assert (color.matrix, color.range) == ("bt2020nc", "full")
    assert not {"matrix", "range"} & set(color.assumed)


def test_a_variable_rate_is_seen_and_its_times_are_true(tmp_path: Path) -> None:
    times = [0, 10, 25, 26, 90, 100]
    path = make_clip(tmp_path / "clip.mp4", frames=len(times), times=times, rate=10, audio=None)

    info = probe(path)
    frames = scan(path, info).frames

    assert info.variable_rate
    assert [frames.seconds(index) for index in range(len(frames))] == [Fraction(time, 100) for time in times]


@pytest.mark.parametrize(("turn", "expected"), [(90, 270), (-90, 90), (180, 180), (0, 0)])
def test_a_display_matrix_becomes_a_clockwise_turn(tmp_path: Path, turn: int, expected: int) -> None:
    """The matrix counts counter-clockwise, as libavutil documents it."""
    upright, turned = make_clip(tmp_path / "clip.mp4", frames=2, audio=None), tmp_path / "turned.mp4"
    with av.open(str(upright)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(turn)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)

    info = probe(turned)

    assert info.rotation_degrees == expected
    assert info.upright_size_px == ((64, 48) if expected in (0, 180) else (48, 64))


@needs_media
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("realshort.mp4", {"rate": Fraction(45000, 1499), "frame_count": 36}),
        ("carphone_pristine.mp4", {"sar": Fraction(128, 117), "frame_count": 120}),
        ("var_fps.mp4", {"variable_rate": True, "chroma": "444"}),
        ("h264_10bit.mp4", {"bit_depth": 10, "pixel_format": "yuv420p10le"}),
        ("rotated_90.mov", {"rotation_degrees": 90, "frame_count": 3}),
        ("nasa_13013.mp4", {"stream_index": 3, "width_px": 480}),
        ("anomaly_detection.mpg", {"clock_start_seconds": Fraction(27, 50), "frame_count": 250}),
    ],
)
def test_real_clips_are_described_as_their_makers_do(name: str, facts: dict[str, object]) -> None:
    info = probe(VIDEO / name)

    assert {field: getattr(info, field) for field in facts} == facts


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no video stream"):
        probe(make_sound(tmp_path / "sound.m4a"))


@pytest.mark.parametrize(
    "content", [b"", b"just text\n", b"#EXTM3U\n#EXTINF:1,\nsecret.ts\n", b"ffconcat version 1.0\nfile secret.mp4\n"]
)
def test_a_file_that_is_no_video_is_refused_and_leads_nowhere(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"video\.mp4 is not a video file that can be read"):
        probe(path)


def test_a_picture_that_changes_its_size_is_refused_with_the_place(tmp_path: Path) -> None:
    """Two transport streams, one after the other: what a broadcast does at a switch."""
    path = tmp_path / "switch.ts"
    parts = [
        make_clip(tmp_path / f"{width}.ts", frames=5, size=(width, 48), codec="mpeg2video", b_frames=0, audio=None)
        for width in (64, 96)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    with pytest.raises(InputError, match=r"changes from 64×48 yuv420p to 96×48 yuv420p at frame [45]; split"):
        scan(path, probe(path))
