"""The page in a real browser: no error, no request, search, sorting, keys, and a player that plays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otoscope.report.stage import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_file(large_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    report(large_run, out=path)
    return path


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.said, opened.asked = [], []
    opened.on(
        "console", lambda message: opened.said.append(message.text) if message.type == "error" else None
    )
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(f"file://{page_file}")
    yield opened
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert not opened.evaluate("window.pwned")
    opened.close()


def wait_until(page: Any, expression: str, timeout_s: float = 10.0) -> None:
    """Wait for a condition from outside: the page's own policy forbids evaluating strings in it."""
    for _ in range(int(timeout_s * 20)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def rows(page: Any) -> list[str]:
    return page.locator("#rows [role=row]").all_inner_texts()


def test_opens_without_error_and_shows_the_overview(page: Any) -> None:
    assert page.locator("h1").first.is_visible()
    assert "2,000 neurons" in page.locator("main:not([hidden])").inner_text()


def test_search_narrows_the_table(page: Any) -> None:
    page.keyboard.press("/")
    page.wait_for_selector("#search:focus")
    page.keyboard.type("humming")
    wait_until(page, "!document.getElementById('count').innerText.startsWith('2,000')")
    everything = 2000
    found = int(page.locator("#count").inner_text().split()[0].replace(",", ""))
    assert 0 < found < everything and any("humming" in row for row in rows(page))
    page.keyboard.type("qqqq")
    wait_until(page, "document.querySelectorAll('#rows [role=row]').length === 0")


def test_sorting_by_a_column_reverses_on_the_second_click(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#rows [role=row]")
    header = page.locator("[data-sort=neuron] button")
    header.click()
    first = rows(page)[0]
    header.click()
    assert rows(page)[0] != first
    assert {first.split()[0], rows(page)[0].split()[0]} == {"0", "399"}


def test_only_the_visible_rows_of_two_thousand_are_in_the_document(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#rows [role=row]")
    assert len(rows(page)) < 200


def test_arrow_keys_walk_through_the_neurons(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#panel h2, #panel header, #panel *")
    before = page.locator("#panel").inner_text()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(300)
    assert page.locator("#panel").inner_text() != before


def test_a_player_really_plays(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#panel *")
    page.evaluate(
        """() => { window.times = [];
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () { window.player = this; return play.call(this); }; }"""
    )
    page.keyboard.press(" ")
    wait_until(page, "window.player && window.player.currentTime > 0.2")
    assert page.evaluate("window.player.duration") > 1.0
    page.keyboard.press(" ")
    wait_until(page, "window.player.paused")


def test_the_playhead_and_the_peak_stand_where_the_sound_is(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#panel .clip .peak")
    page.evaluate(
        """() => { const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () { window.player = this; return play.call(this); }; }"""
    )
    clip = page.locator("#panel .clip").first
    said = float(clip.locator(".seek").inner_text().split()[1])
    box, peak = clip.locator(".view").bounding_box(), clip.locator(".peak").bounding_box()
    share = (peak["x"] - box["x"]) / box["width"]
    seconds = share * 1.2
    assert abs(seconds - said) < 0.03, "the peak's line stands at its second"
    clip.locator(".view").click(position={"x": box["width"] / 2, "y": 40})
    wait_until(page, "window.player && !window.player.paused")
    page.evaluate("window.player.pause()")
    head = clip.locator(".head-line").bounding_box()
    now, length = page.evaluate("[window.player.currentTime, window.player.duration]")
    assert abs(length - 1.2) < 0.1 and now >= 0.55
    assert abs((head["x"] - box["x"]) / box["width"] - now / 1.2) < 0.05


def test_axes_have_units_and_numbers_their_control(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#panel .clip")
    clip = page.locator("#panel .clip").first
    assert "8 kHz" in clip.locator(".hertz").inner_text() and " s" in clip.locator(".times").inner_text()
    trust = page.locator("#panel .trust").first.inner_text()
    for word in ("r = ", "95 % interval", "Control", "q "):
        assert word in trust, trust


def test_filters_by_keyboard_and_a_way_back(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#neurons")
    page.wait_for_selector("#rows [role=row]")
    page.focus("#by-layer")
    page.keyboard.press("ArrowDown")
    wait_until(page, "document.getElementById('count').innerText.startsWith('400 of')")
    page.focus("#reset")
    page.keyboard.press("Enter")
    wait_until(page, "document.getElementById('count').innerText === '2,000 neurons'")
    page.keyboard.press("ArrowDown")
    wait_until(page, "document.activeElement.id === 'rows'")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    wait_until(page, "document.activeElement.id === 'panel'")


def test_summaries_and_words_of_further_methods(browser: Any, said_run: Path, tmp_path: Path) -> None:
    report(said_run, out=tmp_path / "report.html")
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.goto(f"file://{tmp_path}/report.html#neuron/blocks.1/3")
    opened.wait_for_selector("#panel .methods")
    said = opened.locator("#panel .methods").inner_text()
    assert "cosine 0.83" in said and "not a word for sound" in said and "Calibrated summary" in said
    marked = opened.locator("#panel .pair")
    colours = marked.evaluate_all("found => found.map((one) => getComputedStyle(one).backgroundColor)")
    assert len(colours) == 2 and colours[0] == colours[1] != "rgba(0, 0, 0, 0)"
    assert opened.locator("#panel .chips .removed").all_inner_texts()[0].startswith("Dutch")
    opened.locator("#search").fill("steady hum")
    wait_until(opened, "document.querySelectorAll('#rows [role=row]').length === 1")
    assert not opened.evaluate("window.pwned")
    opened.close()


@pytest.mark.parametrize("where", ["", "#neurons", "#clips", "#guide", "#neuron/encoder.layers.2/7"])
def test_nothing_hangs_over_the_edge_of_a_phone(browser: Any, page_file: Path, where: str) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 800})
    phone.goto(f"file://{page_file}{where}")
    wait_until(phone, "document.querySelector('main:not([hidden])') !== null")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 391
    phone.close()


def test_readable_on_a_phone_and_in_the_dark(browser: Any, page_file: Path) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    phone.goto(f"file://{page_file}#neurons")
    phone.wait_for_selector("#rows [role=row]")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), (
        "nothing hangs over the edge"
    )
    background = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(one) for one in background.strip("rgba()").split(",")[:3])
    assert red + green + blue < 200, background
    phone.close()
