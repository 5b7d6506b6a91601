"""Linear probes: re-derived training, parts, controls, the folder, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.ablate.probe import linear, logistic, presets, stage
from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.fitted import Fitted, Material, cross_entropy, standardisation
from otoscope.ablate.probe.folder import open_probe
from otoscope.ablate.probe.judge import scores
from otoscope.ablate.probe.parts import parts_of, random_with_every_class
from otoscope.ablate.probe.stage import load, probe, train_probe
from otoscope.data.clips import LabelSet
from otoscope.errors import (
    EmptyDataError,
    FormatError,
    InputError,
    ModelError,
    StageError,
    StoreError,
    UnknownNameError,
)
from otoscope.store.run import Run
from tests.ablate.conftest import CLASSES, Known, make_clips, make_model

FAST = {"test_folds": "1", "controls": 2, "replicates": 50, "strengths": (0.1, 1.0)}


def material(n: int = 60, several: bool = False) -> Material:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    vectors = rng.normal(size=(n, 5)).astype(np.float32) * [1, 2, 3, 4, 5]
    vectors[:, :3] += 3 * np.eye(3)[labels]
    vectors = np.concatenate([vectors, np.full((n, 1), 7.0)], axis=1).astype(np.float32)  # one neuron is dead
    truth = np.eye(3, dtype=bool)[labels] | (rng.random((n, 3)) < 0.1) if several else labels.astype(np.int64)
    cut = 2 * n // 3
    return Material(vectors[:cut], truth[:cut], vectors[cut:], truth[cut:], 3)


def test_linear_is_adam_on_cross_entropy_over_classes_in_plain_numpy() -> None:
    given = material()
    config = ProbeConfig(method="linear", epochs=4, learning_rate=0.05, weight_decay=0.01, batch_size=500)
    found = linear.fit(given, config, seed=3)
    mean, scale = given.train.mean(axis=0), given.train.std(axis=0)
    x = (given.train - mean) / np.where(scale > 1e-6, scale, 1)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layer = torch.nn.Linear(6, 3)
    parameters = [layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()]
    moments = [[np.zeros_like(one), np.zeros_like(one)] for one in parameters]
    hot, kept, best = np.eye(3)[given.train_labels], None, -1.0
    for step in range(1, 5):
        logits = x @ parameters[0].T + parameters[1]
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        gap = (share - hot) / len(x) / 3  # the loss is divided by the number of classes
        for at, gradient in enumerate((gap.T @ x, gap.sum(axis=0))):
            decayed = gradient + 0.01 * parameters[at]
            first, second = moments[at]
            moments[at] = [0.9 * first + 0.1 * decayed, 0.999 * second + 0.001 * decayed**2]
            up, down = moments[at][0] / (1 - 0.9**step), moments[at][1] / (1 - 0.999**step)
            parameters[at] = parameters[at] - 0.05 * up / (np.sqrt(down) + 1e-8)
        valid = ((given.valid - mean) / np.where(scale > 1e-6, scale, 1)) @ parameters[0].T + parameters[1]
        accuracy = (valid.argmax(axis=1) == given.valid_labels).mean()
        if accuracy >= best:
            best, kept = accuracy, [one.copy() for one in parameters]
    assert found.weight == pytest.approx(kept[0], abs=2e-4) and found.bias == pytest.approx(kept[1], abs=2e-4)
    assert found.account["valid"] == pytest.approx(best)


def test_several_labels_are_learnt_by_both_methods() -> None:
    given = material(several=True)
    for method, config in (
        (logistic, ProbeConfig()),
        (linear, ProbeConfig(method="linear", learning_rate=0.1)),
    ):
        found = method.fit(given, config, 0)
        judged = scores(
            [found.logits(given.valid)],
            given.valid_labels,
            np.arange(20),
            CLASSES,
            replicates=50,
            seed=0,
        )
        assert judged["measure"] == "mean average precision" and judged["value"] > 0.8
        assert judged["interval"][0] <= judged["value"] <= judged["interval"][1] + 1e-9


def test_logistic_chooses_c_by_validation_and_learns_from_both_parts() -> None:
    from sklearn.linear_model import LogisticRegression

    given = material()
    found = logistic.fit(given, ProbeConfig(strengths=(1e-4, 1.0)), 0)
    losses = found.account["valid_cross_entropy"]
    assert found.account["C"] == 1.0 and losses["1.0"] < losses["0.0001"]
    both, labels = (
        np.concatenate([given.train, given.valid]),
        np.concatenate([given.train_labels, given.valid_labels]),
    )
    mean, scale = standardisation(both)
    direct = LogisticRegression(C=1.0, max_iter=2000).fit((both - mean) / scale, labels)
    assert found.logits(both) == pytest.approx(direct.decision_function((both - mean) / scale), abs=1e-3)


def test_two_classes_have_the_probabilities_of_one_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    given = material()
    keep, held = given.train_labels < 2, given.valid_labels < 2
    two = Material(
        given.train[keep], given.train_labels[keep], given.valid[held], given.valid_labels[held], 2
    )
    found = logistic.fit(two, ProbeConfig(strengths=(1.0,)), 0)
    both, labels = (
        np.concatenate([two.train, two.valid]),
        np.concatenate([two.train_labels, two.valid_labels]),
    )
    mean, scale = standardisation(both)
    direct = LogisticRegression(max_iter=2000).fit((both - mean) / scale, labels)
    logits = found.logits(both)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert share == pytest.approx(direct.predict_proba((both - mean) / scale), abs=1e-4)


def test_affine_form_and_cross_entropy_by_hand() -> None:
    fitted = Fitted(
        np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.0])
    )
    weight, bias = fitted.affine()
    x = np.array([[3.0, 10.0], [0.0, 0.0]])
    assert fitted.logits(x) == pytest.approx(x @ weight.T + bias)
    assert fitted.logits(x)[0] == pytest.approx([1.5, 2.0])
    assert cross_entropy(np.zeros((2, 4)), np.array([0, 3])) == pytest.approx(np.log(4))
    assert cross_entropy(np.zeros((2, 4)), np.zeros((2, 4), bool)) == pytest.approx(np.log(2))


def test_a_run_s_probe_hears_what_separates_and_shuffled_labels_do_not(run: Run, model, clips) -> None:
    name = probe(run, model, clips, FAST)
    found = load(run, name)
    assert name.startswith("label-logistic-") and load(run).folder == found.folder
    content = found.manifest
    assert content["test"]["value"] == 1 and content["controls"]["chance"] == pytest.approx(1 / 3)
    assert content["controls"]["shuffled_mean"] < 0.8 and content["controls"]["n_shuffled"] == 2
    assert content["parts"] | {"train": 0, "valid": 0} == {
        "train": 0,
        "valid": 0,
        "test": 12,
        "of_other_classes": 0,
        "groups_on_both_sides": 0,
    }
    table = found.clips()
    assert set(found.part("test")) == set(clips.table.filter(fold=1)["id"])
    inside = table.filter(part="test")
    assert (inside["true"] == inside["named"]).all() and table.filter(part="train")["named"].null_count() > 0
    by_part = table.group_by("part").agg(pl.col("group").unique())
    groups = dict(by_part.iter_rows())
    assert not set(groups["train"]) & set(groups["valid"])
    assert np.array(content["test"]["confusion"]).tolist() == np.diag([4, 4, 4]).tolist()


def test_a_layer_is_read_by_its_mean_over_positions(run: Run, model, clips) -> None:
    name = probe(run, model, clips, {**FAST, "layer": "first"})
    found = load(run, name, model)
    assert found.layer == "first" and found.fits[0].weight.shape == (3, 6)
    recorded = run.activations("first", rows=np.arange(24))
    logits = found.fits[0].logits(recorded)
    assert (logits.argmax(axis=1) == np.arange(24) % 3).all()
    with pytest.raises(UnknownNameError, match="firts"):
        probe(run, model, clips, {**FAST, "layer": "firts"})
    with pytest.raises(InputError, match="network's output"):
        probe(run, model, clips, {**FAST, "layer": "logits"})


def test_published_protocol(run: Run, model, clips) -> None:
    config = presets.preset("aape-2026", test_folds="1", epochs=3, replicates=20)
    assert (config.learning_rate, config.batch_size, config.patience) == (3e-5, 200, 20)
    found = load(run, probe(run, model, clips, config))
    assert [one.account["epochs"] for one in found.fits] == [3, 3, 3] and len(
        found.manifest["test"]["by_seed"]
    ) == 3
    assert found.manifest["parts"]["valid"] == 3  # a tenth of 12 would be 1; one clip of every class


def test_done_is_not_done_again_and_the_network_is_given_back(run: Run, model, clips, monkeypatch) -> None:
    before = {name: one.clone() for name, one in model.state_dict().items()}
    model.train()
    name = probe(run, model, clips, FAST)
    assert model.training and all(torch.equal(before[key], one) for key, one in model.state_dict().items())
    monkeypatch.setattr(stage, "_trained", None)
    assert probe(run, model, clips, {**FAST, "batch_windows": 3}) == name


def test_any_network_and_clips_into_a_folder(model, clips, tmp_path: Path) -> None:
    made = train_probe(model, clips, tmp_path / "p", FAST)
    again = train_probe(model, clips, tmp_path / "p", FAST)
    assert again.manifest == made.manifest and made.manifest["test"]["value"] == 1
    with pytest.raises(StageError, match="another probe"):
        train_probe(model, clips, tmp_path / "p", {**FAST, "seed": 1})
    with pytest.raises(InputError, match="with a run that recorded it"):
        train_probe(model, clips, tmp_path / "q", {**FAST, "layer": "act"})
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        train_probe(model, clips, tmp_path / "file", FAST)


def test_the_folder_is_checked(model, clips, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    made = train_probe(model, clips, folder, FAST)
    other = make_model(Known())
    with torch.no_grad():
        other.net.head.bias += 1
    with pytest.raises(ModelError, match="weights' hash"):
        open_probe(folder, other)
    assert np.array_equal(open_probe(folder, model).fits[0].weight, made.fits[0].weight)
    text = json.loads((folder / "probe.json").read_text())
    for change, message in (
        ({"format_version": 9}, "format 9"),
        ({"kind": "model"}, "does not describe a probe"),
        ({"classes": ["dog"]}, "does not fit"),
    ):
        (folder / "probe.json").write_text(json.dumps({**text, **change}))
        with pytest.raises(FormatError, match=message):
            open_probe(folder)
    (folder / "probe.json").write_text(
        json.dumps({key: one for key, one in text.items() if key != "classes"})
    )
    with pytest.raises(FormatError, match="lacks classes"):
        open_probe(folder)
    with pytest.raises(InputError, match="no such folder"):
        open_probe(tmp_path / "nowhere")


def test_failed_clips_are_counted_and_left_out(model, tmp_path: Path) -> None:
    made = train_probe(model, make_clips(broken=(0, 7)), tmp_path / "p", FAST)
    assert len(made.manifest["failures"]) == 2 and made.manifest["parts"]["test"] == 11
    assert "clip-0" not in made.clips()["id"].to_list()


def test_parts_by_split_group_and_chance() -> None:
    clips = make_clips()
    everything = np.arange(24)
    named = replace(
        clips,
        table=clips.table.with_columns(split=pl.Series(["train", "valid", "test"]).gather(everything // 8)),
    )
    parts = parts_of(named, everything, ProbeConfig(test_split="test"))
    assert parts.valid.tolist() == list(range(8, 16)) and parts.test.tolist() == list(range(16, 24))
    drawn = parts_of(clips, everything, ProbeConfig(test_share=0.25))
    sides = [set(parts.groups[one]) for one in (drawn.train, drawn.valid, drawn.test)]
    assert not sides[0] & sides[1] and not (sides[0] | sides[1]) & sides[2] and drawn.shared_groups == 0
    single = parts_of(clips, everything, ProbeConfig(group="row", hold_out="random", test_folds="1"))
    assert len(set(single.groups)) == 24 and len(single.valid) == 3


def test_classes_that_are_not_trained_on_are_left_out_and_counted() -> None:
    clips = make_clips()
    table = clips.table.with_columns(
        label=pl.when((pl.col("fold") == 2) & (pl.col("label") == "train"))
        .then(pl.lit("dog"))
        .otherwise(pl.col("label"))
    )
    parts = parts_of(replace(clips, table=table), np.arange(24), ProbeConfig(test_folds="1"))
    assert parts.classes == ("dog", "sea_waves") and parts.left_out == 4 and len(parts.test) == 8


def test_every_class_is_held_out_where_it_can_be() -> None:
    labels = np.repeat([0, 1, 2], [50, 3, 1])
    for seed in range(5):
        held = random_with_every_class(labels, 0.1, seed)
        assert held.sum() == 5 and held[50:53].any() and not held[53]
    member = np.eye(3, dtype=bool)[labels]
    assert random_with_every_class(member, 0.5, 0).sum() == 27


def test_what_cannot_be_probed_says_why(model, clips, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="logistc"):
        ProbeConfig(method="logistc")
    with pytest.raises(UnknownNameError, match="preset of probe"):
        presets.preset("aape")
    with pytest.raises(UnknownNameError, match="group column"):
        train_probe(model, clips, tmp_path / "p", {**FAST, "group": "artist"})
    one = replace(clips, table=clips.table.with_columns(group=pl.col("label")))
    with pytest.raises((InputError, EmptyDataError), match=r"group='row'|class"):
        train_probe(model, one, tmp_path / "p", {"test_share": 0.3})
    with pytest.raises(InputError, match="no fold 7"):
        train_probe(model, clips, tmp_path / "p", {"test_folds": "7"})
    with pytest.raises(EmptyDataError, match="a part is empty"):
        train_probe(model, clips, tmp_path / "p", {"test_folds": "1-2"})


def test_no_probe_yet_and_unknown_names(run: Run, model, clips) -> None:
    with pytest.raises(StageError, match="holds no probe yet"):
        load(run)
    name = probe(run, model, clips, FAST)
    assert load(run, "label-log").folder.name == name
    with pytest.raises(UnknownNameError, match="category"):
        load(run, "category")
    assert load(run, str(run.root / "probes" / name)).folder.name == name


def test_several_labels_through_the_stage(model, tmp_path: Path) -> None:
    clips = make_clips()
    several = [[CLASSES[i % 3]] + (["loud"] if i % 2 else []) for i in range(24)]
    table = clips.table.with_columns(kinds=pl.Series(several))
    given = replace(clips, table=table, label_sets=(LabelSet("kinds", (*CLASSES, "loud"), "multi"),))
    made = train_probe(model, given, tmp_path / "p", FAST)
    assert made.manifest["several"] and made.manifest["test"]["measure"] == "mean average precision"
    by_class = {one["class"]: one["value"] for one in made.manifest["test"]["by_class"]}
    assert by_class["dog"] == 1 and "prevalence" in made.manifest["controls"]
