"""`sr compare` as a person calls it: a page beside the output, figures, and one line for whatever is wrong."""

import json
from pathlib import Path

import pytest

from sr_core.cli import compare as command
from sr_core.cli.main import main
from sr_core.contract import ExitCode
from sr_core.video.vmaf import has_vmaf
from tests.compare.videos import blown_up, texture, write


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write(tmp_path / "film.mkv", texture(), times=range(4)))


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(write(tmp_path / "film-upscaled.mp4", blown_up(texture()), times=range(4)))


def left(folder: Path) -> set[str]:
    """Names of what is neither of the two videos."""
    return {path.name for path in folder.iterdir()} - {"film.mkv", "film-upscaled.mp4"}


def test_the_page_lands_beside_the_output_and_the_figures_are_told(
    source: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", source, output, "--frames", "2"]) == ExitCode.OK

    told = capsys.readouterr()
    page = tmp_path / "film-upscaled-compare.html"
    assert told.out == (
        f"{page}: 2 pictures of 4 frames, 0.0 MB\n  scaled back down, beside the source: equal in every frame\n"
    )
    assert told.err == ""
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert left(tmp_path) == {page.name}


def test_machines_get_one_object(source: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = str(write(tmp_path / "true.mkv", blown_up(texture()), times=range(4)))

    code = main(["compare", source, output, "--reference", reference, "--at", "0.1", "0:00.35", "--json"])

    answer = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert answer["page"] == str(tmp_path / "film-upscaled-compare.html")
    assert [shot["index"] for shot in answer["shots"]] == [1, 3]
    assert answer["measured"]["round_trip"] == answer["measured"]["output_to_reference"]
    assert answer["measured"]["enlargement_to_reference"]["psnr_db"] < 40
    assert (answer["source"]["name"], answer["output"]["displayed_width_px"]) == ("film.mkv", 96)
    assert (answer["has_vmaf"], answer["output_vmaf"] is None) == (has_vmaf(), not has_vmaf())


def test_without_libvmaf_it_says_so(
    source: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sr_core.compare.comparison.has_vmaf", lambda: False)
    reference = str(write(tmp_path / "true.mkv", blown_up(texture()), times=range(4)))

    assert main(["compare", source, output, "--reference", reference, "--frames", "1"]) == ExitCode.OK

    assert "VMAF: not measured, the ffmpeg command at hand has no libvmaf" in capsys.readouterr().out
    assert "VMAF is not measured" in (tmp_path / "film-upscaled-compare.html").read_text()


def test_videos_of_other_things_are_remarked_on(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(write(tmp_path / "film-upscaled.mp4", blown_up(texture(seed=1)), times=range(4)))

    assert main(["compare", source, other, "--frames", "1"]) == ExitCode.OK

    warning = capsys.readouterr().err
    assert "sr: warning: scaled back down, film-upscaled.mp4 is far from film.mkv" in warning
    assert warning.count("\n") == 1


def test_what_makes_pictures_or_figures_less_than_they_seem_is_told(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an output that starts two seconds later than its source, and is HDR
    output = write(tmp_path / "film-upscaled.mp4", blown_up(texture()), times=range(20, 24), transfer=16)

    # When they are compared
    assert main(["compare", source, str(output)]) == ExitCode.OK

    # Then both are said, to the person and on the page
    told = capsys.readouterr()
    assert "equal in every frame" in told.out
    page = (tmp_path / "film-upscaled-compare.html").read_text()
    for warning in ("starts 2.000 s later than film.mkv", "film-upscaled.mp4 is HDR (PQ)"):
        assert warning in told.err
        assert warning in page


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line with which a command is refused."""
    assert main(arguments) == ExitCode.INPUT
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1), told.err
    return told.err


def test_swapped_videos_are_told_to_be(
    source: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(["compare", output, source], capsys)

    assert "film.mkv is 48×32, smaller than" in told
    assert "give the source first" in told
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"times": range(3)}, "film-upscaled.mp4 has 3 frames and"),
        ({"times": [0, 1, 3, 4]}, "frame 2 of"),
        ({"picture": blown_up(texture(size=(48, 48)))}, "another shape"),
    ],
    ids=["count", "times", "shape"],
)
def test_videos_that_do_not_belong_together_are_refused(
    made: dict[str, object], told: str, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, object] = {"picture": blown_up(texture()), "times": range(4), **made}
    output = write(tmp_path / "film-upscaled.mp4", **options)  # type: ignore[arg-type]  # see the cases

    assert told in refused(["compare", source, str(output)], capsys)
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "page.mp4"], "page.mp4 is not a page's name; let it end in .html"),
        (["--at", "7"], "ends at 0.400 s"),
        (["--at", "noon"], "'noon' is not a time"),
        (["--frames", "25"], "ask for 24 at most"),
        (["--frames", "2", "--at", "1"], "not allowed with argument"),
        (["--reference", "SOURCE"], "are the same file"),
        (["--reference", "no-such.mp4"], "no-such.mp4 does not exist"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], told: str, source: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [source if option == "SOURCE" else option for option in options]

    assert told in refused(["compare", source, output, *options], capsys)
    assert left(tmp_path) == set()


def test_a_reference_of_another_size_is_refused(
    source: str, output: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reference = str(write(tmp_path / "true.mkv", blown_up(texture(), 4), times=range(4)))

    assert "give a reference of the output's size" in refused(
        ["compare", source, output, "--reference", reference], capsys
    )


def test_a_page_that_is_there_stays_unless_it_may_be_replaced(
    source: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "mine.html"
    page.write_text("mine")

    assert "mine.html exists; add --overwrite" in refused(["compare", source, output, "-o", str(page)], capsys)
    assert page.read_text() == "mine"

    assert main(["compare", source, output, "-o", str(page), "--overwrite", "--frames", "1"]) == ExitCode.OK
    assert page.read_text() != "mine"


def test_what_fails_on_the_way_leaves_no_page(
    source: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "page", interrupted)

    assert main(["compare", source, output]) == ExitCode.INTERRUPTED
    assert "nothing is left behind" in capsys.readouterr().err
    assert left(tmp_path) == set()


@pytest.mark.parametrize("damaged", ["source", "output"])
def test_a_file_that_is_no_video_is_named(
    damaged: str, source: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path({"source": source, "output": output}[damaged])
    path.write_bytes(b"no video" * 100)

    assert f"{path} is not a video file" in refused(["compare", source, output], capsys)
