"""Cases whose trait is one of the file: its times, its damage, and what else is in it."""

from dataclasses import replace

from . import sources as made
from . import sources_of_streams as streams
from . import sources_of_time as times
from .case import DAMAGED, Case
from .expected import Expected


def timed() -> list[Case]:
    plain = times.plain
    trait = "variable rate"
    cases = [
        Case(trait, f"{suffix[1:]}", plain(suffix, times=times.UNEVEN, frames=48), target, codec, expected=expected)
        for suffix, target, codec, expected in (
            (".mp4", ".mp4", "h264", Expected()),
            (".mkv", ".mkv", "h264", Expected()),
            (".mp4", ".mov", "prores", Expected(pixel_format="yuv422p10le")),
            (".mp4", ".mp4", "hevc", Expected()),
            (".mp4", ".mp4", "av1", Expected()),
            (".mp4", ".mkv", "ffv1", Expected()),
        )
    ]
    trait = "start"
    cases += [
        Case(trait, "edit list hides 13 frames", times.hidden_by_an_edit_list, is_quick=True),
        Case(trait, "edit list hides 13 frames", times.hidden_by_an_edit_list, ".mkv"),
        Case(trait, "picture 0.74 s late, mp4", times.delayed(".mp4", picture="0.74"), is_quick=True),
        Case(trait, "picture 0.74 s late, mkv", times.delayed(".mkv", picture="0.74"), ".mkv"),
        Case(trait, "sound 0.74 s late, mp4", times.delayed(".mp4", sound="0.74")),
        Case(trait, "sound 0.74 s late, ts", times.delayed(".ts", sound="0.74"), expected=Expected(audio_framing=True)),
        Case(trait, "negative times, mp4", times.negative, is_quick=True),
        Case(trait, "negative times, mp4", times.negative, ".mkv"),
    ]
    trait = "clock"
    mp2 = ("-c:v", "mpeg2video", "-q:v", "2")
    cases += [
        Case(trait, "transport stream", plain(".ts"), expected=Expected(audio_framing=True), is_quick=True),
        Case(
            trait, "transport stream, 33 bits wrap", times.wrapped(".ts", "-c:v", "libx264", "-crf", "8"), is_quick=True
        ),
        Case(trait, "transport stream, 33 bits wrap", times.wrapped(".ts", *mp2), ".mkv"),
        Case(trait, "program stream, 33 bits wrap", times.wrapped(".mpg", *mp2)),
    ]
    trait = "missing times"
    cases += [
        Case(
            trait,
            "AVI with B-frames",
            made.coded(".avi", "-c:v", "mpeg4", "-bf", "2", "-q:v", "2", "-pix_fmt", "yuv420p"),
        ),
        Case(
            trait,
            "bare H.264",
            times.untimed,
            expected=Expected(times="increasing"),
            warnings=("had no time of their own",),
        ),
    ]
    trait = "length"
    cases += [
        Case(
            trait,
            f"one frame, {suffix[1:]}",
            plain(suffix, frames=1, audio=None),
            target,
            codec,
            expected=Expected() if codec != "prores" else Expected(pixel_format="yuv422p10le"),
            is_quick=suffix == ".mkv",
        )
        for suffix, target, codec in (
            (".mp4", ".mp4", "h264"),
            (".mkv", ".mkv", "hevc"),
            (".ts", ".mp4", "av1"),
            (".mov", ".mov", "prores"),
            (".mkv", ".mkv", "ffv1"),
        )
    ]
    cases += [
        Case(trait, "30 hours", times.hours(30)),
        Case(trait, "30 hours", times.hours(30), ".mkv"),
        Case(trait, "9,000 frames", plain(".mp4", frames=9000, size=(32, 16), rate=25, audio=None)),
    ]
    return cases


def damaged() -> list[Case]:
    trait = "damage"
    h264 = made.x264(frames=60, audio="aac")
    h264_ts = made.copied(h264, ".ts")
    mpeg2_ts = made.coded(".ts", "-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p", frames=60, rate=25)
    damaged, short = "frames decode with errors", "the file ends early"
    return [
        Case(
            trait,
            "flipped bytes, H.264 in MP4",
            times.flipped(h264),
            expected=DAMAGED,
            warnings=(damaged,),
            is_quick=True,
        ),
        Case(
            trait,
            "flipped bytes, H.264 in MP4",
            times.flipped(h264),
            options=("--strict",),
            expected="leave out --strict",
            is_quick=True,
        ),
        Case(trait, "flipped bytes, MPEG-2 in TS", times.flipped(mpeg2_ts), expected=DAMAGED, warnings=(damaged,)),
        Case(trait, "a hole, MPEG-2 in TS", times.with_a_hole(mpeg2_ts), expected=DAMAGED, warnings=(damaged,)),
        Case(
            trait,
            "cut off, Matroska",
            times.truncated(made.x264(suffix=".mkv", frames=60), keep=0.6),
            ".mkv",
            expected=DAMAGED,
            warnings=(short,),
        ),
        Case(trait, "cut off, TS", times.truncated(h264_ts, keep=0.6), expected=replace(DAMAGED, audio_framing=True)),
        Case(
            trait,
            "cut off, MP4 with its index first",
            times.truncated(times.indexed_first, keep=0.6),
            expected=DAMAGED,
            warnings=(short,),
        ),
        Case(
            trait,
            "cut off, MP4 with its index last",
            times.truncated(h264, keep=0.6),
            expected="is not a video file that can be read",
        ),
        Case(
            "resolution change", "MPEG-2 in TS", times.changes_its_size, expected="changes from 64×48 yuv420p to 96×48"
        ),
    ]


def with_streams() -> list[Case]:
    trait = "other streams"
    rich_mp4, rich_mkv = streams.rich(".mp4"), streams.rich(".mkv", text="srt")
    to_text = Expected(converted={3: "srt", 4: "srt"})
    to_mov = Expected(converted={3: "mov_text", 4: "mov_text"})
    to_web = Expected(
        converted={1: "opus", 2: "opus", 3: "webvtt", 4: "webvtt"}, lost_dispositions=frozenset({"comment"})
    )
    srt, text = ("from mov_text to srt",) * 2, ("to mov_text",) * 2
    cases = [
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mp4", rich_mp4, ".mp4", is_quick=True),
        Case(
            trait,
            "2 sounds, 2 subtitles, chapters, tags, mp4",
            rich_mp4,
            ".mov",
            expected=Expected(lost_dispositions=frozenset({"comment", "forced"})),
            warnings=("disposition comment left out", "disposition forced left out"),
        ),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mp4", rich_mp4, ".mkv", expected=to_text, warnings=srt),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mkv", rich_mkv, ".mkv", is_quick=True),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mkv", rich_mkv, ".mp4", expected=to_mov, warnings=text),
        Case(
            trait,
            "2 sounds, 2 subtitles, chapters, tags, mkv",
            rich_mkv,
            ".webm",
            "av1",
            expected=to_web,
            warnings=(*("to opus",) * 2, *("to webvtt",) * 2, "disposition comment left out"),
            is_quick=True,
        ),
        Case(trait, "fonts and styled subtitles", streams.with_fonts, ".mkv", is_quick=True),
        Case(
            trait,
            "fonts and styled subtitles",
            streams.with_fonts,
            ".mp4",
            expected=Expected(left_out=frozenset({3}), converted={2: "mov_text"}),
            warnings=("to mov_text", "stream 3 (attachment) is left out"),
        ),
        Case(trait, "two videos, the first is the default", streams.with_two_pictures(".mkv", default=0), ".mkv"),
        Case(
            trait, "two videos, the second is the default", streams.with_two_pictures(".mp4", default=1), is_quick=True
        ),
    ]
    trait = "cover art"
    cases += [
        Case(trait, f"{suffix[1:]}, {picture[6:]}", streams.with_cover(suffix, picture), target)
        for suffix, picture, target in (
            (".mp4", "cover.png", ".mp4"),
            (".mp4", "cover.jpg", ".mkv"),
            (".mkv", "cover.png", ".mkv"),
            (".mkv", "cover.jpg", ".mp4"),
        )
    ]
    cases += [
        Case(
            trait,
            "mp4, png",
            streams.with_cover(".mp4"),
            ".mov",
            expected=Expected(left_out=frozenset({2})),
            warnings=("stream 2 (png) is left out: mov cannot hold it",),
        ),
        Case(
            trait,
            "mp4, png",
            streams.with_cover(".mp4"),
            ".webm",
            "av1",
            expected=Expected(left_out=frozenset({2}), converted={1: "opus"}),
            warnings=("stream 2 (png) is left out: webm cannot hold it", "to opus"),
        ),
    ]
    trait = "timecode"
    mov = streams.with_timecode(".mov")
    mpeg2 = streams.with_timecode(".mpg", "-c:v", "mpeg2video", "-q:v", "2")
    cases += [
        Case(trait, "QuickTime track", mov, ".mov", is_quick=True),
        Case(trait, "QuickTime track", mov, ".mp4"),
        Case(trait, "QuickTime track", mov, ".mkv"),
        Case(trait, "MPEG-2 groups", mpeg2, ".mov"),
        Case(trait, "Matroska tag", streams.with_timecode(".mkv"), ".mov"),
    ]
    trait = "sound"
    to_aac, to_flac, to_opus = (
        Expected(converted={1: "aac"}),
        Expected(converted={1: "flac"}),
        Expected(converted={1: "opus"}),
    )
    sound = streams.with_sound
    cases += [
        Case(trait, "Opus", sound(".mkv", "-c:a", "libopus"), ".mp4"),
        Case(
            trait,
            "Opus",
            sound(".mkv", "-c:a", "libopus"),
            ".mov",
            expected=to_aac,
            warnings=("from opus to aac: mov cannot hold it",),
        ),
        Case(trait, "PCM, 24 bits", sound(".mov", "-c:a", "pcm_s24le"), ".mov"),
        Case(trait, "PCM, 24 bits", sound(".mov", "-c:a", "pcm_s24le"), ".mkv"),
        Case(
            trait,
            "FLAC, 5.1",
            sound(".mkv", "-c:a", "flac", "-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0"),
            ".mkv",
        ),
        Case(
            trait,
            "PCM, 3 channels in no order",
            sound(".nut", "-c:a", "pcm_s16le", "-af", "aformat=channel_layouts=3c,pan=3c|c0=c0|c1=c0|c2=c0"),
            ".webm",
            "av1",
            expected=to_opus,
            warnings=("to opus: webm cannot hold it; its channels are taken to be 3.0",),
            is_quick=True,
        ),
        Case(
            trait,
            "PCM, 3 channels in no order",
            sound(".nut", "-c:a", "pcm_s16le", "-af", "pan=3c|c0=c0|c1=c0|c2=c0"),
            ".mkv",
        ),
        Case(
            trait,
            "A-law",
            sound(".mov", "-c:a", "pcm_alaw", "-ar", "8000"),
            ".mp4",
            expected=to_aac,
            warnings=("to aac: mp4 cannot hold it",),
        ),
        Case(
            trait,
            "WMA",
            sound(".asf", "-c:v", "wmv2", "-q:v", "2", "-c:a", "wmav2", "-ar", "44100"),
            ".mkv",
            expected=to_flac,
            warnings=("from wmav2 to flac: matroska cannot hold it",),
        ),
    ]
    return cases
