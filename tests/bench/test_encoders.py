"""The bench of encoders: what it measures, the arithmetic of its ratios, and a run on a small clip."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from bench import encoders
from bench.encoder_cases import PRESETS, REFERENCE, Case, cases, factors, in_turns, merged, relative_rates
from bench.rounds import Run
from sr_core.delivery import delivery_encoding
from sr_core.types import Codec, ProresProfile
from sr_core.video.probe import probe
from tests.builders import video

from .builders import FRAMES, run

CODECS: tuple[Codec, ...] = get_args(Codec)


def case(preset: str = "medium", **changes: Any) -> Case:
    return Case(**{"codec": "h264", "preset": preset, "frames": FRAMES, **changes})


def figure(preset: str, relative: float, *, clip: str = "a.mp4", bit_depth: int = 8) -> dict[str, Any]:
    facts = {"codec": "h264", "preset": preset, "bit_depth": bit_depth, "chroma": "420"}
    return {"clip": clip, **facts, "relative": relative}


class TestCases:
    @pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
    def test_every_preset_is_measured_at_8_bits_and_three_at_10(self, codec: Codec) -> None:
        at = {(each.preset, each.bit_depth, each.chroma) for each in cases(codec)}

        assert {(preset, 8, "420") for preset in PRESETS} < at
        assert sum(bit_depth == 10 for _, bit_depth, _ in at) == 3

    def test_every_profile_of_prores_is_measured(self) -> None:
        assert [each.preset for each in cases("prores")] == list(get_args(ProresProfile))

    @pytest.mark.parametrize("codec", CODECS)
    def test_a_job_would_set_the_encoder_so(self, codec: Codec) -> None:
        for each in cases(codec):
            # When a job's encoding is asked for, it is not refused
            encoding = delivery_encoding(each.settings(), each.source(video()), width_px=1280, height_px=960)
            # And it has the case's depth, chroma and preset
            deep = "10le" if each.bit_depth == 10 else ""
            assert encoding.pixel_format == f"yuv{each.chroma}p{deep}"
            if codec in ("h264", "hevc"):
                assert ("preset", each.preset) in encoding.options
            if codec == "prores":
                assert ("profile", each.preset) in encoding.options


class TestRatios:
    def test_a_case_is_held_against_the_references_around_it(self) -> None:
        # Given a machine on which the reference slows down from run to run, and others disturb the last
        references = iter([run(10), run(6), run(4, others_busy=0.5)])
        order: list[str] = []

        def measure(each: Case) -> Run:
            order.append("reference" if each is REFERENCE else each.preset)
            return next(references) if each is REFERENCE else run(16)

        # When four cases are measured of pictures of 100 pixels
        found = list(in_turns(measure, [case("ultrafast"), case("fast"), case("slow"), case("slower")], pixels=100))

        # Then the first three lie between the first two references, and the fourth between the second and the third
        assert order == ["reference", "ultrafast", "fast", "slow", "reference", "slower", "reference"]
        assert [each.relative for each in found] == [2.0, 2.0, 2.0, 3.2]
        assert [each.reference_pixels_per_second for each in found] == [800, 800, 800, 500]
        assert {each.pixels_per_second for each in found} == {1600}
        # And whatever disturbed one of the three is told of
        assert [each.others_busy for each in found] == [0, 0, 0, 0.5]

    def test_a_rate_is_the_geometric_mean_over_the_clips(self) -> None:
        rates = relative_rates([figure("fast", 1.0), figure("slow", 0.5), figure("fast", 4.0, clip="b.mp4")])

        assert rates == pytest.approx({("h264", "fast", 8, "420"): 2.0, ("h264", "slow", 8, "420"): 0.5})

    def test_a_factor_is_the_geometric_mean_over_the_presets(self) -> None:
        plain = {("h264", "fast", 8, "420"): 2.0, ("h264", "slow", 8, "420"): 0.5, ("h264", "faster", 8, "420"): 3.0}
        deep = {("h264", "fast", 10, "420"): 1.0, ("h264", "slow", 10, "420"): 0.4}

        # Then of a half and of four fifths; ProRes, which has no 8 bits, has no factor
        assert factors({**plain, **deep, ("prores", "hq", 10, "422"): 1.0}) == pytest.approx(
            {("h264", 10, "420"): (0.5 * 0.8) ** 0.5}
        )

    def test_what_is_measured_again_takes_its_place(self) -> None:
        before = [figure("fast", 1.0), figure("fast", 2.0, clip="b.mp4"), figure("fast", 3.0, bit_depth=10)]
        again, more = figure("fast", 1.5), figure("slow", 0.5)

        assert merged(before, [again, more]) == [again, *before[1:], more]


def test_a_clip_is_enlarged_and_encoded_as_a_case_says(source: Path, tmp_path: Path) -> None:
    # Given a small clip, made twice as wide and high
    clip = encoders.Clip(source, tmp_path, scale=2, frames=FRAMES)
    assert (clip.video.width_px, clip.video.height_px, clip.pixels) == (128, 96, 128 * 96)

    # When it is encoded at two depths, then with fuller chroma and fewer frames
    for each in (
        case("ultrafast"),
        case("ultrafast", bit_depth=10),
        case("hq", codec="prores", bit_depth=10, chroma="422", frames=2),
        case("lossless", codec="ffv1", chroma="444", frames=3),
    ):
        speed = clip.run(each)
        # Then the writer's file has the case's frames in the case's format
        written = probe(tmp_path / "encoded.mkv")
        assert (written.frame_count, written.bit_depth, written.chroma) == (each.frames, each.bit_depth, each.chroma)
        assert speed.fps > 0


def test_figures_are_printed_and_taken_into_the_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a folder of reference media with one of the clips, and a file that holds a figure of the other
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "bikes.mp4").symlink_to(source)
    monkeypatch.setenv("SR_REFERENCE_MEDIA", str(tmp_path))
    before = figure("fast", 1.25, clip="realshort.mp4")
    path = tmp_path / "encoders.json"
    path.write_text(json.dumps({"figures": [before]}))

    # When both are to be measured
    code = encoders.main(["--codec", "prores", "--preset", "proxy", "--json", str(path)])

    # Then the one that is not there is skipped, and what is new comes after what was there
    out = capsys.readouterr().out
    assert code == 0
    assert "realshort.mp4: skipped, not among the reference media; set SR_REFERENCE_MEDIA" in out
    kept, new = json.loads(path.read_text())["figures"]
    assert kept == before
    assert (new["clip"], new["size"], new["codec"], new["preset"]) == ("bikes.mp4", "128×96", "prores", "proxy")
    assert new["relative"] == new["pixels_per_second"] / new["reference_pixels_per_second"] > 0


def test_without_reference_media_nothing_is_measured_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SR_REFERENCE_MEDIA", str(tmp_path))

    assert encoders.main(["--json", str(tmp_path / "encoders.json")]) == 0

    assert capsys.readouterr().out.count("skipped, not among the reference media") == 2
    assert not (tmp_path / "encoders.json").exists()
