"""Cases whose trait is what samples mean, and which moments a frame is made of."""

from . import sources as made
from .case import COUNT_ALONE, Case
from .expected import Expected


def colors() -> list[Case]:
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
        Case(
            trait,
            "BT.709, full range",
            made.x264(*full),
            ".mov",
            "prores",
            expected=prores,
            warnings=("full range becomes limited",),
        ),
        Case(trait, "nothing is stated, SD", made.x264()),
        Case(trait, "nothing is stated, HD", made.x264(frames=6, size=(1280, 64))),
        Case(
            trait,
            "MJPEG, full range by its nature",
            made.coded(".avi", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
            expected=Expected(pixel_format="yuv420p"),
        ),
        Case(
            trait,
            "YCgCo",
            made.x264("-x264-params", "colormatrix=YCgCo"),
            expected="colour matrix 8 (H.273) is not supported",
        ),
    ]
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
        Case(
            trait,
            "HDR10",
            hdr10,
            ".mov",
            "prores",
            expected=Expected(has_light=False, pixel_format="yuv422p10le"),
            warnings=lost,
        ),
        Case(trait, "HLG", hlg, ".mp4", "hevc"),
        Case(trait, "HLG", hlg, ".webm", "av1"),
        Case(
            trait,
            "HDR10+",
            made.hdr10_plus,
            ".mkv",
            "hevc",
            warnings=("dynamic metadata of HDR10+ is not kept",),
            is_quick=True,
        ),
    ]
    return cases


def fields() -> list[Case]:
    trait = "interlaced"
    mpeg2 = made.interlaced("mpeg2video", ".mpg", *made.INTERLACED_MPEG2)
    h264 = made.interlaced("libx264", ".mp4", *made.INTERLACED_H264)
    h264_bottom = made.interlaced("libx264", ".mkv", *made.INTERLACED_H264[:-1], "bff=1", order="bff")
    deinterlaced, done = Expected(pictures="deinterlaced"), ("36 of 36 frames are interlaced; they are deinterlaced",)
    return [
        Case(trait, "MPEG-2 program stream, top first", mpeg2, expected=deinterlaced, warnings=done, is_quick=True),
        Case(trait, "H.264, top first", h264, expected=deinterlaced, warnings=done),
        Case(trait, "H.264, bottom first", h264_bottom, ".mkv", expected=deinterlaced, warnings=done),
        Case(
            trait,
            "H.264, left woven",
            h264,
            options=("--deinterlace", "off"),
            warnings=("upscaled as they are, woven",),
            is_quick=True,
        ),
        Case(
            trait,
            "DV, PAL",
            made.coded(".dv", "-s", "720x576", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-r", "25", frames=6, rate=25),
            expected=COUNT_ALONE,
            warnings=("6 of 6 frames are interlaced",),
        ),
        Case(
            trait,
            "progressive, then interlaced",
            made.becomes_interlaced,
            expected=Expected(pictures="count alone", times="increasing"),
            warnings=("36 of 71 frames are interlaced", "had no time of their own"),
        ),
        Case(
            "telecine",
            "hard, MPEG-2",
            made.telecined,
            expected=deinterlaced,
            warnings=("120 of 120 frames are interlaced", "telecined film (3:2 pulldown)"),
            is_quick=True,
        ),
        Case("telecine", "soft, H.264", made.soft_telecined, ".mkv", warnings=("repeated fields (soft telecine)",)),
    ]
