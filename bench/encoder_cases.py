"""What `bench.encoders` measures, each delivery encoder at each preset, and the ratios that follow.

Opens no file and starts no encoder.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from bench.rounds import Run
from sr_core.types import Codec, ProresProfile, Settings, VideoInfo

PRESETS: tuple[str, ...] = get_args(Settings.model_fields["preset"].annotation)
DEEP_PRESETS = ("veryfast", "medium", "slow")
"""At which 10 bits are measured, too."""
FRAMES = 96
"""A segment of four seconds at 24 fps, so that look-ahead fills and drains as often as in a job."""
_FEWER_FRAMES: Mapping[tuple[str, str], int] = {
    **{("hevc", preset): 36 for preset in PRESETS},
    ("hevc", "slow"): 24,
    ("hevc", "slower"): 12,
    ("hevc", "veryslow"): 8,
    ("av1", "veryslow"): 48,
    **{("prores", profile): 48 for profile in get_args(ProresProfile)},
}
"""By codec and preset or profile, where FRAMES would take minutes, or where frames do not know of one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One encoder as one job would set it, at the default quality."""

    codec: Codec
    preset: str
    """Or ProRes' profile; "lossless" for FFV1, which is the delivery codec and the mezzanine alike."""
    bit_depth: int = 8
    chroma: Literal["420", "422", "444"] = "420"
    frames: int

    def settings(self) -> Settings:
        """What a user would choose."""
        choice = {"prores": {"prores_profile": self.preset}, "ffv1": {}}.get(self.codec, {"preset": self.preset})
        return Settings.model_validate({"codec": self.codec, **choice})

    def source(self, video: VideoInfo) -> VideoInfo:
        """`video` with the depth and the chroma of this case: what such a source would be."""
        return video.model_copy(update={"bit_depth": self.bit_depth, "chroma": self.chroma})


REFERENCE = Case(codec="h264", preset="medium", frames=FRAMES)
"""What rates are relative to."""
REFERENCE_EVERY = 3
"""Cases, after which the reference is measured again."""


def cases(codec: Codec) -> tuple[Case, ...]:
    """What is measured of a codec: every preset or profile, deeper samples at some, fuller chroma at one."""

    def case(preset: str, **changes: Any) -> Case:
        return Case(codec=codec, preset=preset, frames=_FEWER_FRAMES.get((codec, preset), FRAMES), **changes)

    if codec == "prores":
        chroma = {profile: "444" if profile.startswith("4444") else "422" for profile in get_args(ProresProfile)}
        return tuple(case(profile, bit_depth=10, chroma=chroma[profile]) for profile in chroma)
    presets, deep = (("lossless",), ("lossless",)) if codec == "ffv1" else (PRESETS, DEEP_PRESETS)
    fuller = () if codec == "av1" else ("422", "444")
    return (
        *(case(preset) for preset in presets),
        *(case(preset, bit_depth=10) for preset in deep),
        *(case("lossless" if codec == "ffv1" else "medium", chroma=chroma) for chroma in fuller),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A case on a clip."""

    case: Case
    pixels_per_second: float
    """Of luma, that is of the picture."""
    reference_pixels_per_second: float
    """The mean of the reference measured before it and after it."""
    cores_busy: float
    """As in `rounds.Run`."""
    others_busy: float
    """The same, the most of the case and of the two references."""

    @property
    def relative(self) -> float:
        return self.pixels_per_second / self.reference_pixels_per_second

    def as_json(self) -> dict[str, Any]:
        """Everything, and the ratio."""
        facts = asdict(self)
        return {**facts.pop("case"), **facts, "relative": self.relative}

    def line(self) -> str:
        case = self.case
        return (
            f"{case.codec:<7} {case.preset:<10} {case.bit_depth:>4} {case.chroma:>6} {case.frames:>7} "
            f"{self.pixels_per_second / 1e6:>8.1f} {self.relative:>9.3f} {self.cores_busy:>6.2f} "
            f"{self.others_busy:>7.2f}"
        )


HEADER = (
    f"{'codec':<7} {'preset':<10} {'bits':>4} {'chroma':>6} {'frames':>7} {'Mpx/s':>8} {'relative':>9} {'cores':>6} "
    f"{'others':>7}"
)


Key = tuple[str, str, int, str]
"""Codec, preset, bits and chroma of a case."""


def in_turns(measure: Callable[[Case], Run], of: Sequence[Case], *, pixels: int) -> Iterator[Measured]:
    """Measures each case, the reference before the first, after every REFERENCE_EVERY and after the last.

    So a machine that gets slower or faster meanwhile changes few ratios, and little.

    Args:
        measure: encodes what a case says.
        pixels: of a frame.
    """
    before = measure(REFERENCE)
    for start in range(0, len(of), REFERENCE_EVERY):
        group = of[start : start + REFERENCE_EVERY]
        runs = [measure(case) for case in group]
        after = measure(REFERENCE)
        for case, run in zip(group, runs, strict=True):
            yield Measured(
                case=case,
                pixels_per_second=run.fps * pixels,
                reference_pixels_per_second=(before.fps + after.fps) / 2 * pixels,
                cores_busy=run.cores_busy,
                others_busy=max(each.others_busy for each in (before, run, after)),
            )
        before = after


def merged(figures: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The figures of before, each in its place, the new ones instead of those of the same case and clip, or after."""
    return list({(each["clip"], *_key(each)): each for each in (*figures, *new)}.values())


def relative_rates(figures: Iterable[Mapping[str, Any]]) -> dict[Key, float]:
    """By codec, preset, bits and chroma: the geometric mean of the ratios over the clips."""
    found: dict[Key, list[float]] = {}
    for each in figures:
        found.setdefault(_key(each), []).append(each["relative"])
    return {key: statistics.geometric_mean(ratios) for key, ratios in found.items()}


def factors(rates: Mapping[Key, float]) -> dict[tuple[str, int, str], float]:
    """By codec, bits and chroma: the rate over that of 8 bits and 4:2:0, the geometric mean over the presets."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for (codec, preset, bit_depth, chroma), rate in rates.items():
        plain = rates.get((codec, preset, 8, "420"))
        if plain is not None and (bit_depth, chroma) != (8, "420"):
            found.setdefault((codec, bit_depth, chroma), []).append(rate / plain)
    return {key: statistics.geometric_mean(ratios) for key, ratios in found.items()}


def _key(figure: Mapping[str, Any]) -> Key:
    return figure["codec"], figure["preset"], figure["bit_depth"], figure["chroma"]
