"""The finished file: the source's times and streams around the new pictures, and a last check that can fail."""

import gc
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from sr_core.errors import HostCapacity, IntegrityError, Interrupted
from sr_core.interruption import Interruption
from sr_core.planning import make_plan
from sr_core.timestamps import FrameTable
from sr_core.types import Codec, Plan, Segment, Settings
from sr_core.video.join import Joined, join
from sr_core.video.probe import probe
from sr_core.video.read import read_source
from sr_core.video.scan import scan
from sr_core.video.verify import verify
from sr_core.video.write import SegmentWriter
from tests import builders
from tests.clips import make_clip

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}


@dataclass(frozen=True)
class Work:
    """Everything that `join` needs, made from a source with a network that changes nothing."""

    source: Path
    plan: Plan
    frames: FrameTable
    segments: list[tuple[Segment, Path]]

    def join(self, output: Path) -> Joined:
        container = CONTAINERS[output.suffix]
        return join(self.segments, self.source, self.plan, self.frames, container=container, output=output)

    def verify(self, output: Path, joined: Joined) -> None:
        verify(output, self.plan, self.frames, joined, container=CONTAINERS[output.suffix])


def worked(source: Path, settings: Settings | None = None) -> Work:
    info = probe(source)
    found = scan(source, info)
    request = builders.request(settings or Settings(preset="veryfast"))
    plan = make_plan(request, builders.model(scale=1), info.model_copy(update={"frame_count": len(found.frames)}))
    pictures = read_source(source, info.stream_index, found.frames)
    segments = []
    for segment in plan.segments:
        path = source.parent / f"segment-{segment.index}.mkv"
        with SegmentWriter.of_plan(path, plan, plan.delivery) as writer:
            for _ in range(segment.frame_count):
                writer.write(next(pictures)[1])
        segments.append((segment, path))
    return Work(source, plan, found.frames, segments)


def shown_times(path: Path) -> list[Fraction]:
    """When each frame is shown, by decoding the file."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in frames]


def payloads(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


IRREGULAR = [index * 9 + (index * index) % 7 for index in range(60)]


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("times", [None, IRREGULAR], ids=["constant rate", "variable rate"])
def test_every_frame_keeps_its_time_and_the_sound_its_bytes(
    tmp_path: Path, suffix: str, codec: Codec, times: list[int] | None
) -> None:
    # Given a source of two segments, with sound
    source = make_clip(tmp_path / "source.mp4", frames=60, times=times)
    work = worked(source, Settings(codec=codec, preset="ultrafast" if codec == "hevc" else "medium"))
    assert len(work.segments) > 1

    # When its segments are joined
    output = tmp_path / f"result{suffix}"
    work.verify(output, work.join(output))

    # Then each frame is shown when it was, and the sound is the same
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0
    wanted = shown_times(source)
    assert [abs(found - time) <= tolerance for found, time in zip(shown_times(output), wanted, strict=True)] == [
        True
    ] * len(wanted)
    assert payloads(output, "audio") == payloads(source, "audio")


def test_a_transport_streams_clock_starts_anew_and_its_delays_stay_exact(tmp_path: Path) -> None:
    # Given a transport stream whose clock stands at ten hours, and whose pictures start after the sound
    clip, source = make_clip(tmp_path / "clip.mp4", frames=24), tmp_path / "source.ts"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-itsoffset", "0.0407", "-i", str(clip), "-i", str(clip)]
    maps = ["-map", "0:v", "-map", "1:a", "-c", "copy", "-output_ts_offset", "36000"]
    subprocess.run([*ffmpeg, *maps, str(source)], check=True)
    work = worked(source)
    assert work.plan.video.clock_start_seconds > 36000

    # When it is joined into MP4
    joined = work.join(tmp_path / "result.mp4")
    work.verify(tmp_path / "result.mp4", joined)

    # Then the times count from the first packet, to the unit
    times = shown_times(tmp_path / "result.mp4")
    assert times[0] < 1
    assert times == [time - work.plan.video.clock_start_seconds for time in shown_times(source)]


def test_decode_times_increase_across_segments(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=60, times=IRREGULAR), Settings(preset="medium"))
    work.join(tmp_path / "result.mp4")

    with av.open(str(tmp_path / "result.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]

    decode_times = [packet.dts for packet in packets if packet.dts is not None]
    assert len(decode_times) == 60
    assert decode_times == sorted(set(decode_times))
    assert all(packet.pts >= packet.dts for packet in packets if packet.pts is not None and packet.dts is not None)


def test_what_the_samples_mean_is_written_on_the_result(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24, audio=None))
    plan = work.plan.model_copy(
        update={"video": work.plan.video.model_copy(update={"sar": Fraction(1)}), "color": work.plan.color}
    )
    replace(work, plan=plan).join(tmp_path / "result.mp4")

    with av.open(str(tmp_path / "result.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (int(context.colorspace), int(context.color_range)) == (6, 1)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with sound, subtitles, chapters, a title and cover art."""
    folder = tmp_path_factory.mktemp("rich")
    clip, cover = make_clip(folder / "clip.mp4", frames=24), folder / "cover.png"
    (folder / "text.srt").write_text("1\n00:00:00,500 --> 00:00:02,000\nGuten <i>Tag</i>\n")
    (folder / "tags.txt").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n"
    )
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    subprocess.run([*ffmpeg, "-i", str(clip), "-frames:v", "1", str(cover)], check=True)
    inputs = [part for name in ("clip.mp4", "cover.png", "text.srt", "tags.txt") for part in ("-i", str(folder / name))]
    options = ["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-c", "copy", "-c:s", "mov_text"]
    tags = ["-disposition:v:1", "attached_pic", "-metadata:s:s:0", "language=ger"]
    subprocess.run([*ffmpeg, *inputs, *options, *tags, str(folder / "rich.mp4")], check=True)
    return folder / "rich.mp4"


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_chapters_titles_languages_and_cover_art_come_along(tmp_path: Path, rich: Path, suffix: str) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(rich.read_bytes())
    work, output = worked(source), tmp_path / f"result{suffix}"

    joined = work.join(output)
    work.verify(output, joined)

    with av.open(str(output)) as result, av.open(str(source)) as original:
        assert [chapter["metadata"]["title"] for chapter in result.chapters()] == ["One", "Two"]
        assert result.metadata["title"] == "A film"
        assert result.streams.subtitles[0].language == "ger"
        pictures = [stream for stream in result.streams if stream.disposition.name == "attached_pic"]
        assert len(pictures) == (0 if suffix == ".mov" else 1)
        assert len(result.streams.audio) == len(original.streams.audio)
    mentioned = " ".join(joined.warnings)
    assert ("mov_text to srt" in mentioned) == (suffix == ".mkv")
    assert ("(png) is left out: mov cannot hold it" in mentioned) == (suffix == ".mov")


def test_sound_that_the_container_cannot_hold_is_converted_and_named(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mkv", frames=24, audio="libopus")
    work = worked(source)

    joined = work.join(tmp_path / "result.mov")
    work.verify(tmp_path / "result.mov", joined)

    assert joined.warnings == ("stream 1 is converted from opus to aac: mov cannot hold it",)
    with av.open(str(tmp_path / "result.mov")) as result:
        assert result.streams.audio[0].codec_context.name == "aac"
        assert abs(float((result.duration or 0) / av.time_base) - 4.0) < 0.1


def dropped_frame(work: Work) -> Work:
    shorter = FrameTable(work.frames.time_base, work.frames.pts[:], work.frames.checksums[:], work.frames.last_duration)
    shorter.append(shorter.pts[-1] + 100, checksum=0)
    return replace(work, frames=shorter)


def moved_frame(work: Work) -> Work:
    moved = FrameTable(work.frames.time_base, work.frames.pts[:], work.frames.checksums[:], work.frames.last_duration)
    moved.pts[7] += 1
    return replace(work, frames=moved)


def other_size(work: Work) -> Work:
    return replace(work, plan=work.plan.model_copy(update={"width_px": 128}))


def other_depth(work: Work) -> Work:
    delivery = work.plan.delivery.model_copy(update={"pixel_format": "yuv420p10le"})
    return replace(work, plan=work.plan.model_copy(update={"delivery": delivery}))


@pytest.mark.parametrize(
    ("promise", "complaint"),
    [
        (dropped_frame, "holds 24 frames instead of 25"),
        (moved_frame, "frame 7 of the result is shown at"),
        (other_size, "64×48 instead of 128×48"),
        (other_depth, "yuv420p instead of yuv420p10le"),
    ],
)
def test_a_result_that_does_not_hold_what_was_promised_is_refused(
    tmp_path: Path, promise: Callable[[Work], Work], complaint: str
) -> None:
    # Given a good result
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    output = tmp_path / "result.mp4"
    joined = work.join(output)
    work.verify(output, joined)

    # When something else had been promised, then it is refused
    with pytest.raises(IntegrityError, match=complaint):
        promise(work).verify(output, joined)


def test_a_changed_payload_is_noticed(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    output = tmp_path / "result.mp4"
    joined = work.join(output)
    content = bytearray(output.read_bytes())
    largest = max(payloads(output, "video"), key=len)
    content[content.index(largest) + len(largest) // 2] ^= 0xFF
    output.write_bytes(content)

    with pytest.raises(IntegrityError, match="payload of stream 0"):
        work.verify(output, joined)


def test_a_missing_stream_is_noticed(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    joined = work.join(tmp_path / "result.mp4")
    silent = worked(make_clip(tmp_path / "silent.mp4", frames=24, audio=None))
    silent.join(tmp_path / "other.mp4")

    with pytest.raises(IntegrityError, match="the result holds video h264 instead of video h264, audio aac"):
        work.verify(tmp_path / "other.mp4", joined)


def test_joining_and_checking_stop_when_they_are_told_to(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=24))
    joined = work.join(tmp_path / "result.mp4")
    asked = Interruption()
    asked.request("SIGTERM", grace_seconds=0)

    with pytest.raises(Interrupted):
        join(
            work.segments,
            work.source,
            work.plan,
            work.frames,
            container="mp4",
            output=tmp_path / "stopped.mp4",
            on_packet=asked.check,
        )
    with pytest.raises(Interrupted):
        verify(tmp_path / "result.mp4", work.plan, work.frames, joined, container="mp4", on_packet=asked.check)


def test_a_segment_begins_with_a_keyframe_and_is_the_same_every_time(tmp_path: Path) -> None:
    work = worked(make_clip(tmp_path / "source.mp4", frames=60, audio=None))
    first = [path.read_bytes() for _, path in work.segments]
    again = worked(work.source)

    assert [path.read_bytes() for _, path in again.segments] == first
    for _, path in work.segments:
        with av.open(str(path)) as container:
            assert next(container.demux(video=0)).is_keyframe


def test_a_full_disk_is_a_matter_of_capacity() -> None:
    """/dev/full fails every write as a full disk does."""
    encoding = make_plan(builders.request(), builders.model(), builders.video()).delivery
    writer = SegmentWriter(
        Path("/dev/full"), encoding, width_px=64, height_px=48, rate=Fraction(25), color=builders.color()
    )
    source = builders.grey(64, 48)

    with pytest.raises(HostCapacity, match="no space left"):  # noqa: PT012 — the muxer decides when it writes
        for _ in range(200):
            writer.write(source)
        writer.close()


def test_checking_keeps_no_object_for_each_frame(tmp_path: Path) -> None:
    """At the ten million frames that are let through, a rational for each would be a gigabyte."""
    # Given a result
    work, output = worked(make_clip(tmp_path / "source.mp4", frames=60, audio=None)), tmp_path / "result.mp4"
    joined, rationals = work.join(output), []

    # When it is checked, and the rational numbers that are alive are counted at each packet
    def on_packet() -> None:
        rationals.append(sum(type(thing) is Fraction for thing in gc.get_objects()))

    verify(output, work.plan, work.frames, joined, container="mp4", on_packet=on_packet)

    # Then there are no more after the last frame than after the first ones
    assert len(rationals) >= 60
    assert rationals[59] == rationals[5]
