from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.describe.config import DescribeConfig
from otoscope.errors import InputError
from otoscope.models import open_model
from otoscope.store import tables
from otoscope.store.run import Run
from otoscope.study.dissect import dissect
from otoscope.study.planted import planted

SPEC = "planted:seed=1,strengths=1,pairs=1,distractors=8,projections=2"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    describing = DescribeConfig(concepts="acoustic", permutations=50, replicates=50)
    clips = open_data("sounds:120", seed=5, duration_s=1.5)
    return dissect(open_model(SPEC), clips, tmp_path_factory.mktemp("planted") / "run", describing=describing)


def test_full_strength_rules_are_recovered_far_above_chance(run: Run) -> None:
    found = planted(run)
    single = found["summary"].filter(pl.col("kind").is_in(["single", "signed"]))
    assert single["recovered"].sum() >= 3 * single["chance_list"].sum()
    assert found["summary"]["planted"].sum() > 20


def test_a_description_table_of_wrong_words_recovers_nothing_and_a_right_one_everything(run: Run) -> None:
    name, table = run.table("descriptions")
    neurons = planted(run)["neurons"]
    right = [next(iter(words), None) if words else None for words in neurons["accepted"].to_list()]
    path = run.root / "descriptions" / f"{name}.parquet"
    try:
        tables.write(path, table.with_columns(pl.lit("nothing of the kind").alias("concept")))
        wrong = planted(run)["summary"]
        assert wrong["recovered"].sum() == 0
        tables.write(path, table.with_columns(pl.Series("concept", right)))
        perfect = planted(run)["summary"]
        assert perfect["recovered"].to_list() == perfect["planted"].to_list()
    finally:
        tables.write(path, table)


def test_methods_that_give_several_words_are_read_by_all_of_them(run: Run) -> None:
    table = run.table("descriptions")[1]
    accepted = planted(run)["neurons"]["accepted"].to_list()
    right = [["nothing", next(iter(words))] if words else ["nothing"] for words in accepted]
    places = table.select("neuron", "layer", "index", "pole")
    path, marker = run.root / "descriptions" / "words.parquet", run.root / "stages" / "describe-words.json"
    try:
        marker.write_text('{"config": {}}')
        tables.write(path, places.with_columns(pl.Series("open_concepts", right)))
        several = planted(run, "words")["summary"]
        tables.write(path, places.with_columns(pl.Series("gist", [", ".join(one) + "." for one in right])))
        gist = planted(run, "words")["summary"]
        tables.write(path, places)
        with pytest.raises(InputError, match="none of top_concepts, open_concepts and gist"):
            planted(run, "words")
    finally:
        path.unlink()
        marker.unlink()
    for found in (several, gist):
        assert found["recovered"].to_list() == found["planted"].to_list()
        assert (
            found["recovered_significant"].null_count() == found["chance_list"].null_count() == found.height
        )
        assert (found["chance_dealt"] < found["planted"]).all()


def test_only_planted_networks_have_planted_truth(run: Run, tmp_path: Path) -> None:
    other = Run(tmp_path)
    other.__dict__["manifest"] = {**run.manifest, "model": {"spec": "demo:"}}
    with pytest.raises(InputError, match="planted: networks only"):
        planted(other)
