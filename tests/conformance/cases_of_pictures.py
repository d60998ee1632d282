"""Cases whose trait is one of the picture: its shape, its samples, what they mean, and its fields."""

from typing import Any

from . import sources as made
from .case import Case
from .expected import Expected


def pictures() -> list[Case]:
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


def samples() -> list[Case]:
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
        Case(
            trait,
            "yuv420p12le",
            twelve,
            ".mov",
            "prores",
            expected=Expected(pixel_format="yuv422p10le"),
            warnings=("12 bits become 10",),
        ),
        Case(
            trait,
            "yuv444p",
            made.x264(pixel_format="yuv444p"),
            ".mp4",
            "av1",
            expected="AV1 is written with 4:2:0 chroma only",
        ),
        Case(
            trait,
            "yuv444p",
            made.x264(pixel_format="yuv444p"),
            ".mov",
            "prores",
            ("--prores-profile", "lt"),
            Expected(pixel_format="yuv422p10le"),
            ("chroma is halved to 4:2:2",),
        ),
        Case(trait, "grey", made.x264(pixel_format="gray"), expected=Expected(pixel_format="yuv420p")),
        Case(
            trait,
            "16-bit grey",
            made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "gray16le"),
            ".mkv",
            "ffv1",
            expected=Expected(pixel_format="yuv420p16le"),
        ),
        Case(
            trait,
            "16-bit 4:4:4",
            made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p16le"),
            ".mkv",
            "ffv1",
            is_quick=True,
        ),
        Case(
            trait,
            "16-bit 4:4:4",
            made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p16le"),
            ".mkv",
            "hevc",
            expected=Expected(pixel_format="yuv444p12le"),
            warnings=("16 bits become 12",),
        ),
        Case(
            trait,
            "4:1:0 (resampled)",
            made.coded(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuv410p"),
            ".mkv",
            expected=Expected(pixel_format="yuv420p"),
            warnings=("chroma of yuv410p is resampled",),
        ),
    ]
    trait = "palette and RGB"
    rgb = Expected(pixel_format="yuv444p")
    cases += [
        Case(trait, "GIF", made.gif, ".mp4", expected=rgb, is_quick=True),
        Case(trait, "GIF", made.gif, ".mkv", "ffv1", expected=rgb),
        Case(trait, "GIF", made.gif, ".webm", "av1", expected="AV1 is written with 4:2:0 chroma only"),
        Case(
            trait,
            "palette in AVI",
            made.coded(".avi", "-vf", "format=rgb24,format=pal8", "-c:v", "rawvideo"),
            expected=rgb,
        ),
        Case(
            trait,
            "QuickTime Animation, RGB",
            made.coded(".mov", "-c:v", "qtrle", "-pix_fmt", "rgb24"),
            ".mov",
            expected=rgb,
        ),
        Case(
            trait,
            "PNG, 16-bit RGB",
            made.coded(".mkv", "-c:v", "png", "-pix_fmt", "rgb48be"),
            ".mkv",
            "ffv1",
            expected=Expected(pixel_format="yuv444p16le"),
        ),
    ]
    trait = "transparency"
    lost = ("transparency is not kept",)
    cases += [
        Case(
            trait,
            "ProRes 4444",
            made.transparent(".mov", "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"),
            ".mov",
            "prores",
            expected=Expected(pixel_format="yuv444p12le"),
            warnings=(*lost, "12 bits become 10"),
        ),
        Case(
            trait,
            "PNG",
            made.transparent(".mov", "-c:v", "png", "-pix_fmt", "rgba"),
            expected=rgb,
            warnings=lost,
            is_quick=True,
        ),
        Case(
            trait,
            "VP9",
            made.transparent(".webm", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"),
            expected=Expected(pixel_format="yuv420p"),
            warnings=lost,
        ),
        Case(
            trait,
            "FFV1",
            made.transparent(".mkv", "-c:v", "ffv1", "-pix_fmt", "yuva422p"),
            ".mkv",
            expected=Expected(pixel_format="yuv422p"),
            warnings=lost,
        ),
    ]
    return cases
