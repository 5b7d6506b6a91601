from __future__ import annotations

import base64
import html
import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats

from otoscope.errors import FormatError, InputError, UnknownNameError
from otoscope.report import payload
from otoscope.report.assets import best_ranks
from otoscope.report.confounds import layer_confounds
from otoscope.report.descriptions import control_bar, verdict
from otoscope.report.notebook import open_run
from otoscope.report.reading import read_run
from otoscope.report.stage import ReportConfig, report
from otoscope.report.views import Histogram
from otoscope.store import manifest, tables
from otoscope.store.run import Run
from tests.report.conftest import EVIL, FakeLayer, make_sounds, write_run


def content(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


@pytest.fixture(scope="module")
def page(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    report(small_run, out=out)
    return out


def test_the_page_holds_every_neuron_with_its_clips_histogram_and_confounds(
    page: Path, small_run: Path
) -> None:
    data = content(page)
    assert len(data["neurons"]) == 31
    neurons = pl.read_parquet(small_run / "neurons.parquet")
    for one, row in zip(data["neurons"], neurons.iter_rows(named=True), strict=True):
        assert one["n"] == row["neuron"] and one["i"] == row["index"]
        assert bool(one["f"] & 1) == row["dead"]
        assert math.isclose(one["m"][0], row["mean"], rel_tol=1e-3, abs_tol=1e-6)
        assert len(one["r"]) == len(data["measures"]) == 5
        if not row["dead"]:
            assert [clip[1] for clip in one["t"]] == sorted((clip[1] for clip in one["t"]), reverse=True)
            assert sum(one["h"]) == 23, "the failed clip is in no histogram"


def test_nothing_from_outside_can_become_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "window.pwned=1</script>" not in text
    assert "<img src=x" not in text
    assert html.escape(EVIL, quote=False)[:20].replace("&lt;", "<") not in text
    assert "window.pwned=1" in text, "the hostile names are listed, escaped"


def test_the_page_asks_for_nothing_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy and "default-src 'none'" in html.unescape(policy.group(1))
    assert not re.findall(r'(?:src|href)="https?://(?!example\.org)', text)
    assert "connect-src" not in policy.group(1)


def test_each_sound_is_there_once_and_decodes(page: Path, small_run: Path) -> None:
    text = page.read_text(encoding="utf-8")
    sounds = list((small_run / "evidence" / "clips").glob("*.mp3"))
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in sounds]
    shown = {clip[0] for one in content(page)["neurons"] for clip in (*one["t"], *one["b"])}
    for path, data in zip(sounds, encoded, strict=True):
        assert text.count(data) == (int(path.stem) in shown)


def test_size_limit_drops_the_lowest_ranks_first_and_says_so(small_run: Path, tmp_path: Path) -> None:
    whole = report(small_run, out=tmp_path / "whole.html")
    limit = 0.6 * whole.size_bytes / 1e6
    small = report(small_run, config=ReportConfig(max_mb=limit), out=tmp_path / "small.html")
    assert small.size_bytes <= limit * 1e6
    assert small.n_neurons == 31 and small.dropped.n_sounds > 0
    assert small.n_clips_with_sound < whole.n_clips_with_sound
    assert any("without sound" in note for note in small.notes)
    assert small.notes[0].split(",")[0] in (tmp_path / "small.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="raise max_mb"):
        report(small_run, config=ReportConfig(max_mb=0.001), out=tmp_path / "no.html")


def test_no_audio_keeps_pictures(small_run: Path, tmp_path: Path) -> None:
    silent = report(small_run, config=ReportConfig(audio=False), out=tmp_path / "silent.html")
    text = (tmp_path / "silent.html").read_text(encoding="utf-8")
    assert silent.n_clips_with_sound == 0
    assert "audio/mpeg;base64" not in text and "image/webp" in text


def test_two_thousand_neurons_fit_the_default_limit(large_run: Path, tmp_path: Path) -> None:
    made = report(large_run, out=tmp_path / "large.html")
    assert made.n_neurons == 2000
    assert made.size_bytes < 10_000_000


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_every_plot_is_also_a_file(small_run: Path, tmp_path: Path, kind: str) -> None:
    made = report(small_run, config=ReportConfig(plots=kind, plot_neurons=2), out=tmp_path / "report.html")
    assert len(made.plots) >= 4
    for path in made.plots:
        head = path.read_bytes()[:300]
        assert path.suffix == f".{kind}" and (b"%PDF" in head or b"svg" in head)


def test_failures_are_listed_with_their_reasons(page: Path) -> None:
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert f"no samples in {EVIL}" in text


def test_attribution_is_shown_where_the_data_carries_it(page: Path, tmp_path: Path) -> None:
    assert "CC BY 3.0" in page.read_text(encoding="utf-8")


def test_verdicts_by_hand() -> None:
    row = {"testable": True, "q": 0.04, "heldout_pearson": 0.3}
    assert verdict(row, 0.2, 0.05) == "confirmed"
    assert verdict(row, 0.4, 0.05) == "significant"
    assert verdict({**row, "q": 0.06}, 0.2, 0.05) == "chance"
    assert verdict({**row, "q": None}, 0.2, 0.05) == "chance"
    assert verdict({**row, "heldout_pearson": float("nan")}, 0.2, 0.05) == "significant"
    assert verdict({**row, "testable": False}, 0.2, 0.05) == "untestable"


def test_control_bar_is_the_95th_percentile_of_the_layers_own_controls() -> None:
    scores = np.linspace(-1, 1, 101)
    table = pl.DataFrame(
        {"layer": ["a"] * 101 + ["b"] * 3, "control_pearson": [*scores, 5.0, float("nan"), 5.0]}
    )
    assert control_bar(table, "a") == pytest.approx(0.9)
    assert control_bar(table, "b") == pytest.approx(np.quantile([*scores, 5.0, 5.0], 0.95)), (
        "too few of its own"
    )


def test_confounds_equal_scipys_rank_correlation(small_run: Path) -> None:
    data = read_run(small_run)
    found = layer_confounds(data.run, "blocks.1", data.measures)
    activations = data.run.activations("blocks.1")
    for measure in ("level", "pitch"):
        values = data.measures[measure]
        good = ~np.isnan(values) & ~np.isnan(activations[:, 0])
        r, n = found[measure]
        assert n == good.sum()
        expected = scipy.stats.spearmanr(values[good], activations[good, 3]).statistic
        assert r[3] == pytest.approx(expected, abs=1e-5)


def test_best_ranks_by_hand() -> None:
    assert list(best_ranks([[5, 2], [2, 9], [5, 7]]).items()) == [(5, 1), (2, 1), (7, 2), (9, 2)]


def test_payload_numbers_and_escapes() -> None:
    assert payload.rounded(1234567.0) == 1235000 and payload.rounded(float("nan")) is None
    assert json.loads(payload.script_json("</script>\u2028&")) == "</script>\u2028&"
    assert "<" not in payload.script_json("</script>")
    record = payload._edges(Histogram((1, 2), (0.0, 0.5, 1.0)))
    assert record == [0, 1], "even edges are written as their ends"


@pytest.mark.parametrize(
    "change, error, said",
    [
        ({"format_version": 9}, FormatError, "update Otoscope"),
        (None, InputError, "not a run"),
    ],
)
def test_what_is_no_run_is_refused(small_run: Path, tmp_path: Path, change, error, said) -> None:
    if change:
        manifest.write(tmp_path / "run.json", {**manifest.read(small_run / "run.json"), **change})
    with pytest.raises(error, match=said):
        report(tmp_path)


def test_unknown_table_and_option(small_run: Path) -> None:
    with pytest.raises(UnknownNameError, match="db-soft_wpmi"):
        report(small_run, config=ReportConfig(descriptions="tab"))
    with pytest.raises(UnknownNameError, match="max_bm"):
        ReportConfig(max_bm=3)  # type: ignore[call-arg]


def test_a_run_without_descriptions_and_with_dead_neurons_still_has_a_page(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", [FakeLayer("a", 9)], make_sounds(6), failed=())
    table = Run(root).listing("descriptions").popitem()[1]
    table.unlink()
    (root / "stages" / "describe.json").unlink()
    made = report(root)
    assert made.n_neurons == 9


def test_missing_or_broken_evidence_is_counted_not_fatal(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", [FakeLayer("a", 5)], make_sounds(6), failed=())
    sounds = sorted((root / "evidence" / "clips").glob("*.mp3"))
    sounds[0].unlink()
    sounds[1].write_bytes(b"not a sound")
    made = report(root)
    text = html.unescape(made.path.read_text(encoding="utf-8"))
    assert f"evidence/clips/{sounds[0].name}" in text
    assert made.n_clips_with_sound <= len(sounds) - 2


def test_notebook_view_gives_tables_arrays_and_cards(small_run: Path) -> None:
    run = open_run(small_run)
    assert run.layers == ["blocks.0", "blocks.1", "logits"]
    assert run.neurons.height == 31 and run.clips.height == 24
    assert run.activations("blocks.1").shape == (24, 16)
    assert run.descriptions().height > 20 and run.captions().height == 24
    card = run.neuron("blocks.1", 3)
    shown = card._repr_html_()
    assert shown.count("<audio") == len(card.top) + len(card.bottom) > 0
    assert "data:audio/mpeg;base64," in shown and "<polygon" in shown
    assert "<script" not in shown and "<img src=x" not in shown
    assert "blocks.1" in repr(card) and "31 neurons" in repr(run)
    assert "<table>" in run._repr_html_()
    with pytest.raises(UnknownNameError, match=r"Did you mean 'blocks\.1'"):
        run.neuron("bloks.1", 0)
    with pytest.raises(InputError, match="neurons 0 to 15"):
        run.neuron("blocks.1", 16)


def test_card_of_a_dead_neuron_and_of_a_layer_without_time(small_run: Path) -> None:
    run = open_run(small_run)
    assert "dead: it never varied" in run.neuron("blocks.0", 0)._repr_html_()
    assert "<polygon" not in run.neuron("logits", 1)._repr_html_()


def test_report_reads_what_the_stages_write(tmp_path: Path) -> None:
    """The page of a real, tiny run: the fixture's folder is not the only one that works."""
    from otoscope.data import open_data
    from otoscope.models import open_model
    from otoscope.record.config import RecordConfig
    from otoscope.record.stage import record

    run = record(
        open_model("demo:"), open_data("sounds:12"), tmp_path / "r", RecordConfig(layers=("blocks.1",))
    )
    made = report(run.root)
    data = content(made.path)
    live = [one for one in data["neurons"] if not one["f"] & 1]
    assert live and all(len(one["t"][0]) == 7 for one in live), "each ranked clip has its trace"
    assert tables.read(run.root / "clips.parquet").height == 12
