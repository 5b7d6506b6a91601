"""The stages on a run folder: label sets, units, presets, tables, what is refused, and what is found again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.selectivity import PRESETS, SELECTORS, tables
from otoscope.selectivity.config import SelectConfig, ShareConfig
from otoscope.selectivity.entropy import select as select_by_entropy
from otoscope.selectivity.firing import from_run
from otoscope.selectivity.labels import label, tasks
from otoscope.selectivity.presets import preset
from otoscope.selectivity.share import share
from otoscope.selectivity.stage import config_of, load, select
from otoscope.store import run as runs
from tests.selectivity.conftest import WIDTHS, write_run

QUICK = {"n_permutations": 100, "n_chance": 3, "n_splits": 2, "labels": ("kind",)}
COLUMNS = {
    "neurons": ["task", "neuron", "layer", "index", "selected", "classes", "best_class", "effect", "p", "q"],
    "triples": ["task", "class", "class_index", "layer", "layer_index", "index", "neuron", "score", "p"],
    "thresholds": ["task", "threshold", "value"],
}


def test_default_finds_the_selective_neurons(run) -> None:
    name = select(run, QUICK)
    written = {one.name for one in (run.root / "selectivity" / name).iterdir()}
    tables_ = {f"{one}.parquet" for one in tables.NAMES} | {f"{one}.csv" for one in tables.AS_CSV}
    assert name.startswith("auroc-") and written == tables_
    as_csv = pl.read_csv(run.root / "selectivity" / name / "classes.csv")
    assert as_csv.rows() == load(run)[1]["classes"].rows()
    again, found = load(run)
    assert again == name
    for one, columns in COLUMNS.items():
        assert found[one].columns == columns
    triples = found["triples"]
    assert triples["class"].to_list() == [f"class {c}" for c in range(4) for _ in range(2)]
    assert triples["neuron"].to_list() == [n for c in range(4) for n in (c, WIDTHS[0] + c)]
    assert triples["score"].min() > 0.9 and triples["p"].max() < 0.01
    neurons = found["neurons"]
    assert (
        neurons.height == sum(WIDTHS)
        and neurons.filter("selected")["classes"].list.len().to_list() == [1] * 8
    )
    row = found["statistics"].row(0, named=True)
    assert (row["n_clips"], row["n_groups"], row["n_units"], row["exchanged"]) == (120, 60, 60, "group")
    assert (
        row["coverage"] == 1 and row["chance_coverage"] < 0.2 and row["testable"] and row["stability"] > 0.8
    )
    assert (
        found["layers"]["n_pairs"].to_list() == [4, 4] and found["classes"]["n_neurons"].to_list() == [2] * 4
    )
    assert config_of(run, name) == SelectConfig.of(QUICK)


def test_all_label_sets_and_made_ones(run) -> None:
    maps = {"half=kind": {"class 0": "low", "class 1": "low", "class 2": "high"}}
    with pytest.raises(InputError, match=r"several labels of 'marks'.*'split'.*'every'"):
        select(run, {**QUICK, "labels": ()})
    name = select(
        run,
        {**QUICK, "labels": ("kind", "side", "kind+side", "half", "marks"), "maps": maps, "multi": "split"},
    )
    found = load(run, name)[1]["statistics"]
    assert found["task"].to_list() == ["kind", "side", "kind+side", "half", "marks"]
    assert found["n_classes"].to_list() == [4, 2, 8, 2, 2] and found["n_clips"].to_list() == [
        120,
        120,
        120,
        90,
        120,
    ]
    assert found["exchanged"].to_list() == ["group", "clip", "clip", "group", "clip"]
    assert load(run, name)[1]["triples"].filter(task="side").height == 0


def test_labels(run) -> None:
    assert tasks(run) == ("kind", "side", "marks")
    split, every = label(run, "marks", multi="split"), label(run, "marks", multi="every")
    assert split.weights[0].tolist() == [0.5, 0.5] and every.weights[0].tolist() == [1, 1]
    assert split.weights[1].tolist() == [1, 0]
    joint = label(run, "kind+side")
    assert joint.classes[:2] == ("class 0|left", "class 0|right") and (joint.weights.sum(axis=1) == 1).all()
    halves = {"half=kind": {"class 2": "high", "class 0": "low", "class 1": "low"}}
    assert label(run, "half", maps=halves).classes == ("low", "high")
    assert label(run, "kind", group="row", strata="side").groups.tolist() == [str(one) for one in range(120)]
    with pytest.raises(UnknownNameError, match=r"unknown label set 'kin'.*kind"):
        label(run, "kin")
    with pytest.raises(UnknownNameError, match="strata column 'sid'"):
        label(run, "kind", strata="sid")
    with pytest.raises(UnknownNameError, match="class that 'new' is made of"):
        label(run, "new", maps={"new=kind": {"class 9": "x"}})
    with pytest.raises(InputError, match="'new' has one class, 'x': nothing can be selective for it"):
        label(run, "new", maps={"new=kind": {"class 1": "x"}})
    with pytest.raises(EmptyDataError, match=r"no clip of .* carries a label of 'new'"):
        label(run, "new", maps={"new=kind": {}})
    with pytest.raises(InputError, match="each of them must give a clip one label"):
        label(run, "kind+marks", multi="every")


def test_units(run) -> None:
    rows = np.arange(120)
    counts, activations = run.counts("layer 0")[:120], run.activations("layer 0", rows=rows)

    def of(unit: str, heard: bool = False):
        return from_run(run, rows, layers=["layer 0"], unit=unit, activations=heard)[0].read(slice(0, 5))

    assert np.array_equal(of("token").counts, counts[:, :5]) and (of("token").observations == 100).all()
    assert (
        np.array_equal(of("clip-any").counts, counts[:, :5] > 0) and (of("clip-any").observations == 1).all()
    )
    assert np.array_equal(of("clip-mean").counts, activations[:, :5] > 0)
    assert np.array_equal(of("token", True).values, activations[:, :5])
    assert of("token").values == pytest.approx(counts[:, :5] / 100)


def test_units_that_were_not_recorded(tmp_path) -> None:
    other = write_run(tmp_path / "max", pooling="max")
    with pytest.raises(
        InputError, match=r"clip-mean needs means, layer layer 0 was pooled by 'max'.*--pooling mean"
    ):
        select(other, {**QUICK, "unit": "clip-mean"})
    (other.root / "activations").rename(other.root / "gone")
    with pytest.raises(StageError, match="keeps no activations of layer 0: record with --store pooled"):
        select(other, {**QUICK, "value": "activation"})
    (other.root / "counts").rename(other.root / "gone too")
    with pytest.raises(StageError, match="not recorded"):
        select(other, QUICK)


@pytest.mark.parametrize("method", SELECTORS)
@pytest.mark.parametrize("rule", ["fdr", "published"])
def test_every_method_by_both_rules(run, method, rule) -> None:
    name = select(run, {**QUICK, "method": method, "rule": rule, "top_rate": 0.25, "n_splits": 0})
    found = load(run, name)[1]
    row = found["statistics"].row(0, named=True)
    assert row["n_pairs"] == found["triples"].height and row["stability"] is None
    selective = {n + start for n in range(4) for start in (0, WIDTHS[0])}
    if method != "property":  # of 12 neurons only one is activated in a clip
        assert selective >= set(found["triples"]["neuron"].to_list()) and row["n_pairs"] > 0
    assert np.isfinite(found["neurons"]["p"].to_numpy()).all()


def test_presets_are_lape_on_the_runs_counts(run) -> None:
    assert set(PRESETS) == {"default", "lape-2024", "aape-2026"}
    name = select(run, preset("aape-2026", labels=("kind",), top_rate=0.2, n_splits=0))
    found = load(run, name)[1]
    task = label(run, "kind")
    by_class = {one.name: run.counts(one.name)[:120].T @ task.weights for one in run.layers}
    wanted = select_by_entropy(by_class, 100 * task.weights.sum(axis=0), top_rate=0.2)
    assert found["triples"].select("class_index", "layer_index", "index").rows() == list(
        map(tuple, wanted.triples.tolist())
    )
    assert found["neurons"]["p"].null_count() == sum(WIDTHS)
    bar = found["thresholds"].filter(threshold="bar")["value"].item()
    assert bar == wanted.bar
    with pytest.raises(UnknownNameError, match=r"preset of select 'aape'.*aape-2026"):
        preset("aape")


def test_found_again_not_made_again(run) -> None:
    first = select(run, QUICK)
    content = (run.root / "selectivity" / first / "neurons.parquet").read_bytes()
    stamp = (run.root / "selectivity" / first / "neurons.parquet").stat().st_mtime_ns
    assert select(run, QUICK) == first
    assert (run.root / "selectivity" / first / "neurons.parquet").stat().st_mtime_ns == stamp
    other = select(run, {**QUICK, "seed": 1})
    assert other != first and load(run)[0] == other and load(run, first)[0] == first
    (run.root / "selectivity" / first / "neurons.parquet").unlink()
    assert select(run, QUICK) == first
    assert (run.root / "selectivity" / first / "neurons.parquet").read_bytes() == content


def test_what_is_refused(run) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown method 'auroc2'.*auroc"):
        SelectConfig(method="auroc2")
    with pytest.raises(InputError, match="needs permutations, at least 20; got n_permutations=5"):
        SelectConfig(n_permutations=5)
    with pytest.raises(InputError, match="NEW=LABEL_SET, such as octave=note; got 'octave'"):
        SelectConfig(maps={"octave": {}})
    with pytest.raises(UnknownNameError, match=r"unknown layer 'layer 7'.*layer 0"):
        select(run, {**QUICK, "layers": ("layer 7",)})
    with pytest.raises(StageError, match="holds no selection yet: otoscope select"):
        load(run)
    name = select(run, {**QUICK, "layers": ("*1",), "n_chance": 0})
    assert load(run)[1]["layers"]["layer"].to_list() == ["layer 1"]
    assert load(run)[1]["triples"]["layer_index"].unique().to_list() == [0]
    assert load(run)[1]["chance"].height == 0
    with pytest.raises(UnknownNameError, match="selection 'fisher'"):
        load(run, "fisher")
    with pytest.raises(StageError, match="does not say how"):
        config_of(run, name[:-1])


def test_share_within_a_task(run) -> None:
    select(
        run, {**QUICK, "method": "mean-difference", "min_effect": -9.0, "alpha": 0.99}
    )  # neurons with many classes
    name = share(run, {"n_permutations": 99})
    found = pl.read_parquet(run.root / "sharing" / f"{name}.parquet")
    assert found.height == 6 and name.startswith("kind-") and share(run, {"n_permutations": 99}) == name
    neurons = load(run)[1]["neurons"]["classes"].to_list()
    for row in found.iter_rows(named=True):
        both = sum({row["class"], row["other_class"]} <= set(one) for one in neurons)
        assert row["shared"] == both
        assert row["jaccard"] == pytest.approx(
            both / max(1, row["n_neurons"] + row["n_other_neurons"] - both)
        )
    assert runs.read_stage(run, f"share-{name}")["notes"]["pairs"] == 6
    with pytest.raises(UnknownNameError, match=r"task of .*'sort'"):
        share(run, {"tasks": ("sort",)})
    with pytest.raises(InputError, match="null='labels' selects again"):
        share(run, {"null": "labels"})


def test_share_between_tasks_and_runs(run, tmp_path) -> None:
    quota = {
        **QUICK,
        "method": "mean-difference",
        "rule": "published",
        "labels": ("kind", "side"),
        "top_rate": 0.25,
    }
    select(run, quota)
    other = write_run(tmp_path / "other", seed=1)
    select(other, quota)
    across = share(run, ShareConfig(tasks=("kind", "side"), null="labels", n_permutations=19))
    table = pl.read_parquet(run.root / "sharing" / f"{across}.parquet")
    assert table.height == 8 and across.startswith("kind-side-")
    between = share(run, ShareConfig(tasks=("kind", "kind"), null="labels", n_permutations=99), other=other)
    table = pl.read_parquet(run.root / "sharing" / f"{between}.parquet")
    assert table.height == 16
    same = table.filter(pl.col("class") == pl.col("other_class"))
    assert same["jaccard"].min() > 0.6 and same["p_more"].max() <= 0.05
    assert table.filter(pl.col("class") != pl.col("other_class"))["jaccard"].max() < 0.4
    answers = runs.read_stage(run, f"share-{between}")["notes"]["contrasts"]
    assert answers["same name"]["n_inside"] == 4 and answers["same name"]["p"] == 0.01
    assert answers["same name"]["inside"] > 0.6 > 0.4 > answers["same name"]["outside"]
    near = {"contrasts": {"near": (("class 0", "class 1"),)}, "n_permutations": 9, "tasks": ("kind",)}
    within = runs.read_stage(run, f"share-{share(run, near)}")["notes"]["contrasts"]
    assert within["near"]["n_inside"] == 1 and within["near"]["n_outside"] == 5
    with pytest.raises(UnknownNameError, match=r"class of kind 'class 9'"):
        share(run, {"contrasts": {"near": (("class 0", "class 9"),)}, "tasks": ("kind",)})
    stranger = write_run(tmp_path / "stranger", weights_hash="another")
    select(stranger, quota)
    with pytest.raises(StageError, match="not selections of one network's same layers"):
        share(run, other=stranger)
