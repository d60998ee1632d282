"""The page in a real browser, with and without its script: `make browser` installs one and runs this.

SR_CHROMIUM names the browser's executable; it is driven by Playwright. Without either these tests skip.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sr_core.compare.comparison import Given, compare
from sr_core.compare.page import page
from tests.compare.videos import texture, write

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: make browser")
CHROMIUM = os.environ.get("SR_CHROMIUM", "")
if not CHROMIUM:
    pytest.skip("SR_CHROMIUM names no browser: make browser", allow_module_level=True)
SIDE_PX = (640, 480)
PHONE, DESK = {"width": 375, "height": 812}, {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a page with two pairs, of a source that is dark and an output that is bright, both noisy."""
    folder = tmp_path_factory.mktemp("page")

    def lit(number: int) -> list[Any]:
        luma, *chroma = texture(size=SIDE_PX)(number)
        return [(luma // 2 + 115).astype(np.uint8), *chroma]

    def dark(number: int) -> list[Any]:
        luma, *chroma = texture(size=(320, 240))(number)
        return [(luma // 4 + 10).astype(np.uint8), *chroma]

    paths = [write(folder / f"{name}.mkv", made, times=range(4)) for name, made in (("dark", dark), ("lit", lit))]
    given = [Given(name=path.name, path=path) for path in paths]
    made = page(*compare(*given, count=2, times=(), scratch=folder))
    (folder / "page.html").write_text(made)
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Visit:
    """A page that is open, and whatever it complained of or asked for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": DESK, **options})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def box(self, selector: str) -> dict[str, float]:
        found: dict[str, float] = self.page.locator(selector).first.bounding_box()
        return found

    def share_of_source(self) -> float:
        """How much of the first pair's window shows the source, by what is on the screen."""
        box = self.page.locator(".view").first
        shot = _brightness(box.screenshot())
        dark = shot[shot.shape[0] // 4, :] < 100
        return float(np.convolve(dark, np.ones(9) / 9, "same").round().mean())


def _brightness(png: bytes) -> Any:
    import av

    decoder = av.CodecContext.create("png", "r")
    [frame] = [*decoder.decode(av.Packet(png)), *decoder.decode(None)]
    return frame.reformat(format="gray").to_ndarray()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    yield visit
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith("data:")] == [address]
    visit.context.close()


def test_at_first_each_side_has_half(visit: Visit) -> None:
    assert visit.share_of_source() == pytest.approx(0.5, abs=0.04)


def test_the_keyboard_alone_moves_the_divider_and_shows_one_side(visit: Visit) -> None:
    # Given the first slider, reached by the tabulator
    for _ in range(20):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.className") == "slide":
            break
    assert visit.page.evaluate("document.activeElement.className") == "slide"

    # When keys are pressed, then the divider follows
    for key, share in (("Home", 0.0), ("End", 1.0)):
        visit.page.keyboard.press(key)
        assert visit.share_of_source() == pytest.approx(share, abs=0.04)
    for _ in range(10):
        visit.page.keyboard.press("ArrowLeft")
    assert 0.5 < visit.share_of_source() < 0.97
    assert "% source" in visit.page.locator(".slide").first.get_attribute("aria-valuetext")


def test_the_mouse_drags_the_divider_and_the_other_pair_stays(visit: Visit) -> None:
    box = visit.box(".view")
    middle = box["y"] + box["height"] / 2

    visit.page.mouse.move(box["x"] + box["width"] / 2, middle)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    visit.page.mouse.up()
    visit.page.mouse.move(box["x"] + box["width"] * 0.75, middle)  # let go: it does not follow

    assert visit.share_of_source() == pytest.approx(0.25, abs=0.04)
    assert float(visit.page.locator(".slide").last.input_value()) == 50


@pytest.mark.parametrize("density", [1, 2])
@pytest.mark.parametrize("zoom", [1, 2])
def test_zoomed_a_pixel_of_the_picture_is_whole_pixels_of_the_screen(
    zoom: int, density: int, browser: Any, address: str
) -> None:
    visit = Visit(browser, address, device_scale_factor=density)

    visit.page.get_by_label(f"{zoom}:1").check()

    width = visit.page.locator(".picture img").first.evaluate("image => image.getBoundingClientRect().width")
    assert width * density == SIDE_PX[0] * zoom
    assert visit.page.locator(".picture img").first.evaluate("image => getComputedStyle(image).imageRendering") == (
        "pixelated"
    )
    visit.context.close()


def test_zoomed_the_divider_stays_in_the_window_while_the_picture_is_scrolled(browser: Any, address: str) -> None:
    visit = Visit(browser, address, viewport=PHONE)
    visit.page.get_by_label("2:1").check()

    visit.page.locator(".view").first.evaluate("view => { view.scrollLeft = 700; }")
    visit.page.wait_for_timeout(100)

    assert visit.share_of_source() == pytest.approx(0.5, abs=0.04)
    view, divider = visit.box(".view"), visit.box(".divider")
    assert divider["x"] + divider["width"] / 2 == pytest.approx(view["x"] + view["width"] / 2, abs=1)
    visit.context.close()


def test_a_finger_drags_the_divider_on_a_phone(browser: Any, address: str) -> None:
    visit = Visit(browser, address, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    box = visit.box(".view")

    visit.page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)

    assert visit.share_of_source() == pytest.approx(0.75, abs=0.05)
    visit.context.close()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("with_script", [True, False], ids=["script", "no script"])
def test_it_fits_the_screen(viewport: dict[str, int], with_script: bool, browser: Any, address: str) -> None:
    visit = Visit(browser, address, viewport=viewport, java_script_enabled=with_script)

    assert visit.box("body")["width"] <= viewport["width"]
    assert visit.box(".picture img")["width"] <= viewport["width"]
    assert visit.box("table")["width"] <= viewport["width"]
    visit.context.close()


def test_without_a_script_pictures_lie_below_one_another_with_what_they_are(browser: Any, address: str) -> None:
    visit = Visit(browser, address, java_script_enabled=False)

    boxes = [image.bounding_box() for image in visit.page.locator(".picture img").all()]
    assert len(boxes) == 4
    assert all(upper["y"] + upper["height"] <= lower["y"] for upper, lower in pairwise(boxes))
    assert [tag.inner_text() for tag in visit.page.locator(".tag").all()] == ["source, bicubic", "output"] * 2
    assert not visit.page.locator(".slide").first.is_visible()
    visit.context.close()


def test_the_policy_stops_what_a_page_could_be_made_to_do(browser: Any, address: str) -> None:
    """Were a script or an address smuggled in, the browser would not follow it."""
    visit = Visit(browser, address)
    blocked: list[str] = []
    visit.page.on("requestfailed", lambda request: blocked.append(request.failure))
    visit.page.evaluate(
        """() => {
            document.body.append(Object.assign(document.createElement("img"), { src: "https://example.org/x.png" }));
            document.body.append(Object.assign(document.createElement("script"), { text: "window.smuggled = 1" }));
            fetch("https://example.org/").catch(() => 0);
        }"""
    )
    visit.page.wait_for_timeout(200)

    assert visit.page.evaluate("window.smuggled") is None
    assert len([text for text in visit.complaints if "Content Security Policy" in text]) >= 3
    assert set(blocked) == {"csp"}
    visit.context.close()
