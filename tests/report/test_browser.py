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
