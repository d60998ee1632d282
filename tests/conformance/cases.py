"""Every case, trait by trait: the table of docs/conformance.md."""

from dataclasses import replace
from typing import Any

from . import sources as made
from . import sources_of_streams as streams
from . import sources_of_time as times
from .case import Case
from .checks import Expected

_LARGE = ("bigbuckbunny.mp4", "bt709_full_range.mp4")
"""Real clips of 1280×720."""
COUNT_ALONE = Expected(pictures="count alone")
DAMAGED = Expected(pictures="count alone", times="increasing")


def _pictures() -> list[Case]:
    trait = "rotation"
    cases = [
        Case(trait, f"display matrix of {degrees}°", made.turned(degrees), is_quick=degrees == 90)
        for degrees in (90, 180, 270)
    ]
    cases += [
        Case(trait, "QuickTime, 90°", made.turned(90, ".mov"), ".mov"),
        Case(trait, "Matroska, 90°", made.turned(90, ".mkv"), ".mkv"),
        Case(trait, "90° and SAR 4:3", made.turned(90, ".mp4", "-vf", "setsar=4/3"), is_quick=True),
        Case(
            trait,
            "90°, 4:2:2",
            made.copied(made.x264(pixel_format="yuv422p"), ".mp4", before=("-display_rotation", "90")),
        ),
    ]
    trait = "sample aspect ratio"
    for suffix in (".mp4", ".mov", ".mkv"):
        cases.append(Case(trait, f"128:117, {suffix[1:]}", made.x264("-vf", "setsar=128/117", suffix=suffix), suffix))
    cases.append(
        Case(trait, "16:11", made.x264("-vf", "setsar=16/11"), ".webm", "av1", expected=Expected(whole_pixels=True))
    )
    cases.append(
        Case(
            trait,
            "16:11",
            made.x264("-vf", "setsar=16/11"),
            ".mov",
            "prores",
            expected=Expected(pixel_format="yuv422p10le"),
        )
    )
    cases.append(
        Case(trait, "16:11", made.x264("-vf", "setsar=16/11"), ".mkv", "ffv1", expected=Expected(whole_pixels=True))
    )
    trait = "odd size"
    odd: dict[str, Any] = {"size": (67, 45)}
    cases += [
        Case(trait, "67×45, 4:4:4", made.x264(pixel_format="yuv444p", **odd), is_quick=True),
        Case(
            trait,
            "67×45, 4:2:0 (VP9)",
            made.coded(".webm", "-c:v", "libvpx-vp9", "-crf", "8", "-b:v", "0", "-pix_fmt", "yuv420p", **odd),
            is_quick=True,
        ),
        Case(trait, "67×45, 4:2:2 (FFV1)", made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv422p", **odd), ".mkv"),
        Case(
            trait,
            "67×45, 4:2:0 (VP9)",
            made.coded(".webm", "-c:v", "libvpx-vp9", "-crf", "8", "-b:v", "0", "-pix_fmt", "yuv420p", **odd),
            ".mp4",
            "av1",
        ),
    ]
    return cases


def _samples() -> list[Case]:
    trait = "subsampling and depth"
    cases = []
    for pixel_format in ("yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"):
        source = made.x264(pixel_format=pixel_format)
        cases.append(Case(trait, pixel_format, source, is_quick=pixel_format == "yuv422p10le"))
        cases.append(Case(trait, pixel_format, source, ".mkv", "hevc"))
        cases.append(Case(trait, pixel_format, source, ".mkv", "ffv1"))
        profile = "yuv444p12le" if "444" in pixel_format else "yuv422p10le"
        cases.append(Case(trait, pixel_format, source, ".mov", "prores", expected=Expected(pixel_format=profile)))
    for pixel_format in ("yuv420p12le", "yuv422p12le", "yuv444p12le"):
        source = made.x265(pixel_format=pixel_format)
        cases.append(Case(trait, pixel_format, source, ".mp4", "hevc", is_quick=pixel_format == "yuv444p12le"))
        cases.append(Case(trait, pixel_format, source, ".mkv", "ffv1"))
    twelve = made.x265(pixel_format="yuv420p12le")
    cases += [
        Case(trait, "yuv420p10le", made.x264(pixel_format="yuv420p10le"), ".mp4", "av1", is_quick=True),
        Case(trait, "yuv420p10le", made.x264(pixel_format="yuv420p10le"), ".webm", "av1"),
        Case(trait, "yuv420p12le", twelve, expected="H.264 holds at most 10 bits"),
        Case(trait, "yuv420p12le", twelve, ".mp4", "av1", expected="AV1 holds at most 10 bits"),
        Case(trait, "yuv420p12le", twelve, ".mov", "prores", expected=Expected(pixel_format="yuv422p10le"),
             warnings=("12 bits become 10",)),
        Case(trait, "yuv444p", made.x264(pixel_format="yuv444p"), ".mp4", "av1", expected="AV1 is written with 4:2:0 chroma only"),
        Case(trait, "yuv444p", made.x264(pixel_format="yuv444p"), ".mov", "prores", ("--prores-profile", "lt"),
             Expected(pixel_format="yuv422p10le"), ("chroma is halved to 4:2:2",)),
        Case(trait, "grey", made.x264(pixel_format="gray"), expected=Expected(pixel_format="yuv420p")),
        Case(trait, "16-bit grey", made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "gray16le"), ".mkv", "ffv1",
             expected=Expected(pixel_format="yuv420p16le")),
        Case(trait, "16-bit 4:4:4", made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p16le"), ".mkv", "ffv1", is_quick=True),
        Case(trait, "16-bit 4:4:4", made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p16le"), ".mkv", "hevc",
             expected=Expected(pixel_format="yuv444p12le"), warnings=("16 bits become 12",)),
        Case(trait, "4:1:0 (resampled)", made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv410p"), ".mkv",
             expected=Expected(pixel_format="yuv420p"), warnings=("chroma of yuv410p is resampled",)),
    ]  # fmt: skip
    trait = "palette and RGB"
    rgb = Expected(pixel_format="yuv444p")
    cases += [
        Case(trait, "GIF", made.gif, ".mp4", expected=rgb, is_quick=True),
        Case(trait, "GIF", made.gif, ".mkv", "ffv1", expected=rgb),
        Case(trait, "GIF", made.gif, ".webm", "av1", expected="AV1 is written with 4:2:0 chroma only"),
        Case(trait, "palette in AVI", made.coded(".avi", "-vf", "format=rgb24,format=pal8", "-c:v", "rawvideo"), expected=rgb),
        Case(trait, "QuickTime Animation, RGB", made.coded(".mov", "-c:v", "qtrle", "-pix_fmt", "rgb24"), ".mov", expected=rgb),
        Case(trait, "PNG, 16-bit RGB", made.coded(".mkv", "-c:v", "png", "-pix_fmt", "rgb48be"), ".mkv", "ffv1",
             expected=Expected(pixel_format="yuv444p16le")),
    ]  # fmt: skip
    trait = "transparency"
    lost = ("transparency is not kept",)
    cases += [
        Case(trait, "ProRes 4444", made.transparent(".mov", "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"), ".mov", "prores",
             expected=Expected(pixel_format="yuv444p12le"), warnings=(*lost, "12 bits become 10")),
        Case(trait, "PNG", made.transparent(".mov", "-c:v", "png", "-pix_fmt", "rgba"), expected=rgb, warnings=lost, is_quick=True),
        Case(trait, "VP9", made.transparent(".webm", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"), expected=Expected(pixel_format="yuv420p"), warnings=lost),
        Case(trait, "FFV1", made.transparent(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuva422p"), ".mkv", expected=Expected(pixel_format="yuv422p"), warnings=lost),
    ]  # fmt: skip
    return cases


def _colors() -> list[Case]:
    trait = "colour"
    names = {
        "BT.601, PAL": made.color("bt470bg", "bt470bg", "bt470bg"),
        "BT.601, NTSC": made.color("smpte170m", "smpte170m", "smpte170m"),
        "BT.709": made.color("bt709", "bt709", "bt709"),
        "BT.709, full range": made.color("bt709", "bt709", "bt709", "pc"),
        "SMPTE 240M": made.color("smpte240m", "smpte240m", "smpte240m"),
        "FCC": made.color("fcc", "bt470m", "bt470m"),
        "BT.2020": made.color("bt2020nc", "bt2020", "bt2020-10"),
    }
    targets = {"h264": ".mp4", "hevc": ".mov", "av1": ".webm", "ffv1": ".mkv"}
    cases = [
        Case(
            trait,
            name,
            made.x264(*options),
            suffix,
            codec,
            is_quick=(codec, name) in (("h264", "BT.601, PAL"), ("av1", "BT.709, full range")),
        )
        for name, options in names.items()
        for codec, suffix in targets.items()
    ]
    prores = Expected(pixel_format="yuv422p10le", limited_range=True)
    full = names["BT.709, full range"]
    cases += [
        Case(trait, "BT.709, full range", made.x264(*full), ".mov", "prores", expected=prores, warnings=("full range becomes limited",)),
        Case(trait, "nothing is stated, SD", made.x264()),
        Case(trait, "nothing is stated, HD", made.x264(frames=6, size=(1280, 64))),
        Case(trait, "MJPEG, full range by its nature", made.coded(".avi", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
             expected=Expected(pixel_format="yuv420p")),
        Case(trait, "YCgCo", made.x264("-x264-params", "colormatrix=YCgCo"), expected="colour matrix 8 (H.273) is not supported"),
    ]  # fmt: skip
    trait = "HDR"
    hdr10 = made.x265(*made.BT2020_PQ, params=made.MASTERING)
    hlg = made.x265(*made.BT2020_HLG)
    lost = ("mastering display and light level (HDR10) are not kept",)
    cases += [
        Case(trait, "HDR10", hdr10, ".mp4", "hevc", is_quick=True),
        Case(trait, "HDR10", hdr10, ".mkv", "hevc"),
        Case(trait, "HDR10", hdr10, ".mp4", "av1", is_quick=True),
        Case(trait, "HDR10", hdr10, ".webm", "av1"),
        Case(trait, "HDR10", hdr10, ".mp4", "h264"),
        Case(trait, "HDR10", hdr10, ".mkv", "ffv1", expected=Expected(has_light=False), warnings=lost),
        Case(trait, "HDR10", hdr10, ".mov", "prores", expected=Expected(has_light=False, pixel_format="yuv422p10le"), warnings=lost),
        Case(trait, "HLG", hlg, ".mp4", "hevc"),
        Case(trait, "HLG", hlg, ".webm", "av1"),
        Case(trait, "HDR10+", made.hdr10_plus, ".mkv", "hevc", warnings=("dynamic metadata of HDR10+ is not kept",), is_quick=True),
    ]  # fmt: skip
    return cases


def _fields() -> list[Case]:
    trait = "interlaced"
    mpeg2 = made.interlaced("mpeg2video", ".mpg", *made.INTERLACED_MPEG2)
    h264 = made.interlaced("libx264", ".mp4", *made.INTERLACED_H264)
    h264_bottom = made.interlaced("libx264", ".mkv", *made.INTERLACED_H264[:-1], "bff=1", order="bff")
    deinterlaced, done = Expected(pictures="deinterlaced"), ("36 of 36 frames are interlaced; they are deinterlaced",)
    return [
        Case(trait, "MPEG-2 program stream, top first", mpeg2, expected=deinterlaced, warnings=done, is_quick=True),
        Case(trait, "H.264, top first", h264, expected=deinterlaced, warnings=done),
        Case(trait, "H.264, bottom first", h264_bottom, ".mkv", expected=deinterlaced, warnings=done),
        Case(trait, "H.264, left woven", h264, options=("--deinterlace", "off"), warnings=("upscaled as they are, woven",), is_quick=True),
        Case(trait, "DV, PAL", made.coded(".dv", "-s", "720x576", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-r", "25", frames=6, rate=25),
             expected=COUNT_ALONE, warnings=("6 of 6 frames are interlaced",)),
        Case(trait, "progressive, then interlaced", made.becomes_interlaced, expected=Expected(pictures="count alone", times="increasing"),
             warnings=("36 of 71 frames are interlaced", "had no time of their own")),
        Case("telecine", "hard, MPEG-2", made.telecined, expected=deinterlaced,
             warnings=("120 of 120 frames are interlaced", "telecined film (3:2 pulldown)"), is_quick=True),
        Case("telecine", "soft, H.264", made.soft_telecined, ".mkv", warnings=("repeated fields (soft telecine)",)),
    ]  # fmt: skip


def _times() -> list[Case]:
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
        Case(trait, f"one frame, {suffix[1:]}", plain(suffix, frames=1, audio=None), target, codec,
             expected=Expected() if codec != "prores" else Expected(pixel_format="yuv422p10le"), is_quick=suffix == ".mkv")
        for suffix, target, codec in (
            (".mp4", ".mp4", "h264"), (".mkv", ".mkv", "hevc"), (".ts", ".mp4", "av1"), (".mov", ".mov", "prores"), (".mkv", ".mkv", "ffv1"),
        )
    ]  # fmt: skip
    cases += [
        Case(trait, "30 hours", times.hours(30)),
        Case(trait, "30 hours", times.hours(30), ".mkv"),
        Case(trait, "9,000 frames", plain(".mp4", frames=9000, size=(32, 16), rate=25, audio=None)),
    ]
    return cases


def _damage() -> list[Case]:
    trait = "damage"
    h264 = made.x264(frames=60, audio="aac")
    h264_ts = made.copied(h264, ".ts")
    mpeg2_ts = made.coded(".ts", "-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p", frames=60, rate=25)
    damaged, short = "frames decode with errors", "the file ends early"
    cases = [
        Case(trait, "flipped bytes, H.264 in MP4", times.flipped(h264), expected=DAMAGED, warnings=(damaged,), is_quick=True),
        Case(trait, "flipped bytes, H.264 in MP4", times.flipped(h264), options=("--strict",), expected="leave out --strict", is_quick=True),
        Case(trait, "flipped bytes, MPEG-2 in TS", times.flipped(mpeg2_ts), expected=DAMAGED, warnings=(damaged,)),
        Case(trait, "a hole, MPEG-2 in TS", times.with_a_hole(mpeg2_ts), expected=DAMAGED, warnings=(damaged,)),
        Case(trait, "cut off, Matroska", times.truncated(made.x264(suffix=".mkv", frames=60), keep=0.6), ".mkv", expected=DAMAGED, warnings=(short,)),
        Case(trait, "cut off, TS", times.truncated(h264_ts, keep=0.6), expected=replace(DAMAGED, audio_framing=True)),
        Case(trait, "cut off, MP4 with its index first", times.truncated(times.indexed_first, keep=0.6), expected=DAMAGED, warnings=(short,)),
        Case(trait, "cut off, MP4 with its index last", times.truncated(h264, keep=0.6), expected="is not a video file that can be read"),
        Case("resolution change", "MPEG-2 in TS", times.changes_its_size, expected="changes from 64×48 yuv420p to 96×48"),
    ]  # fmt: skip
    return cases


def _streams() -> list[Case]:
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
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mp4", rich_mp4, ".mov",
             expected=Expected(lost_dispositions=frozenset({"comment", "forced"})), warnings=("disposition comment left out", "disposition forced left out")),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mp4", rich_mp4, ".mkv", expected=to_text, warnings=srt),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mkv", rich_mkv, ".mkv", is_quick=True),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mkv", rich_mkv, ".mp4", expected=to_mov, warnings=text),
        Case(trait, "2 sounds, 2 subtitles, chapters, tags, mkv", rich_mkv, ".webm", "av1", expected=to_web,
             warnings=(*("to opus",) * 2, *("to webvtt",) * 2, "disposition comment left out"), is_quick=True),
        Case(trait, "fonts and styled subtitles", streams.with_fonts, ".mkv", is_quick=True),
        Case(trait, "fonts and styled subtitles", streams.with_fonts, ".mp4",
             expected=Expected(left_out=frozenset({3}), converted={2: "mov_text"}), warnings=("to mov_text", "stream 3 (attachment) is left out")),
        Case(trait, "two videos, the first is the default", streams.with_two_pictures(".mkv", default=0), ".mkv"),
        Case(trait, "two videos, the second is the default", streams.with_two_pictures(".mp4", default=1), is_quick=True),
    ]  # fmt: skip
    trait = "cover art"
    cases += [
        Case(trait, f"{suffix[1:]}, {picture[6:]}", streams.with_cover(suffix, picture), target)
        for suffix, picture, target in (
            (".mp4", "cover.png", ".mp4"), (".mp4", "cover.jpg", ".mkv"), (".mkv", "cover.png", ".mkv"), (".mkv", "cover.jpg", ".mp4"),
        )
    ]  # fmt: skip
    cases += [
        Case(trait, "mp4, png", streams.with_cover(".mp4"), ".mov", expected=Expected(left_out=frozenset({2})),
             warnings=("stream 2 (png) is left out: mov cannot hold it",)),
        Case(trait, "mp4, png", streams.with_cover(".mp4"), ".webm", "av1", expected=Expected(left_out=frozenset({2}), converted={1: "opus"}),
             warnings=("stream 2 (png) is left out: webm cannot hold it", "to opus")),
    ]  # fmt: skip
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
        Case(trait, "Opus", sound(".mkv", "-c:a", "libopus"), ".mov", expected=to_aac, warnings=("from opus to aac: mov cannot hold it",)),
        Case(trait, "PCM, 24 bits", sound(".mov", "-c:a", "pcm_s24le"), ".mov"),
        Case(trait, "PCM, 24 bits", sound(".mov", "-c:a", "pcm_s24le"), ".mkv"),
        Case(trait, "FLAC, 5.1", sound(".mkv", "-c:a", "flac", "-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0"), ".mkv"),
        Case(trait, "PCM, 3 channels in no order", sound(".nut", "-c:a", "pcm_s16le", "-af", "aformat=channel_layouts=3c,pan=3c|c0=c0|c1=c0|c2=c0"), ".webm", "av1",
             expected=to_opus, warnings=("to opus: webm cannot hold it; its channels are taken to be 3.0",), is_quick=True),
        Case(trait, "PCM, 3 channels in no order", sound(".nut", "-c:a", "pcm_s16le", "-af", "pan=3c|c0=c0|c1=c0|c2=c0"), ".mkv"),
        Case(trait, "A-law", sound(".mov", "-c:a", "pcm_alaw", "-ar", "8000"), ".mp4", expected=to_aac, warnings=("to aac: mp4 cannot hold it",)),
        Case(trait, "WMA", sound(".asf", "-c:v", "wmv2", "-q:v", "2", "-c:a", "wmav2", "-ar", "44100"), ".mkv",
             expected=to_flac, warnings=("from wmav2 to flac: matroska cannot hold it",)),
    ]  # fmt: skip
    return cases


def _codecs() -> list[Case]:
    trait = "codec read"
    eight = ("-pix_fmt", "yuv420p")
    quality = ("-q:v", "2", *eight)
    sources: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
        "MPEG-1": (".mpg", ("-c:v", "mpeg1video", *quality), {"rate": 25}),
        "MPEG-4": (".mp4", ("-c:v", "mpeg4", "-bf", "2", *quality), {}),
        "MS-MPEG-4": (".avi", ("-c:v", "msmpeg4", *quality), {}),
        "WMV 2": (".asf", ("-c:v", "wmv2", *quality), {}),
        "Flash video": (".flv", ("-c:v", "flv", *quality), {}),
        "H.263": (".3gp", ("-c:v", "h263", *quality), {"size": (176, 144), "frames": 12}),
        "H.261": (".mkv", ("-c:v", "h261", *quality), {"size": (176, 144), "frames": 12}),
        "HEVC": (".mp4", ("-c:v", "libx265", "-crf", "8", "-x265-params", "log-level=error", *eight), {}),
        "VP8": (".webm", ("-c:v", "libvpx", "-crf", "4", "-b:v", "4M", *eight), {}),
        "VP9, 10 bits": (".webm", ("-c:v", "libvpx-vp9", "-crf", "8", "-b:v", "0", "-pix_fmt", "yuv420p10le"), {}),
        "AV1": (".mp4", ("-c:v", "libsvtav1", "-crf", "8", "-preset", "10", *eight), {}),
        "Theora": (".ogv", ("-c:v", "libtheora", "-q:v", "10", *eight), {}),
        "MJPEG": (".mov", ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj422p"), {}),
        "JPEG 2000": (".mov", ("-c:v", "jpeg2000", "-pix_fmt", "yuv422p10le"), {"frames": 12}),
        "Huffyuv": (".avi", ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"), {}),
        "Ut Video": (".avi", ("-c:v", "utvideo", "-pix_fmt", "yuv444p"), {}),
        "MagicYUV": (".avi", ("-c:v", "magicyuv", "-pix_fmt", "yuv420p"), {}),
        "v210": (".mov", ("-c:v", "v210", "-pix_fmt", "yuv422p10le"), {}),
        "raw UYVY": (".mov", ("-c:v", "rawvideo", "-pix_fmt", "uyvy422"), {}),
        "DNxHR": (".mxf", ("-c:v", "dnxhd", "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p"), {"size": (256, 120), "rate": 25}),
        "XDCAM (MPEG-2 in MXF)": (".mxf", ("-c:v", "mpeg2video", "-q:v", "2", *eight), {"rate": 25}),
        "ProRes LT": (".mov", ("-c:v", "prores_ks", "-profile:v", "lt", "-pix_fmt", "yuv422p10le"), {}),
        "CineForm": (".mov", ("-c:v", "cfhd", "-pix_fmt", "yuv422p10le"), {}),
        "VC-2": (".mkv", ("-c:v", "vc2", "-pix_fmt", "yuv422p10le"), {"size": (64, 64)}),
        "Y4M": (".y4m", ("-pix_fmt", "yuv422p"), {}),
        "APNG": (".apng", ("-pix_fmt", "rgb24"), {}),
        "Cinepak": (".avi", ("-c:v", "cinepak", "-pix_fmt", "rgb24"), {"frames": 6}),
        "SVQ1": (".mov", ("-c:v", "svq1", "-pix_fmt", "yuv410p"), {}),
    }  # fmt: skip
    exceptions: dict[str, tuple[Expected, tuple[str, ...]]] = {
        "raw UYVY": (Expected(pixel_format="yuv422p"), ()),
        "APNG": (Expected(pixel_format="yuv444p"), ()),
        "Cinepak": (Expected(pixel_format="yuv444p", pictures="count alone"), ()),
        "SVQ1": (Expected(pixel_format="yuv420p", pictures="count alone"), ("chroma of yuv410p is resampled",)),
    }
    cases = []
    for name, (suffix, options, traits) in sources.items():
        expected, warnings = exceptions.get(name, (Expected(), ()))
        source = made.coded(suffix, *options, **{"frames": 24, **traits})
        cases.append(Case(trait, f"{name} ({suffix[1:]})", source, ".mkv", expected=expected, warnings=warnings))
    cases.append(
        Case(
            trait,
            "Bink-like text art (tty)",
            made.coded(".mkv", "-c:v", "zlib", "-pix_fmt", "bgr24"),
            expected=Expected(pixel_format="yuv444p"),
        )
    )
    trait = "codec written"
    two_segments = made.x264(frames=60, audio="aac", gop=20)
    for codec, suffixes in {
        "h264": (".mp4", ".m4v", ".mov", ".mkv"), "hevc": (".mp4", ".mov", ".mkv"), "av1": (".mp4", ".mkv"),
        "prores": (".mov", ".mkv"), "ffv1": (".mkv",),
    }.items():  # fmt: skip
        wanted = Expected(pixel_format="yuv422p10le") if codec == "prores" else Expected()
        cases += [
            Case(trait, "two segments", two_segments, suffix, codec, expected=wanted, is_quick=codec == "prores")
            for suffix in suffixes
        ]
        cases.append(
            Case(
                trait,
                "two segments, by a mezzanine",
                two_segments,
                suffixes[-1],
                codec,
                ("--segment-codec", "mezzanine"),
                wanted,
            )
        )
    cases.append(
        Case(
            trait,
            "two segments",
            two_segments,
            ".webm",
            "av1",
            expected=Expected(converted={1: "opus"}),
            warnings=("to opus",),
        )
    )
    for profile in ("proxy", "lt", "standard", "hq", "4444", "4444xq"):
        pixel_format = "yuv444p12le" if "4444" in profile else "yuv422p10le"
        wanted = Expected(
            pixel_format=pixel_format, pictures="same" if profile not in ("proxy", "lt") else "count alone"
        )
        cases.append(
            Case(trait, f"profile {profile}", made.x264(), ".mov", "prores", ("--prores-profile", profile), wanted)
        )
    for codec, suffix in (
        ("h264", ".webm"),
        ("av1", ".mov"),
        ("prores", ".mp4"),
        ("ffv1", ".mp4"),
        ("hevc", ".webm"),
        ("h264", ".avi"),
    ):
        reason = "no container for the suffix" if suffix == ".avi" else f"a {suffix} file is not made with"
        cases.append(
            Case(
                trait, "refused by name", made.x264(frames=2), suffix, codec, expected=reason, is_quick=suffix == ".mov"
            )
        )
    return cases


def _real() -> list[Case]:
    trait = "real clip"
    cases = [
        Case(trait, name, name, suffix, codec, expected=expected, warnings=warnings)
        for name, expected, warnings in (
            ("realshort.mp4", Expected(), ()),
            ("bikes.mp4", Expected(), ()),
            ("bigbuckbunny.mp4", Expected(), ()),
            ("flipping_a_pancake.mkv", Expected(), ()),
            ("carphone_pristine.mp4", Expected(), ()),
            ("nasa_13013.mp4", Expected(), ()),
            ("var_fps.mp4", Expected(), ()),
            ("h264_10bit.mp4", Expected(), ()),
            ("bt709_full_range.mp4", Expected(), ()),
            ("rotated_90.mov", Expected(), ()),
            ("anomaly_detection.mpg", Expected(), ()),
        )
        for suffix, codec in ((".mp4", "h264"), (".mkv", "hevc"))
        if codec == "h264" or name not in _LARGE
    ]
    return cases


CASES = (*_pictures(), *_samples(), *_colors(), *_fields(), *_times(), *_damage(), *_streams(), *_codecs(), *_real())
