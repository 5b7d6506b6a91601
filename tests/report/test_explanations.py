"""The page of explained clips: what stands on it, what is left out, and players in step in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoscope.audio.write import write
from otoscope.errors import StageError
from otoscope.explain.stage import explain
from otoscope.models import cnn
from otoscope.report.explained import drawing
from otoscope.report.explained.views import clips
from otoscope.report.stage import ReportConfig, report
from otoscope.store.explanations import listing
from tests.report.test_browser import ARGUMENTS, CHROMIUM

EVIL = "<img src=x onerror=window.pwned=1>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that holds nothing but explanations: two sounds by two methods, one class named evilly."""
    root = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(0)
    for place in range(2):
        time_s = np.arange(16000) / 16000
        wave = 0.2 * np.sin(2 * np.pi * 800 * (place + 1) * time_s) * (
            time_s > 0.5
        ) + 0.01 * rng.standard_normal(16000)
        write(root / f"sound {place}.wav", wave[None].astype(np.float32), 16000)
    model = cnn.build((EVIL, "rain"), width=4, clip_s=1.0, n_mels=32).eval()
    config = {"methods": ("amt", "saliency"), "controls": ("random-matched",), "draws": 2}
    explain(model, None, root / "run", config, which=sorted(root.glob("*.wav")))
    return root / "run"


@pytest.fixture(scope="module")
def page_file(run: Path) -> Path:
    return report(run).path


def test_a_run_of_explanations_alone_has_a_page(run: Path, page_file: Path) -> None:
    text = page_file.read_text()
    assert page_file == run / "report.html" and len(text) < 1_000_000
    assert EVIL not in text and "&lt;img src=x onerror=window.pwned=1&gt;" in text
    for said in ("sound 0.wav", "saliency", "random, matched", "Fid-In", "explained-sound-0.1-remainder"):
        assert said in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_what_does_not_fit_is_counted_and_sound_can_be_left_out(run: Path, tmp_path: Path) -> None:
    tight = report(run, config=ReportConfig(max_mb=0.3), out=tmp_path / "tight.html")
    assert tight.size_bytes < 300_000 and "without sound" in tight.notes[0]
    silent = report(run, config=ReportConfig(audio=False), out=tmp_path / "silent.html")
    assert "explained-sound-" not in silent.path.read_text() and silent.notes == ()


def test_an_empty_run_says_what_writes_into_it(run: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text((run / "run.json").read_text())
    with pytest.raises(StageError, match="holds nothing yet"):
        report(tmp_path)


def test_views_have_the_explained_class_first(run: Path) -> None:
    (one, two) = clips(listing(run))
    assert [view.method for view in one.explanations] == ["amt", "saliency"] and two.row is None
    view = one.explanations[0]
    assert view.probabilities[0].explained and view.controls == ("random-matched",)
    row = {row.key: row for row in view.measures}["faithfulness"]
    assert row.value is not None and row.controls[0].low <= row.controls[0].value <= row.controls[0].high


def test_a_mask_lies_where_the_picture_has_its_frequency() -> None:
    mask = np.zeros((513, 63))
    mask[128] = 1  # 2 kHz at 16 kHz
    rows = drawing._rows(513, 16000)
    (row,) = [place for place, (low, high) in enumerate(rows) if low <= 128 < high][:1]
    height = 1 - (row + 0.5) / drawing.HEIGHT
    assert height == pytest.approx(np.log10(1 + 2000 / 700) / np.log10(1 + 8000 / 700), abs=0.01)
    assert drawing.mask(mask, 16000, 1.0, np.arange(63) * 0.016)[:4] == b"RIFF"


def until(page: Any, fulfilled: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so; the page's policy forbids the browser's own way of waiting for a function."""
    for _ in range(int(seconds * 20)):
        if fulfilled():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not become so")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(f"file://{page_file}")
    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    opened.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_original_explanation_and_remainder_share_one_playhead(page: Any) -> None:
    first = page.locator(".explained").first
    first.locator(".go").click()
    until(page, lambda: first.locator(".clock").text_content() > "0.1")
    first.locator("button[data-sound=remainder]").click()
    until(page, lambda: first.locator(".go").text_content() == "▶")
    assert first.locator(".of").text_content() == "remainder by amt"
    assert first.locator("button[data-sound=remainder]").get_attribute("aria-pressed") == "true"
    heads = {head.evaluate("one => one.style.left") for head in first.locator(".playhead").all()}
    assert heads == {"100%"}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_picture_chooses_its_method_and_its_moment(page: Any) -> None:
    stage = page.locator(".explained").nth(1).locator(".way").nth(1).locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 20)
    second = page.locator(".explained").nth(1)
    assert second.locator(".of").text_content() == "explanation by saliency"
    assert float(stage.get_attribute("aria-valuenow")) == pytest.approx(0.25, abs=0.02)
    page.keyboard.press("1")
    assert second.locator("button[data-sound=original]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowRight")
    assert float(stage.get_attribute("aria-valuenow")) == pytest.approx(0.75, abs=0.02)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_masks_are_drawn_in_colour(page: Any) -> None:
    page.locator(".explained .way canvas").first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    colours = page.evaluate(
        """() => { const c = document.querySelector('.explained .way canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i] > d[i + 2] + 40 && d[i + 3] > 20) n++; return n; }"""
    )
    assert colours > 500
    assert page.evaluate("window.pwned") is None
