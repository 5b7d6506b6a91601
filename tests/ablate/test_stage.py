"""The ablate stage on a classifier whose every weight is known: what must change, changes by what it must."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.ablate import stage
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.ordered import OrderedConfig, ablate_ordered, attribute
from otoscope.ablate.stage import ablate, tables_of
from otoscope.data.clips import LabelSet
from otoscope.errors import EmptyDataError, InputError, ModelError, StageError, UnknownNameError
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run, read_stage
from tests.ablate.conftest import CLASSES, PER_CLASS, make_clips, make_model, make_run
from tests.ablate.test_lesion import state_of
from tests.record.conftest import bytes_of

FAST = {"top_n": 1, "layers": ("act",), "n_random": 19, "replicates": 50, "stratum": 6, "probe_folds": 3}


def config(**options) -> AblateConfig:
    return AblateConfig(**{**FAST, "intervention": "zero", "folds": "1", "max_q": 0.05, **options})


def test_known_neurons_give_known_effects(run: Run, model, clips) -> None:
    name = ablate(run, model, clips, config())
    assert name.startswith("db-")
    found = tables_of(run, name)
    logit = found["effects"].filter(measure="logit")
    values = run.activations("logits")
    targets = np.arange(len(clips)) % 3
    fold = clips.table["fold"].to_numpy() == 1
    for at, row in enumerate(logit.to_dicts()):
        before = values[fold & (targets == at), at].mean()
        assert row["concept"] == row["target"] == CLASSES[at] and row["n_neurons"] == 2
        assert row["before"] == pytest.approx(before, rel=1e-5) and row["after"] == 0
        assert row["change"] == pytest.approx(-before, rel=1e-5)
        assert row["rest_change"] == 0 and row["selectivity"] == pytest.approx(before, rel=1e-5)
        assert row["change_low"] <= row["change"] <= row["change_high"] <= 0
        assert row["attainable_p"] == pytest.approx(1 / 15)  # 6 choose 2
        assert row["p"] == pytest.approx(1 / 15) or row["p"] < 0.35
    accuracy = found["effects"].filter(measure="accuracy")
    assert accuracy["change"].to_list() == [-1, -1, -1] and accuracy["rest_change"].to_list() == [0, 0, 0]
    summary = found["summary"].filter(measure="logit").to_dicts()[0]
    assert summary["mean_neurons"] == 2 and summary["selectivity"] == pytest.approx(
        logit["selectivity"].mean()
    )
    assert summary["selectivity"] > summary["random_selectivity"] and summary["p"] == 1 / 20


def test_tables_hang_together(run: Run, model, clips) -> None:
    found = tables_of(run, ablate(run, model, clips, config(curve_points=3)))
    classes = found["classes"].filter((pl.col("measure") == "logit") & pl.col("target"))
    assert classes["change"].to_list() == pytest.approx(
        found["effects"].filter(measure="logit")["change"].to_list()
    )
    curve = found["curve"].filter(measure="logit", concept="dog")
    assert curve["n_neurons"].to_list() == [1, 2] and curve["share"].to_list() == [0.5, 1.0]
    assert curve["selectivity"][0] == pytest.approx(
        curve["selectivity"][1] * 2 / 3, rel=1e-4
    )  # the better one first
    assert found["random"].filter(measure="logit", concept="dog").height == 19
    sets = found["sets"].filter(concept="dog")
    assert sets["index"].to_list() == [0, 1] and set(sets["layer"]) == {"act"}
    probe = found["probe"].to_dicts()
    assert [one["concept"] for one in probe] == list(CLASSES) and probe[0]["accuracy"] == 1
    assert probe[0]["layer"] == "act" and probe[0]["accuracy_ablated"] >= 0.6


def test_what_the_head_no_longer_finds_a_probe_finds(run: Run, model, clips) -> None:
    """With one of three classes silenced the others still tell it apart: the probe recovers it, the head does not."""
    found = tables_of(run, ablate(run, model, clips, config()))
    assert found["effects"].filter(measure="accuracy", concept="dog")["after"].to_list() == [0]
    dog = found["probe"].filter(concept="dog").to_dicts()[0]
    assert dog["target"] == 1 and dog["target_ablated"] == 1 and dog["target_lost"] == 0


def test_related_classes_are_fixed_by_a_table(run: Run, model, clips, tmp_path: Path) -> None:
    path = tmp_path / "related.json"
    path.write_text(json.dumps({"dog": ["train"], "sea_waves": ["dog"]}))
    found = tables_of(run, ablate(run, model, clips, config(related=f"file:{path}")))
    rows = found["related"].filter(measure="logit").to_dicts()
    assert rows[0]["related"] == ["train"] and rows[0]["difference"] == 0 and rows[0]["attainable_p"] == 0.5
    assert rows[2]["related"] == [] and rows[2]["difference"] is None
    assert rows[3]["concept"] is None and 0 < rows[3]["p"] <= 1
    assert found["classes"].filter(measure="logit", concept="dog")["related"].to_list() == [
        False,
        False,
        True,
    ]
    assert "related" not in tables_of(run, ablate(run, model, clips, config(related=None)))


def test_marker_and_notes(run: Run, model, clips) -> None:
    name = ablate(run, model, clips, config())
    marker = read_stage(run, f"ablate-{name}")
    assert all((run.root / one).is_file() for one in marker["outputs"]) and len(marker["outputs"]) == 10
    notes = marker["notes"]
    assert notes["held_out"] and notes["group_declared"] and notes["clips"] == 12 and notes["accuracy"] == 1
    assert notes["sets_heard"] == 1 + 3 + 3 * 19 + 3 and notes["sets_share_a_pass"] is True
    assert read_stage(run, "ablate")["config"] == {"name": name}
    assert tables_of(run).keys() == tables_of(run, name).keys()


def test_done_is_not_done_again_and_speed_is_no_identity(run: Run, model, clips, monkeypatch) -> None:
    name = ablate(run, model, clips, config())
    assert ablate(run, model, clips, config(seed=1)) != name
    monkeypatch.setattr(stage, "_ablated", None)
    assert ablate(run, model, clips, config(sets_at_once=3, memory_mb=0)) == name


def test_same_bytes_however_it_is_heard(run: Run, model, clips, tmp_path: Path) -> None:
    name = ablate(run, model, clips, config())
    again = make_run(tmp_path / "again")
    assert ablate(again, model, clips, config(memory_mb=0)) == name
    first, second = (bytes_of(one.root / "ablations" / name) for one in (run, again))
    assert first.keys() == second.keys() and all(first[one] == second[one] for one in first)


@pytest.mark.parametrize("how", ["mean", "gain", "resample"])
def test_other_interventions(run: Run, model, clips, how: str) -> None:
    found = tables_of(run, ablate(run, model, clips, config(intervention=how, gain=0.5)))
    row = found["effects"].filter(measure="logit", concept="dog").to_dicts()[0]
    if how == "gain":
        assert row["after"] == pytest.approx(row["before"] / 2, rel=1e-5) and row["rest_change"] == 0
    elif how == "mean":
        means = np.mean(run.activations("act", rows=np.flatnonzero(clips.table["fold"] == 2)), axis=0)
        assert row["after"] == pytest.approx(means[:2].sum(), rel=1e-4)
        assert row["rest_change"] == 0  # a class's own logit reads its own two neurons only
    else:
        assert row["change"] < 0 and row["after"] > 0


def test_means_are_heard_where_the_run_keeps_none(run: Run, model, clips) -> None:
    from otoscope.ablate.bench import bench_of, means_of
    from otoscope.record.hooks import lent

    with lent(model):
        bench = bench_of(run, model, clips, config())
        kept = means_of(bench, config())
        for layer in ("act", "first"):
            (run.root / "activations" / f"{layer}.zarr").rename(run.root / "activations" / f"{layer}.away")
        assert torch.allclose(kept, means_of(bench, config()), atol=1e-5) and kept[6:12].min() > 0


def test_the_model_is_given_back_bit_identical(run: Run, model, clips, monkeypatch) -> None:
    model.train()
    before = copy.deepcopy(state_of(model))
    ablate(run, model, clips, config())
    monkeypatch.setattr(stage.tables, "judge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ablate(run, model, clips, config(seed=5))
    after = state_of(model)
    assert all(torch.equal(before[0][one], after[0][one]) for one in before[0]) and before[1:] == after[1:]


def test_a_concept_without_neurons_and_one_that_is_no_class(run: Run, model, clips) -> None:
    found = tables_of(run, ablate(run, model, clips, config(concepts=("dog", "violin"))))
    violin = found["effects"].filter(concept="violin").to_dicts()[0]
    assert violin["n_neurons"] == 0 and violin["target"] is None and violin["p"] is None
    assert violin["rest_change"] == 0 and found["summary"]["n_without_neurons"].to_list() == [1, 1, 1]


def test_a_class_without_judged_clips_is_left_out(run: Run, model, clips) -> None:
    from dataclasses import replace

    few = replace(
        clips, table=clips.table.with_columns(fold=pl.when(pl.col("row") == 0).then(3).otherwise(2))
    )
    found = tables_of(run, ablate(run, model, few, config(folds="3", probe=False)))
    row = found["effects"].filter(measure="logit", concept="train").to_dicts()[0]
    assert row["before"] is None and row["p"] is None and row["n_neurons"] == 2
    summary = found["summary"].filter(measure="logit").to_dicts()[0]
    assert summary["n_concepts"] == 1 and summary["change"] < 0 and summary["rest_change"] is None


def test_planted_neurons_break_their_own_class_alone(tmp_path: Path) -> None:
    """A planted network with a head that reads one neuron a class: the loss is that neuron's mean activation."""
    from otoscope.data import open_data
    from otoscope.models import planted

    bare = planted.build(
        planted.PlantedOptions(rules=("onset", "noisy"), strengths=(1.0,), distractors=6, pairs=0)
    )
    single = planted.truth(bare).filter(kind="single").head(2)
    head = torch.nn.Linear(bare.net.neurons.strength.numel(), 2, bias=False)
    with torch.no_grad():
        head.weight.zero_()
        for place, index in enumerate(single["index"].to_list()):
            head.weight[place, index] = 2.0

    class Headed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.planted, self.head = bare.net, head

        def forward(self, fine: torch.Tensor, quick: torch.Tensor) -> torch.Tensor:
            return self.head(self.planted(fine, quick))

    model = copy.copy(bare)
    model._modules = {**bare._modules, "net": Headed()}
    model.classes, model.has_logits, model.spec = ("onset", "noisy"), True, "headed:"
    model.geometry_rule = lambda layer, *rest: bare.geometry_rule(layer.removeprefix("planted."), *rest)
    sounds = open_data("sounds:12")
    labels = pl.Series("rule", ["onset", "noisy"] * 6)
    table = sounds.table.with_columns(labels, fold=pl.lit(1, pl.Int64))
    from dataclasses import replace

    clips = replace(sounds, table=table, label_sets=(LabelSet("rule", ("onset", "noisy")),))
    run = record(
        model, clips, tmp_path / "run", RecordConfig(workers=0, layers=("planted.neurons", "logits"))
    )
    mine = tmp_path / "mine.csv"
    mine.write_text(
        "layer,index,class\n"
        + "".join(
            f"planted.neurons,{index},{rule}\n"
            for index, rule in zip(single["index"], ("onset", "noisy"), strict=True)
        )
    )
    options = {
        "strategy": f"table:{mine}",
        "layers": (),
        "max_q": None,
        "n_random": 0,
        "probe": False,
        "related": None,
    }
    found = tables_of(run, ablate(run, model, clips, config(**options)))
    activations = run.activations("planted.neurons")
    for place, row in enumerate(found["effects"].filter(measure="logit").to_dicts()):
        own = activations[place::2, single["index"][place]]
        assert row["change"] == pytest.approx(-2 * own.mean(), rel=0.01)  # the record pools whole frames only
        assert row["change"] == pytest.approx(-row["before"], rel=1e-6) and row["change"] < 0
        assert row["rest_change"] == 0 and row["after"] == 0


def test_one_set_for_all_classes_is_never_selective(run: Run, model, clips) -> None:
    """The published control: averaged over all classes dA and dR are the same mean, whatever was drawn."""
    found = tables_of(run, ablate(run, model, clips, config(strategy="random", random_neurons=3, n_random=0)))
    assert found["effects"].filter(measure="logit")["selectivity"].abs().max() > 0.1
    assert found["summary"]["selectivity"].to_list() == pytest.approx([0, 0, 0], abs=1e-9)


def test_damaged_clips_are_counted_and_left_out(tmp_path: Path, model) -> None:
    broken = make_clips(broken=(0,))
    run = make_run(tmp_path / "run", make_clips())
    found = ablate(run, model, broken, config())
    notes = read_stage(run, f"ablate-{found}")["notes"]
    assert notes["clips"] == 11 and notes["failures"][0]["row"] == 0


def test_all_clips_are_said_not_to_be_held_out(run: Run, model, clips, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        name = ablate(run, model, clips, config(folds=None, n_random=0, probe=False, curve_points=0))
    notes = read_stage(run, f"ablate-{name}")["notes"]
    assert "trained on included" in caplog.text and not notes["held_out"] and notes["clips"] == 3 * PER_CLASS
    found = tables_of(run, name)
    assert found["effects"]["p"].null_count() == 9 and "probe" not in found


def test_what_does_not_fit_is_refused(run: Run, model, clips) -> None:
    other = make_model()
    with torch.no_grad():
        other.net.head.bias[0] = 1
    with pytest.raises(ModelError, match="not the network of"):
        ablate(run, other, clips, config())
    with pytest.raises(InputError, match="6 clips of made: are not those"):
        ablate(run, model, make_clips(6), config())
    with pytest.raises(InputError, match="no fold 7"):
        ablate(run, model, clips, config(folds="7"))
    with pytest.raises(InputError, match="none of the hidden layers"):
        ablate(run, model, clips, config(probe_layer="logits"))
    renamed = copy.copy(model)
    renamed.classes = ("dog", "sea waves", "tram")
    with pytest.raises(InputError, match="no output for train"):
        ablate(run, renamed, clips, config())
    with pytest.raises(StageError, match="no ablation db-1"):
        tables_of(run, "db-1")


def test_several_classes_a_clip_are_refused(run: Run, model, clips) -> None:
    from dataclasses import replace

    lists = clips.table.with_columns(pl.col("label").map_elements(lambda one: [one], pl.List(pl.String)))
    several = replace(clips, table=lists, label_sets=(LabelSet("label", CLASSES, "multi"),))
    with pytest.raises(InputError, match="several classes a clip"):
        ablate(run, model, several, config())
    unlabelled = replace(clips, table=clips.table.with_columns(pl.lit(None, pl.String).alias("label")))
    with pytest.raises(EmptyDataError, match="no labelled clip"):
        ablate(run, model, unlabelled, config())


def test_in_the_order_of_an_attribute(run: Run, model, clips) -> None:
    options = {
        "layers": ("act",),
        "folds": "1",
        "intervention": "zero",
        "shares": (1 / 3, 1.0),
        "replicates": 50,
    }
    given = OrderedConfig(attributes=("heldout_pearson", "top_concepts=dog"), descriptions="db", **options)
    name = ablate_ordered(run, model, clips, given)
    table = tables_of(run, name)["accuracy"]
    assert table["attribute"].unique(maintain_order=True).to_list() == ["random", *given.attributes]
    assert table.filter(share=0.0)["accuracy"].to_list() == [1, 1, 1]
    assert table.filter(share=1.0)["accuracy"].to_list() == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert table.filter(share=1.0)["n_neurons"].to_list() == [6, 6, 6]
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()
    assert ablate_ordered(run, model, clips, given) == name
    misplaced = given.model_copy(update={"placement": "as-published"})
    rows = tables_of(run, ablate_ordered(run, model, clips, misplaced))["accuracy"].filter(share=1 / 3)
    assert rows["accuracy"].to_list() == pytest.approx([2 / 3] * 3, abs=1e-6)  # the first two rows: class dog


def test_attributes_are_counted() -> None:
    table = pl.DataFrame({"words": [["a", "b"], None, ["b"]], "value": [1.5, None, float("nan")]})
    assert attribute(table, "words").tolist() == [2, 0, 1]
    assert attribute(table, "words=b|c").tolist() == [1, 0, 1] and attribute(table, "words!=b").tolist() == [
        1,
        0,
        0,
    ]
    assert attribute(table, "value").tolist() == [1.5, 0, 0]
    with pytest.raises(UnknownNameError, match="words"):
        attribute(table, "word")
    with pytest.raises(InputError, match="shares lie in"):
        OrderedConfig(shares=(0.0,))
