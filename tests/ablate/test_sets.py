"""Which neurons stand for which concept: each strategy on a table written by hand; what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.ablate import INTERVENTIONS, PRESETS, STRATEGIES
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.open_sets import by_lemma, by_substring, by_word
from otoscope.ablate.places import ablatable, masks_of, places_of
from otoscope.ablate.presets import preset
from otoscope.ablate.random_sets import first_rows
from otoscope.ablate.sets import NeuronSet, Request, choose, truncated
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.registry import load
from otoscope.store import run as runs
from otoscope.store.run import Run
from tests.ablate.conftest import CLASSES, describe_by_hand, make_model


def chosen(run: Run, **options) -> dict[str, NeuronSet]:
    config = AblateConfig(**{"top_n": 1, **options})
    allowed = ablatable(places_of(make_model(), run), run.neurons().height)
    request = Request(run, config, CLASSES, config.concepts or CLASSES, allowed)
    return {one.concept: one for one in choose(request)}


def test_tables_name_things_that_exist() -> None:
    for table in (STRATEGIES, INTERVENTIONS, PRESETS):
        assert all(load(target) is not None for target in table.values())


def test_best_concepts_and_never_the_output_layer(run: Run) -> None:
    found = chosen(run)
    assert found["dog"].target == 0 and found["sea_waves"].target == 1
    assert found["dog"].neurons.tolist() == [0, 6, 3, 7]  # best scores first, equal ones by number; no logits
    assert found["sea_waves"].neurons.tolist() == [4, 8, 1, 9]
    assert (np.diff(found["dog"].scores) <= 0).all()
    assert chosen(run, top_n=3)["train"].neurons.size == 12
    assert chosen(run, max_neurons=1)["dog"].neurons.tolist() == [0]
    assert chosen(run, max_q=0.05)["dog"].neurons.tolist() == [6, 7]
    assert truncated(found["dog"], 2).neurons.tolist() == [0, 6]


def test_layers_and_concepts_may_be_named(run: Run) -> None:
    config = AblateConfig(layers=("act",), concepts=("Sea-Waves", "violin"), top_n=1)
    places = places_of(make_model(), run, config.layers)
    request = Request(run, config, CLASSES, config.concepts, ablatable(places, 15))
    waves, violin = choose(request)
    assert waves.neurons.tolist() == [8, 9] and waves.target == 1
    assert violin.neurons.size == 0 and violin.target is None


def test_low_poles_count_where_asked_for(run: Run) -> None:
    path = run.listing("descriptions")["db-00000001"]
    table = pl.read_parquet(path)
    low = table.filter(layer="first").with_columns(pole=pl.lit("low"))
    table.filter(layer="act").vstack(low).write_parquet(path)
    assert chosen(run)["dog"].neurons.tolist() == [6, 7]
    assert chosen(run, poles="both")["dog"].neurons.tolist() == [0, 6, 3, 7]


def test_open_matches_words_lemmas_or_substrings(run: Run) -> None:
    describe_by_hand(run, "open-00000001")
    runs.commit_stage(run, "describe", 1, {"name": "open-00000001"}, {}, [])
    lemma = chosen(run, strategy="open")
    assert lemma["sea_waves"].neurons.tolist() == [0, 6, 3, 9]
    assert lemma["dog"].neurons.tolist() == [4, 10, 1, 7] and lemma["train"].neurons.size == 0
    substring = chosen(run, strategy="ocp", match="substring")
    assert substring["train"].neurons.size == 4 and substring["dog"].neurons.size == 0
    assert [f("rain", "train") for f in (by_lemma, by_word, by_substring)] == [False, False, True]
    assert [f("waves", "sea_wave") for f in (by_lemma, by_word)] == [True, False]
    with pytest.raises(UnknownNameError, match="nouns"):
        chosen(run, strategy="open", words_column="noun")


def test_a_table_of_the_users(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "layer,index,class,score\nact,1,dog,0.1\nact,0,dog,0.9\nfirst,2,sea waves,1\nlogits,0,dog,5\n"
    )
    found = chosen(run, strategy=f"table:{path}")
    assert found["dog"].neurons.tolist() == [6, 7] and found["sea_waves"].neurons.tolist() == [2]
    pl.DataFrame({"neuron": [6, 8], "class": [0, 1]}).write_parquet(run.root / "own.parquet")
    assert chosen(run, strategy="table:own.parquet")["sea_waves"].neurons.tolist() == [8]
    path.write_text("layer,index\nact,1\nact,5\n")
    assert chosen(run, strategy=f"table:{path}")["mine"].target is None
    both = chosen(run, strategy=f"table:{path}", concepts=("dog", "train"))
    assert both["dog"].neurons.tolist() == both["train"].neurons.tolist() == [7, 11]
    path.write_text("layer,index\nact,6\n")
    with pytest.raises(InputError, match=r"layer act lie in 0\.\.5"):
        chosen(run, strategy=f"table:{path}")
    with pytest.raises(InputError, match="no table nowhere"):
        chosen(run, strategy="table:nowhere.csv")
    with pytest.raises(InputError, match="no path"):
        chosen(run, strategy="table")


def test_random_as_published(run: Run) -> None:
    found = chosen(run, strategy="random", random_neurons=5)
    assert all(np.array_equal(found[one].neurons, found["dog"].neurons) for one in CLASSES)
    assert found["dog"].neurons.size == 5 and found["dog"].neurons.max() < 12
    misplaced = chosen(run, strategy="random", random_neurons=5, placement="as-published")["dog"].neurons
    inside = int((found["dog"].neurons < 6).sum())
    assert misplaced.tolist() == [*range(inside), *range(6, 6 + 5 - inside)]
    assert first_rows(np.array([5, 11, 9]), run).tolist() == [0, 6, 7]


def test_what_is_wrong_is_said(run: Run) -> None:
    with pytest.raises(InputError, match="keeps the best 3 concepts"):
        chosen(run, top_n=4)
    with pytest.raises(InputError, match="finds no neuron for violin"):
        chosen(run, concepts=("violin",))
    with pytest.raises(UnknownNameError, match="tab-"):
        chosen(run, strategy="tab")
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'dbb'\. Did you mean 'db'"):
        AblateConfig(strategy="dbb")
    with pytest.raises(UnknownNameError, match="unknown intervention 'median'"):
        AblateConfig(intervention="median")
    with pytest.raises(EmptyDataError, match="output layer is never ablated"):
        places_of(make_model(), run, ("logits",))
    (run.root / "descriptions" / "db-00000001.parquet").unlink()
    with pytest.raises(StageError, match="no descriptions yet"):
        chosen(run)


def test_presets_are_the_published_protocol() -> None:
    published = preset("and-2024", folds="2")
    assert (published.intervention, published.top_n, published.match) == ("zero", 3, "substring")
    assert (published.random_neurons, published.random_seed, published.folds) == (3000, 20, "2")
    assert preset("default").intervention == "mean" and preset("default").n_random >= 199
    with pytest.raises(UnknownNameError):
        preset("and-2023")


def test_masks_lie_at_the_neurons() -> None:
    assert masks_of([np.array([3, 0])], 4).tolist() == [[True, False, False, True]]
