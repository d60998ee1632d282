"""The page: whole in itself, closed to everything else, readable without its script, and the same every time."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sr_core.compare.comparison import CROP_PX, Comparison, Given, ShotFiles, compare
from sr_core.compare.page import clock, page
from tests.compare.videos import blown_up, flat, texture, write

NAMES = {"source": "a <script>alert(1).mkv", "output": 'b" onload="alert(1)&.mkv'}


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style"):
            self.texts.setdefault(self.found[-1][0], data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def picture_of(uri: str | None) -> NDArray[np.uint8]:
    """(H, W, 3) of an image in a page."""
    assert uri is not None
    decoder = av.CodecContext.create("webp", "r")
    data = base64.b64decode(uri.partition("base64,")[2])
    [frame] = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    return np.asarray(frame.reformat(format="rgb24").to_ndarray())


def compared(source: Path, output: Path, folder: Path, *, count: int = 2) -> tuple[Comparison, tuple[ShotFiles, ...]]:
    given = (Given(name=f"/videos/{NAMES[name]}", path=path) for name, path in (("source", source), ("output", output)))
    return compare(*given, count=count, times=(), scratch=folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    source = write(folder / "source.mkv", texture(), times=range(4))
    output = write(folder / "output.mkv", blown_up(texture()), times=range(4))
    return page(*compared(source, output, folder))


def test_it_names_no_address_and_its_policy_lets_in_nothing_but_itself(made: str) -> None:
    elements = Elements(made)

    [policy] = [str(each["content"]) for each in elements.of("meta") if each.get("http-equiv")]
    digests = {
        tag: base64.b64encode(hashlib.sha256(elements.texts[tag].encode()).digest()).decode()
        for tag in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'; base-uri 'none'; form-action 'none'"
    )
    assert "unsafe" not in policy
    assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[\w+/=]+", "", made).replace("// ", ""))


def test_nothing_in_it_needs_what_the_policy_forbids(made: str) -> None:
    for tag, attributes in Elements(made).found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag


def test_names_of_files_are_text_and_nothing_else(made: str) -> None:
    elements = Elements(made)

    assert [tag for tag, _ in elements.found].count("script") == 1
    assert "a &lt;script&gt;alert(1).mkv" in made
    assert "b&#34; onload=&#34;alert(1)&amp;.mkv" in made
    assert "/videos/" not in made


def test_without_a_script_all_pictures_are_there_each_with_what_it_is(made: str) -> None:
    images = Elements(made).of("img")

    sides = [str(image["alt"]).partition(" at ")[0] for image in images]
    assert sides == ["source, bicubic", "output"] * 2
    assert {picture_of(image["src"]).shape for image in images} == {(64, 96, 3)}
    assert all((image["width"], image["height"]) == ("96", "64") for image in images)


@pytest.mark.parametrize(
    ("codes", "matrix", "color_range"), [((81, 90, 240), 6, 1), ((63, 102, 240), 1, 1), ((76, 85, 255), 6, 2)]
)
def test_colours_are_those_of_the_file(
    codes: tuple[int, int, int], matrix: int, color_range: int, tmp_path: Path
) -> None:
    # Given red, in the numbers of one matrix and range, and an output in others
    source = write(tmp_path / "source.mkv", flat(*codes), matrix=matrix, color_range=color_range, times=range(1))
    output = write(tmp_path / "output.mkv", blown_up(flat(63, 102, 240)), matrix=1, color_range=1, times=range(1))

    images = Elements(page(*compared(source, output, tmp_path, count=1))).of("img")

    # Then both are red
    for image in images:
        assert np.abs(picture_of(image["src"]).astype(int) - (255, 0, 0)).max() <= 3


def test_of_a_large_picture_a_part_is_shown_and_where_it_is(tmp_path: Path) -> None:
    # Given pictures larger than what is shown, with detail in the lower right corner alone
    width, height = CROP_PX[0] + 160, CROP_PX[1] + 60
    luma = np.full((height, width), 60, np.uint8)
    luma[-200:, -200:] = np.random.default_rng(0).integers(16, 236, (200, 200))
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    paths = [write(tmp_path / f"{name}.mkv", lambda _: (luma, chroma, chroma), times=range(1)) for name in "ab"]

    # When they are compared
    found, files = compared(paths[0], paths[1], tmp_path, count=1)
    html = page(found, files)
    elements = Elements(html)

    # Then the page has that corner as it is, says of what it is a part, and shows that
    crop = found.shots[0].crop
    assert crop is not None
    assert (crop.width_px, crop.height_px) == CROP_PX
    assert crop.left_px >= 156
    assert crop.top_px >= 56
    assert elements.of("rect") == [{"x": str(crop.left_px), "y": str(crop.top_px), "width": "960", "height": "540"}]
    assert f"960×540 of {width}×{height}, from {crop.left_px}, {crop.top_px}" in html
    assert all(picture_of(image["src"]).shape == (540, 960, 3) for image in elements.of("img"))
    assert picture_of(elements.of("image")[0]["href"]).shape[1] <= 240


def test_the_same_videos_give_the_same_page(made: str, tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", texture(), times=range(4))
    output = write(tmp_path / "output.mkv", blown_up(texture()), times=range(4))

    assert page(*compared(source, output, tmp_path)) == made


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00.000"), (59.9996, "0:01:00.000"), (3723.5, "1:02:03.500")])
def test_times_are_written_as_a_clock_shows_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text
