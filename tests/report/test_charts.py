"""Charts of a run's other tables: values by hand, intervals, and that page and paper show the same."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl
import pytest

from otoscope.report.chart_plots import chart_figure
from otoscope.report.charts import Chart, Series, nice_ticks
from otoscope.report.figures import FIGURES, charts_of
from otoscope.report.reading import read_run
from otoscope.report.stage import report
from otoscope.store import tables
from tests.report.conftest import EVIL, SMALL, make_sounds, write_other_methods, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_run(tmp_path_factory.mktemp("charts") / "run", SMALL, make_sounds(8), failed=())
    write_other_methods(root)
    layers = {"layer": ["blocks.0", "blocks.1"], "pole": ["high"] * 2, "least": [4] * 2}
    shares = {"uninterpretable": [0.5, 0.25], "random": [0.75, 0.75], "permuted": [0.6, 0.7]}
    band = {"permuted_low": [0.5, 0.6], "permuted_high": [0.7, 0.8]}
    tables.write(root / "interpretability" / "layers-aa.parquet", pl.DataFrame(layers | shares | band))
    accuracy = {
        "attribute": ["random", "random", "nouns", "nouns"],
        "share": [0.0, 0.1] * 2,
        "accuracy": [0.9, 0.5, 0.9, 0.7],
    }
    spread = {"low": [0.8, 0.4, 0.8, 0.6], "high": [0.95, 0.6, 0.95, None]}
    tables.write(root / "ablations" / "ordered-bb" / "accuracy.parquet", pl.DataFrame(accuracy | spread))
    effects = {
        "concept": ["rain", EVIL], "measure": ["logit"] * 2, "n_neurons": [10, 1200], "selectivity": [1.0, -2.0],
        "change": [-1.0, -3.0], "change_low": [-2.0, -4.0], "change_high": [0.5, -2.0], "rest_change": [-2.0, -1.0],
        "random_change": [-0.5, None],
    }  # fmt: skip
    tables.write(root / "ablations" / "db-cc" / "effects.parquet", pl.DataFrame(effects))
    classes = {
        "concept": [EVIL] * 3, "class": [EVIL, "rain", "dog"], "measure": ["logit"] * 3, "change": [-3.0, -1.0, 0.5],
        "target": [True, False, False], "related": [False, True, False],
    }  # fmt: skip
    tables.write(root / "ablations" / "db-cc" / "classes.parquet", pl.DataFrame(classes))
    return root


def test_every_kind_of_table_becomes_charts_with_its_control(run: Path) -> None:
    charts = {one.name.split("-")[0] + one.kind: one for one in charts_of(read_run(run))}
    assert {one.split(":")[0] for one in FIGURES.values()} == {
        f"otoscope.report.figures.{name}" for name in ("words", "interpretability", "ordered", "ablation")
    }
    few = charts["uninterpretablecurves"]
    assert [one.values for one in few.series] == [(50.0, 25.0), (75.0, 75.0), (60.0, 70.0)]
    assert few.series[2].lows == (50.0, 60.0) and few.series[1].role == "control"
    fall = charts["accuracycurves"]
    assert [one.name for one in fall.series] == ["nouns", "random"] and fall.series[1].role == "control"
    assert fall.series[0].highs == (95.0, None) and fall.labels == ("0", "10")
    lost = charts["ablationbars"]
    assert lost.labels == (f"{EVIL} (1,200)", "rain (10)"), "the most selective first"
    assert lost.series[0].values == (-3.0, -1.0) and lost.series[2].values == (None, -0.5)
    assert charts["classesbars"].labels == (f"{EVIL} (own class)", "rain (related)", "dog")
    assert charts["adjectivesbars"].labels == tuple(sorted(["steady", EVIL]))


def test_ticks_are_round_and_enclose_everything() -> None:
    assert nice_ticks(-3.2, 0.4) == (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0)
    assert nice_ticks(0.0, 0.0)[-1] > 0
    for low, high in ((0, 35), (-0.01, 0.002), (0, 1e6), (-7, 900)):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 6
    chart = Chart("a", "curves", "", "", ("0", "1", "4"), (Series("s", (None,) * 3),), places=(0, 1, 4))
    assert chart.shares == (0, 0.25, 1) and chart.ticks == (0.0, 1.0)


def test_the_page_draws_them_and_text_stays_text(run: Path, tmp_path: Path) -> None:
    text = report(run, out=tmp_path / "report.html").path.read_text(encoding="utf-8")
    assert text.count('class="curves"') == 3 and "Accuracy without neurons" in text
    assert "window.pwned=1</script>" not in text and html.escape(f"{EVIL} (1,200)", quote=True)[:30] in text


def test_on_paper_each_series_has_its_values(run: Path) -> None:
    for chart in charts_of(read_run(run)):
        axis = chart_figure(chart).axes[0]
        assert axis.get_title() == chart.title
        if chart.kind == "curves":
            assert len(axis.get_lines()) >= len(chart.series)
