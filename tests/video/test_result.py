"""The finished file: the source's times and streams around the new pictures."""

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from sr_core.errors import HostCapacity, Interrupted
from sr_core.interruption import Interruption
from sr_core.planning import make_plan
from sr_core.types import Codec, Settings
from sr_core.video.join import join
from sr_core.video.verify import verify
from sr_core.video.write import SegmentWriter
from tests import builders
from tests.clips import make_clip

from .work import CONTAINERS, payloads, shown_times, worked

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
