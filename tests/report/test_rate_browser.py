"""The rating page in a real browser: by keyboard, kept over a reload, saved as JSON and CSV, read back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otoscope.report.rate import RateConfig, RatePage, rate, read_ratings
from tests.report.conftest import SMALL, make_sounds, write_run
from tests.report.test_browser import ARGUMENTS, CHROMIUM, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RatePage:
    root = write_run(tmp_path_factory.mktemp("rate") / "run", SMALL, make_sounds(10), failed=())
    return rate(root, config=RateConfig(neurons=2, clips=2, layers=("blocks.1",)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def test_rated_by_keyboard_kept_and_read_back(browser: Any, made: RatePage, tmp_path: Path) -> None:
    context = browser.new_context(
        viewport={"width": 1000, "height": 900}, offline=True, accept_downloads=True
    )
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{made.path}")
    page.focus("#rater")
    page.keyboard.type("Ada <b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("#own")
    assert page.locator(".lines").count() == 0, "no description before the rater's own words"
    page.focus("#own")
    page.keyboard.type('=a "hum", perhaps')
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lines")
    assert page.locator("#own").get_attribute("readonly") is not None
    n_lines = page.locator(".lines li").count()
    for line in range(n_lines):
        page.locator(f"input[name=rating-{line}]").first.focus()
        page.keyboard.press("Space")
        for _ in range(line % 5):
            page.keyboard.press("ArrowRight")
    wait_until(page, "document.getElementById('place').innerText.includes('1 rated')")
    page.evaluate("document.querySelector('audio').play()")
    wait_until(page, "document.querySelector('audio').currentTime > 0.1")
    page.reload()
    page.click("#begin button")
    page.wait_for_selector(".lines")
    checked = page.locator(".lines input:checked").evaluate_all(
        "found => found.map((one) => Number(one.value))"
    )
    assert checked == [1 + line % 5 for line in range(n_lines)]
    page.click("#to-end")
    assert "1 of 2" in page.inner_text("#done")
    files = []
    for button, suffix in (("#save-json", "json"), ("#save-csv", "csv")):
        with page.expect_download() as download:
            page.click(button)
        files.append(tmp_path / f"answers.{suffix}")
        download.value.save_as(files[-1])
    assert said == [] and not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    context.close()
    found = [read_ratings(made.path.parents[2], [one]) for one in files]
    assert found[0].ratings.equals(found[1].ratings) and found[0].texts.equals(found[1].texts)
    assert set(found[0].ratings["rater"]) == {"Ada <b>"}
    assert found[0].texts["own_words"].to_list() == ['=a "hum", perhaps']
    assert sorted(found[0].ratings.unique("option")["rating"]) == sorted(checked)


def test_fits_a_phone(browser: Any, made: RatePage) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    phone.goto(f"file://{made.path}")
    phone.fill("#rater", "Bo")
    phone.keyboard.press("Enter")
    phone.click("#reveal")
    phone.wait_for_selector(".lines")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 391
    assert "null" not in phone.inner_text("#rating")
    phone.close()
