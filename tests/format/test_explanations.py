"""Explanations and their scores stand on their page, and format 1 is read as it was written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from otoscope.errors import FormatError, StageError, StoreError
from otoscope.explain.request import ExplainConfig
from otoscope.explain.score_set import score_explanations
from otoscope.explain.stage import explain
from otoscope.models import cnn
from otoscope.store import explanation_scores, manifest
from otoscope.store import explanations as store
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys, same, typed, without_maps

GOLDEN = Path(__file__).parent / "golden_explanation"
PAGE = "explanations.md"


@pytest.fixture(scope="module")
def model():
    """Return a compact network of the classes of two synthetic sounds."""
    return cnn.build(("rain", "siren"), width=4, clip_s=0.5, n_mels=32).eval()


@pytest.fixture(scope="module")
def made(model, tmp_path_factory: pytest.TempPathFactory) -> store.Kept:
    """Return one explanation, as the golden one was made (its pictures were left out)."""
    out = tmp_path_factory.mktemp("explained") / "run"
    config = ExplainConfig(methods=("amt",), controls=("random-matched",), draws=2)
    return explain(model, "sounds:?n=2&kinds=rain,siren&duration_s=0.5", out, config, which=[1]).kept[0]


def test_manifest_and_scores_stand_on_the_page(made: store.Kept) -> None:
    written = set(keys(made.manifest, ("facts", "method.options")))
    assert written == without_maps(table_names(PAGES / PAGE, "explanation.json"))
    content = dict(made.scores)
    assert set(content.pop("sounds")) == set(store.SOUNDS)
    found = set(keys(content, ("measures",)))
    found = {one for one in found if not one.startswith("controls")} | {"controls"}
    documented = set(table_names(PAGES / PAGE, "scores.json"))
    assert found == {one for one in documented if not one.startswith("sounds.")}
    sound = {one.rpartition(".")[2] for one in documented if one.startswith("sounds.")}
    assert all(set(one) == sound for one in made.scores["sounds"].values())


def test_the_stage_and_a_run_of_nothing_but_explanations_stand_on_the_page(made: store.Kept) -> None:
    root = made.folder.parents[2]
    marker, run = (manifest.read(root / one) for one in ("stages/explain.json", "run.json"))
    inside = {name: marker[name] for name in ("inputs", "notes")}
    assert set(keys(inside, ())) == set(table_names(PAGES / "run.md", "explain"))
    assert set(marker["config"]) == set(ExplainConfig.model_fields)
    assert run["layers"] == [] and not {"record", "seed"} & set(run)
    assert marker["outputs"] == [made.folder.relative_to(root).as_posix()]


def test_scores_of_a_set_stand_on_the_page(model, tmp_path: Path) -> None:
    how = {
        "methods": ("amt",),
        "controls": ("random-size",),
        "contamination": "white",
        "sanity_clips": 1,
        "label_fidelity": True,
        "replicates": 10,
        "shares": (0.0, 0.5, 1.0),
    }
    clips = "sounds:?n=4&kinds=rain,siren&duration_s=0.5"
    found = score_explanations(model, clips, tmp_path / "scores", how)
    written = set(keys(found.about, ("contamination", "config", "failures", "explainers")))
    written = {one for one in written if not one.startswith("explainers")} | {"explainers"}
    assert written == set(table_names(PAGES / PAGE, "scores.json of a set"))
    for name in ("summary", "sanity", "fidelity"):
        table = found.table(name)
        assert table is not None
        same(table, typed(PAGE, f"{name}.parquet"))
    methods = found.table("methods")
    assert methods is not None and methods.columns == list(typed(PAGE, "methods.parquet"))
    assert found.methods.columns == ["method", "seconds_per_clip", *methods.columns[1:]]
    log = json.loads((found.folder / "log.jsonl").read_text())
    assert set(log) == set(table_names(PAGES / PAGE, "log.jsonl of a set"))
    documented = typed(PAGE, "scores.parquet")
    assert set(found.scores.columns) <= set(documented)
    known = {"localisation_auroc", "energy_in_events", "pointing_game"}
    assert set(documented) - set(found.scores.columns) == known
    again = score_explanations(model, clips, tmp_path / "scores", how)
    assert again.about["hash"] == found.about["hash"] and again.summary.equals(found.summary)


def test_the_golden_explanation_is_read_and_made_again(made: store.Kept) -> None:
    kept = store.listing(GOLDEN)
    assert [one.clip for one in kept] == ["1-siren-0000"]
    one = kept[0]
    assert one.manifest["format_version"] == 1 and one.manifest["method"]["name"] == "amt"
    mask = one.mask()
    assert mask.shape == (513, one.manifest["n_frames"]) and set(np.unique(mask)) == {0.0, 1.0}
    assert one.scores["measures"]["mask_size"] == pytest.approx(float(mask.mean()))
    assert all(one.sound(name).is_file() for name in store.SOUNDS)
    assert made.clip == one.clip and set(made.manifest) == set(one.manifest)


def test_newer_and_broken_ones_are_refused(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "run")
    one = store.listing(tmp_path / "run")[0]
    manifest.write(one.folder / store.MANIFEST, {**one.manifest, "format_version": 2})
    with pytest.raises(FormatError, match="explanation of format 2"):
        store.Kept(one.folder).manifest  # noqa: B018
    shutil.rmtree(one.folder / store.MASK)
    with pytest.raises(StageError, match=r"there is no .*mask\.zarr"):
        one.mask()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Nothing was replaced"):
        store.write(tmp_path / "file", "c", "n", {"a": b""}, mask=np.zeros((2, 2)))
    assert store.slug("a/b/dög bark!.wav") == "d-g-bark" and explanation_scores.listing(tmp_path) == {}
