"""How fast the delivery encoders are beside one another: pixels a second relative to x264 `medium` at 8 bits, 4:2:0.

Owns the table of those ratios, measured by ``python -m bench.encoders`` (`bench/results/encoders.json`: two cores of an
Intel Xeon with AVX-512, alone on the machine, 2026-11-29; PyAV 18.1), and what makes one of a job's settings. How fast
x264 `medium` is on a machine, this does not know. Pure: no file, no clock, no machine.

How far to trust it: a ratio is the geometric mean of two real clips, enlarged to 1280×960 and 1280×544, at the default
quality. Each lies within a factor of 1.15 of it for H.264, ProRes and FFV1, of 1.6 for HEVC and AV1: pictures differ.
HEVC from `slow` on is of few frames, its `slower` also too low by up to a fifth: other work disturbed one clip's.
Not counted are another --crf, other sizes, other processors, and more cores, which encoders use unequally well.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sr_core.delivery import output_format, prores_profile
from sr_core.types import Codec, ProresProfile, Settings, VideoInfo

PRESET_RATES: Mapping[Codec, Mapping[str, float]] = MappingProxyType(
    {
        "h264": {
            "ultrafast": 9.61, "superfast": 4.32, "veryfast": 2.57, "faster": 1.59, "fast": 1.23, "medium": 1.0,
            "slow": 0.719, "slower": 0.415, "veryslow": 0.244,
        },
        "hevc": {
            "ultrafast": 1.73, "superfast": 0.991, "veryfast": 0.786, "faster": 0.773, "fast": 0.68, "medium": 0.527,
            "slow": 0.214, "slower": 0.058, "veryslow": 0.044,
        },
        "av1": {
            "ultrafast": 3.9, "superfast": 4.13, "veryfast": 3.83, "faster": 2.74, "fast": 1.8, "medium": 0.734,
            "slow": 0.519, "slower": 0.392, "veryslow": 0.135,
        },
    }
)  # fmt: skip
"""At 8 bits, 4:2:0, by x264's names; AV1's stand for `delivery.AV1_PRESETS`."""
PRORES_RATES: Mapping[ProresProfile, float] = MappingProxyType(
    {"proxy": 1.16, "lt": 0.768, "standard": 0.933, "hq": 0.881, "4444": 0.638, "4444xq": 0.631}
)
"""By profile, at the depth and chroma that it has."""
LOSSLESS_RATE = 4.83
"""FFV1 at 8 bits, 4:2:0, as delivery codec and as mezzanine."""
DEEP_FACTORS: Mapping[Codec, float] = MappingProxyType({"h264": 0.705, "hevc": 0.723, "av1": 0.806, "ffv1": 0.512})
"""Of the rate where samples have more than 8 bits; measured at 10."""
CHROMA_FACTORS: Mapping[Codec, Mapping[str, float]] = MappingProxyType(
    {
        "h264": {"422": 0.881, "444": 0.772},
        "hevc": {"422": 0.87, "444": 0.754},
        "av1": {},
        "ffv1": {"422": 0.871, "444": 0.676},
    }
)
"""Of the rate where chroma is fuller than 4:2:0, which AV1 is not written with; measured at 8 bits."""


def relative_rate(settings: Settings, video: VideoInfo) -> float:
    """Output pixels a second that upscale's encoder takes in, over those of x264 `medium` at 8 bits and 4:2:0.

    Both on the same machine. With a mezzanine upscale writes that, whatever the delivery codec is. Depth and chroma are
    the output's: see `delivery.output_format`. What no codec holds is not refused here, but where a job is planned.
    """
    pixel_format = output_format(settings, video)
    codec: Codec = "ffv1" if settings.segment_codec == "mezzanine" else settings.codec
    if codec == "prores":
        return PRORES_RATES[prores_profile(settings, video)]
    rate = LOSSLESS_RATE if codec == "ffv1" else PRESET_RATES[codec][settings.preset]
    if pixel_format.endswith("le"):
        rate *= DEEP_FACTORS[codec]
    chroma = next((each for each in CHROMA_FACTORS[codec] if each in pixel_format), None)
    return rate if chroma is None else rate * CHROMA_FACTORS[codec][chroma]
