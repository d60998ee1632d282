"""What the builds of PyAV and ffmpeg on this machine can do. Knows no stage and no codec that is delivered."""

import av


def available(encoders: tuple[str, ...]) -> tuple[str, ...]:
    """Those of FFmpeg's names that PyAV's build has, in the order in which they are given."""
    return tuple(name for name in encoders if name in av.codecs_available)


def ffmpeg_version() -> str | None:
    """Of the command that converts streams; None where there is none."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_version())
    except RuntimeError:
        return None
