"""Made clips whose trait is what else is in the file: sound, subtitles, chapters, pictures, fonts, timecodes, tags."""

from pathlib import Path

from tests.clips import make_clip

from .sources import Maker, ffmpeg

_TEXT = "1\n00:00:00,500 --> 00:00:02,000\nGuten <i>Tag</i>\n\n2\n00:00:02,500 --> 00:00:04,000\nAuf Wiedersehen\n"
_CHAPTERS = """;FFMETADATA1
title=A film
artist=Somebody
comment=Found in an attic
date=1971
[CHAPTER]
TIMEBASE=1/1000
START=0
END=2500
title=One
[CHAPTER]
TIMEBASE=1/1000
START=2500
END=6000
title=Zwei – ü
"""


def _parts(folder: Path) -> None:
    make_clip(folder / "plain.mp4", frames=36)
    make_clip(folder / "other.mp4", frames=36, size=(48, 32), seed=3)
    ffmpeg("-i", "plain.mp4", "-frames:v", "1", "cover.png", folder=folder)
    ffmpeg("-i", "plain.mp4", "-frames:v", "1", "cover.jpg", folder=folder)
    (folder / "text.srt").write_text(_TEXT)
    (folder / "chapters.txt").write_text(_CHAPTERS)
    (folder / "font.ttf").write_bytes(bytes(range(256)) * 8)


def rich(suffix: str, *, sound: str = "copy", text: str = "mov_text") -> Maker:
    """Two sounds, two subtitles, chapters and tags, each with a language and what it is for."""

    def make(folder: Path) -> Path:
        _parts(folder)
        inputs = [
            part for name in ("plain.mp4", "other.mp4", "text.srt", "text.srt", "chapters.txt") for part in ("-i", name)
        ]
        maps = [
            "-map",
            "0:v",
            "-map",
            "0:a",
            "-map",
            "1:a",
            "-map",
            "2",
            "-map",
            "3",
            "-map_metadata",
            "4",
            "-map_chapters",
            "4",
        ]
        codecs = ["-c:v", "copy", "-c:a", sound, "-c:s", text]
        tags = [
            "-metadata:s:v:0",
            "language=jpn",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=ger",
            "-metadata:s:a:1",
            "title=Kommentar",
            "-metadata:s:s:0",
            "language=fre",
            "-metadata:s:s:1",
            "language=ger",
            "-disposition:a:0",
            "default",
            "-disposition:a:1",
            "comment",
            "-disposition:s:0",
            "default",
            "-disposition:s:1",
            "forced",
        ]
        ffmpeg(*inputs, *maps, *codecs, *tags, f"clip{suffix}", folder=folder)
        return folder / f"clip{suffix}"

    return make


def with_cover(suffix: str, picture: str = "cover.png") -> Maker:
    """A picture that belongs to the file, not to the film."""

    def make(folder: Path) -> Path:
        _parts(folder)
        path = f"clip{suffix}"
        if suffix == ".mkv":
            kind = "image/png" if picture.endswith("png") else "image/jpeg"
            ffmpeg(
                "-i",
                "plain.mp4",
                "-c",
                "copy",
                "-attach",
                picture,
                "-metadata:s:t",
                f"mimetype={kind}",
                path,
                folder=folder,
            )
        else:
            maps = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic"]
            ffmpeg("-i", "plain.mp4", "-i", picture, *maps, path, folder=folder)
        return folder / path

    return make


def with_fonts(folder: Path) -> Path:
    """Matroska with styled subtitles and the font that they ask for."""
    _parts(folder)
    ffmpeg(
        "-i",
        "plain.mp4",
        "-i",
        "text.srt",
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:s",
        "ass",
        "-attach",
        "font.ttf",
        "-metadata:s:t",
        "mimetype=application/x-truetype-font",
        "clip.mkv",
        folder=folder,
    )
    return folder / "clip.mkv"


def with_two_pictures(suffix: str, *, default: int) -> Maker:
    """Two films in a file; one of them is the default."""

    def make(folder: Path) -> Path:
        _parts(folder)
        other = 1 - default
        flags = [f"-disposition:v:{default}", "default", f"-disposition:v:{other}", "0"]
        ffmpeg(
            "-i",
            "plain.mp4",
            "-i",
            "other.mp4",
            "-map",
            "0:v",
            "-map",
            "1:v",
            "-map",
            "0:a",
            "-c",
            "copy",
            *flags,
            f"clip{suffix}",
            folder=folder,
        )
        return folder / f"clip{suffix}"

    return make


def with_timecode(suffix: str, *options: str) -> Maker:
    """Frames are counted from ten in the morning."""

    def make(folder: Path) -> Path:
        make_clip(folder / "plain.mkv", frames=36, rate=25, audio=None)
        codec = options or ("-c", "copy")
        ffmpeg("-i", "plain.mkv", *codec, "-timecode", "10:00:00:05", f"clip{suffix}", folder=folder)
        return folder / f"clip{suffix}"

    return make


def with_sound(suffix: str, *options: str) -> Maker:
    """A picture beside sound of some kind."""

    def make(folder: Path) -> Path:
        make_clip(folder / "plain.mp4", frames=36)
        ffmpeg("-i", "plain.mp4", "-c:v", "copy", *options, f"clip{suffix}", folder=folder)
        return folder / f"clip{suffix}"

    return make
