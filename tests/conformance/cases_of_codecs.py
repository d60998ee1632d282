"""Cases of every codec that is read and every one that is written, and of real clips."""

from typing import Any

from . import sources as made
from .case import Case
from .expected import Expected

_LARGE = ("bigbuckbunny.mp4", "bt709_full_range.mp4")
"""Real clips of 1280×720."""


def codecs() -> list[Case]:
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
        "DNxHR": (
            ".mxf",
            ("-c:v", "dnxhd", "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p"),
            {"size": (256, 120), "rate": 25},
        ),
        "XDCAM (MPEG-2 in MXF)": (".mxf", ("-c:v", "mpeg2video", "-q:v", "2", *eight), {"rate": 25}),
        "ProRes LT": (".mov", ("-c:v", "prores_ks", "-profile:v", "lt", "-pix_fmt", "yuv422p10le"), {}),
        "CineForm": (".mov", ("-c:v", "cfhd", "-pix_fmt", "yuv422p10le"), {}),
        "VC-2": (".mkv", ("-c:v", "vc2", "-pix_fmt", "yuv422p10le"), {"size": (64, 64)}),
        "Y4M": (".y4m", ("-pix_fmt", "yuv422p"), {}),
        "APNG": (".apng", ("-pix_fmt", "rgb24"), {}),
        "Cinepak": (".avi", ("-c:v", "cinepak", "-pix_fmt", "rgb24"), {"frames": 6}),
        "SVQ1": (".mov", ("-c:v", "svq1", "-pix_fmt", "yuv410p"), {}),
    }
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
        "h264": (".mp4", ".m4v", ".mov", ".mkv"),
        "hevc": (".mp4", ".mov", ".mkv"),
        "av1": (".mp4", ".mkv"),
        "prores": (".mov", ".mkv"),
        "ffv1": (".mkv",),
    }.items():
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


def real() -> list[Case]:
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
        if codec == "h264" or name not in (*_LARGE, "nasa_13013.mp4")
    ]
    texts = Expected(converted={2: "srt", 5: "srt"})
    said = ("stream 2 is converted from mov_text to srt", "stream 5 is converted from mov_text to srt")
    return [*cases, Case(trait, "nasa_13013.mp4", "nasa_13013.mp4", ".mkv", "hevc", expected=texts, warnings=said)]
