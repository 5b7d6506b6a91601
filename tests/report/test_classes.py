"""Class-selective neurons in the report: views, heat maps in their order, plots, and the page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from otoscope.errors import StageError
from otoscope.report.classes import classes_view, heat_map, task_views
from otoscope.report.classes_plots import write_selection, write_sharing
from otoscope.report.stage import report
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import Run, open_run
from tests.report.conftest import SMALL, make_sounds, write_run
from tests.report.test_browser import CHROMIUM, browser  # noqa: F401

SELECTION = "auroc-0123abcd"
CLASSES = ("chirp", "hum", "<b>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small run with a selection of five neurons, written by hand."""
    opened = open_run(write_run(tmp_path_factory.mktemp("classes") / "run", SMALL, make_sounds(24)))
    folder = opened.root / "selectivity" / SELECTION
    owners = {0: [0], 3: [0, 1], 5: [1], 13: [0, 1], 20: [1]}
    neurons = opened.neurons().select("neuron", "layer", "index")
    lists = [[CLASSES[c] for c in owners.get(one, [])] for one in range(neurons.height)]
    chosen = neurons.with_columns(
        task=pl.lit("kind"),
        selected=pl.Series([bool(one) for one in lists]),
        classes=pl.Series(lists, dtype=pl.List(pl.String)),
    )
    tables.write(folder / "neurons.parquet", chosen)
    triples = chosen.filter("selected").explode("classes").rename({"classes": "class"})
    triples = triples.with_columns(score=0.8 + pl.col("neuron") / 100, p=pl.lit(0.001))
    tables.write(folder / "triples.parquet", triples)
    sizes = {"chirp": 3, "hum": 4, "<b>": 0}
    tables.write(
        folder / "classes.parquet",
        pl.DataFrame(
            [
                {"task": "kind", "class": name, "n_clips": 8, "n_groups": 8, "n_neurons": n, "chance_n_neurons": 0.1}
                for name, n in sizes.items()
            ]
        ),
    )  # fmt: skip
    counts = chosen.group_by("layer", maintain_order=True).agg(
        n_neurons=pl.len(), n_selected=pl.col("selected").sum()
    )
    tables.write(folder / "layers.parquet", counts.with_columns(task=pl.lit("kind"), coverage=pl.lit(2 / 3)))
    row = {
        "task": "kind", "method": "auroc", "rule": "fdr", "unit": "token", "exchanged": "group", "n_clips": 24,
        "folds": "1-4", "n_groups": 24, "n_classes": 3,
        "n_neurons": 31, "n_selected": 5, "n_pairs": 7, "coverage": 2 / 3,
        "mean_per_class": 7 / 3, "median_per_class": 3.0, "min_per_class": 0, "max_per_class": 4,
        "classes_per_neuron": 1.4, "stability": None, "chance_n_selected": 0.25, "chance_coverage": 0.1,
        "p_n_pairs": 0.05, "p_coverage": 0.05, "attainable_p": 1e-9, "testable": True,
    }  # fmt: skip
    tables.write(
        folder / "statistics.parquet", pl.DataFrame([row], schema_overrides={"stability": pl.Float64})
    )
    thresholds = {"task": ["kind"], "threshold": ["p_cut"], "value": [0.01]}
    tables.write(folder / "thresholds.parquet", pl.DataFrame(thresholds))
    runs.commit_stage(opened, "select", 2, {"name": SELECTION}, {}, [])
    pairs = [("chirp", "hum", 2, 0.4, 0.01), ("chirp", "<b>", 0, 0.0, None), ("hum", "<b>", 0, 0.0, None)]
    place = {"chirp": 2, "hum": 1, "<b>": 0}
    shared = pl.DataFrame(
        [
            {
                "task": "kind", "other_task": "kind", "class": a, "other_class": b, "n_neurons": sizes[a],
                "n_other_neurons": sizes[b], "shared": n, "jaccard": j, "expected": 0.1, "p_more": q, "q_more": q,
                "p_less": q and 0.9, "q_less": q and 0.9, "place": place[a], "other_place": place[b],
            }
            for a, b, n, j, q in pairs
        ]
    )  # fmt: skip
    tables.write(opened.root / "sharing" / "kind-0123abcd.parquet", shared)
    contrast = {"n_inside": 1, "n_outside": 0, "inside": 0.4, "outside": 0.1, "expected": 0.05, "p": 0.01}
    notes = {"contrasts": {"noisy": contrast, "empty": {**contrast, "p": None}}}
    inputs = [{"selection": SELECTION, "task": "kind", "record": "ab"}]
    runs.commit_stage(opened, "share-kind-0123abcd", 2, {"null": "margins"}, inputs, [], notes)
    return opened


def test_views(run: Run) -> None:
    view = classes_view(run)
    assert view.tasks[0].part == view.others[0].part == "folds 1-4"
    (task,) = view.tasks
    assert (view.selection, view.effect, task.coverage, task.stability) == (SELECTION, "AUROC", 2 / 3, None)
    assert [(one.name, one.n_neurons, len(one.neurons)) for one in task.classes] == [
        ("chirp", 3, 3),
        ("hum", 4, 4),
        ("<b>", 0, 0),
    ]
    strongest = task.classes[0].neurons[0]
    assert (strongest.layer, strongest.index, strongest.classes) == ("blocks.1", 1, ("chirp", "hum"))
    assert strongest.effect == pytest.approx(0.93) and task.thresholds == (("p_cut", 0.01),)
    depth, bars = task.charts
    assert depth.series[0].values == pytest.approx((25.0, 12.5, 0.0)) and bars.labels == (
        "hum",
        "chirp",
        "<b>",
    )
    assert [(one.selection, one.n_selected) for one in view.others] == [(SELECTION, 5)]


def test_heat_map_in_its_order(run: Run) -> None:
    (found,) = classes_view(run).heat_maps
    assert found.rows == found.columns == ("<b> (0)", "hum (4)", "chirp (3)")
    assert found.values == ((None, 0.0, 0.0), (0.0, None, 0.4), (0.0, 0.4, None))
    assert found.marks == (("", "", ""), ("", "", "+"), ("", "+", ""))
    assert "2 shared, Jaccard 0.400, by chance 0.100; p of more 0.01" in found.notes[1][2]
    assert "not tested" in found.notes[0][1] and found.highest == 0.4
    assert found.facts == (
        f"{SELECTION}, null: margins",
        "noisy: mean Jaccard 0.400 in 1 pairs, 0.100 in the others; difference by chance 0.050, p 0.01",
    )


def test_heat_map_between_two_tasks(run: Run, tmp_path: Path) -> None:
    path = run.root / "sharing" / "kind-0123abcd.parquet"
    table = tables.read(path).with_columns(other_task=pl.lit("side"), other_place=pl.Series([1, 0, 0]))
    tables.write(tmp_path / "kind-side-0123abcd.parquet", table.head(2))
    found = heat_map(tmp_path / "kind-side-0123abcd.parquet")
    assert (found.row_task, found.column_task) == ("kind", "side")
    assert found.rows == ("chirp (3)",) and found.columns == ("<b> (0)", "hum (4)")
    assert found.values == ((0.0, 0.4),)


def test_plots_lie_beside_the_tables(run: Run) -> None:
    written = write_selection(run, SELECTION)
    assert [one.name for one in written] == ["layers-kind.svg", "classes-kind.svg"]
    drawn = write_sharing(run, "kind-0123abcd")
    text = drawn.read_text(encoding="utf-8")
    assert drawn.name == "kind-0123abcd.svg" and "chirp (3)" in text and "Jaccard index" in text
    assert write_sharing(run, "kind-0123abcd").read_text(encoding="utf-8") == text
    found = report(run, config={"plots": "svg", "plot_neurons": 0})
    assert {"layers-kind.svg", "shared-kind-0123abcd.svg"} <= {one.name for one in found.plots}
    with pytest.raises(StageError, match="lacks statistics, classes"):
        task_views(run.root / "sharing")


def test_the_page(run: Run) -> None:
    page = report(run, config={"audio": False}).path.read_text(encoding="utf-8")
    shown = page.partition('id="page-classes"')[2].partition("</main>")[0]
    for text in ("&lt;b&gt;", "67 % of the classes", 'data-layer="blocks.1" data-index="1"', "Jaccard 0.400"):
        assert text in shown
    assert "<b>&lt;b&gt;</b>" in shown and 'href="#classes"' in page


def test_no_page_without_a_selection(small_run: Path, tmp_path: Path) -> None:
    assert classes_view(open_run(small_run)).tasks == ()
    page = report(small_run, config={"audio": False}, out=tmp_path / "report.html").path
    assert 'id="page-classes"' not in page.read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_class_opens_with_its_neurons_clips(browser: Any, run: Run) -> None:  # noqa: F811
    page, said = browser.new_page(viewport={"width": 1300, "height": 900}), []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"file://{report(run).path}#classes")
    assert page.locator("#page-classes").is_visible() and not page.locator("#page-overview").is_visible()
    details = page.locator(".of-classes details").nth(1)
    assert details.locator(".clip").count() == 0
    details.locator("summary").click()
    page.wait_for_timeout(200)
    assert details.locator(".of-neurons > li").count() == 4 and details.locator(".clip .play").count() == 12
    details.locator(".of-neurons a").first.click()
    assert page.locator("#panel").is_visible() and "neuron 8" in page.locator("#panel h2").inner_text()
    assert said == []
    page.close()
