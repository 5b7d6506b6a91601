"""Several labels a clip: what is learnt, what unknown labels do, what the folder and the explainers are told."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import average_precision_score

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.clips import LabelSet
from otoscope.errors import EmptyDataError, InputError
from otoscope.explain.l2i_config import PRESETS, L2IConfig
from otoscope.explain.request import ExplainConfig
from otoscope.explain.score import ScoreConfig
from otoscope.explain.squashing import settled
from otoscope.models import cnn, open_model
from otoscope.models.audio_model import AudioModel
from otoscope.models.augment import mixup
from otoscope.models.evaluate import clip_logits
from otoscope.models.lesson import Lesson
from otoscope.models.objective import SeveralLabels, objective_of
from otoscope.models.parts import split_parts
from otoscope.models.train import TrainConfig, plan, train
from tests.data.layouts import sonyc_ust
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys

DATA = (
    "mix:sounds:60%3Fkinds=pure_tone,broadband_noise,clicks%26duration_s=0.5?n=80&sources=1-2&duration_s=0.5"
    "&max_part_s=0.4&labels=kind"
)
SMALL = {"width": 4, "n_mels": 32}
MAPS = ("config", *(f"test.class_{one}" for one in ("average_precision", "average_precision_95")))
MAPS += ("test.class_chance", "test.class_prevalence")


@pytest.fixture(scope="module")
def clips():
    return open_data(DATA)


def config(**changes) -> TrainConfig:
    plain = {
        "test_folds": "5",
        "epochs": 2,
        "batch_size": 12,
        "learning_rate": 1e-2,
        "options": SMALL,
        "time_shift_s": 0.05,
        "valid": 0.2,
    }
    return TrainConfig(**{**plain, **changes})


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory) -> tuple[AudioModel, dict, str]:
    out = tmp_path_factory.mktemp("several") / "model"
    how = config(epochs=14, metric="valid_mean_average_precision")
    model = train("cnn", clips, out, how)
    return model, json.loads((out / "training.json").read_text()), str(out)


def test_mixtures_are_learnt_and_scored_beside_chance(trained, clips):
    model, account, _ = trained
    test = account["test"]
    assert test["mean_average_precision"] >= test["mean_average_precision_chance"] + 0.1
    assert test["micro_average_precision"] >= test["micro_average_precision_chance"] + 0.1
    for name in ("mean", "micro"):
        low, high = test[f"{name}_average_precision_95"]
        assert -1e-9 <= low - 1e-9 <= test[f"{name}_average_precision"] <= high + 1e-9 <= 1 + 1e-9
    part = clips.select(folds="5")
    truth, logits = part.targets(), clip_logits(model.eval(), part)[0]
    expected = dict(zip(model.classes, average_precision_score(truth, logits, average=None), strict=True))
    assert test["class_average_precision"] == pytest.approx(expected, abs=1e-6)
    assert test["mean_average_precision"] == pytest.approx(np.mean(list(expected.values())), abs=1e-6)
    micro = average_precision_score(truth, logits, average="micro")
    assert test["micro_average_precision"] == pytest.approx(micro, abs=1e-6)
    shares = dict(zip(model.classes, truth.mean(0).tolist(), strict=True))
    assert test["class_prevalence"] == pytest.approx(shares)
    assert test["n_unknown"] == 0 and test["n_clips"] == len(part)


def test_the_best_epoch_is_by_the_metric_that_was_asked_for(trained):
    account = trained[1]
    areas = [row["valid_mean_average_precision"] for row in account["history"]]
    assert account["best_epoch"] == 1 + int(np.argmax(areas))
    assert set(account["history"][0]) == {
        "epoch",
        "loss",
        "learning_rate",
        "valid_mean_average_precision",
        "valid_cross_entropy",
    }


def test_the_folder_says_that_several_labels_are_named(trained):
    model, account, out = trained
    assert json.loads((Path(out) / "model.json").read_text())["label_kind"] == "multi"
    assert model.label_kind == open_model(out).label_kind == "multi"
    assert open_model("demo:").label_kind == "single" and cnn.build(("a",)).label_kind is None
    assert table_names(PAGES / "models.md", "Several labels a clip")[0] == "label_kind"
    page = {one.replace(".<class>", "") for one in table_names(PAGES / "models.md", "training.json")}
    page -= {
        one
        for one in page
        if one.startswith(("start.", "failures[]")) or "accuracy" in one or "confusion" in one
    }
    page |= {
        one.replace(".<class>", "") for one in table_names(PAGES / "models.md", "Several labels a clip")[1:]
    }
    assert set(keys(account, MAPS)) | {"test"} == page | {"failures"}


def test_explainers_take_the_sigmoid_of_such_a_network(trained, clips):
    model = trained[0]
    assert settled(ExplainConfig(), model).squashing == "sigmoid"
    assert settled(ExplainConfig(target="all-above:0.5"), model).squashing == "sigmoid"
    assert settled(ScoreConfig(), model).activation == "sigmoid"
    assert settled(ScoreConfig(activation="softmax"), model).activation == "softmax"
    assert settled(L2IConfig(**PRESETS["l2i-2022"]), model).activation == "sigmoid"
    assert settled(L2IConfig(), open_model("demo:")).activation == "softmax"
    one_class, unstated = open_model("demo:"), cnn.build(("a", "b"))
    assert settled(ExplainConfig(target="all-above:0.5"), one_class).squashing == "softmax"
    assert (
        settled(ExplainConfig(target="all-above:0.5", activation="sigmoid"), one_class).squashing == "sigmoid"
    )
    assert settled(ExplainConfig(target="all-above:0.5"), unstated).squashing == "sigmoid"
    assert settled(ScoreConfig(), unstated) == ScoreConfig()
    assert settled(config(), model) == config()  # has no activation


def test_the_head_alone_learns_several_labels(trained, clips, tmp_path):
    model = train(
        "cnn",
        clips,
        tmp_path / "m",
        config(start_from=trained[2], freeze="encoder", time_shift_s=0, options={}),
    )
    account = json.loads((tmp_path / "m" / "training.json").read_text())
    assert account["start"]["head"] == "kept" and model.label_kind == "multi"
    assert account["test"]["mean_average_precision"] > account["test"]["mean_average_precision_chance"]
    weight = "blocks.0.conv.weight"
    assert torch.equal(model.net.get_parameter(weight), open_model(trained[2]).net.get_parameter(weight))


def test_the_command_shows_each_class_beside_chance(tmp_path, capsys):
    given = ["train", "cnn", "--data", DATA, "--test-folds", "5", "--epochs", "1", "--quiet"]
    assert (
        call([*given, "--set", "option.width=2", "--set", "option.n_mels=16", "--out", str(tmp_path / "m")])
        == 0
    )
    shown = capsys.readouterr().out
    assert "mean average precision 0." in shown and ", by chance 0." in shown and "micro 0." in shown
    assert "class            average precision  by chance  prevalence" in shown


def unknown(clips, row: int, names: list[str]):
    column = [names if one == row else [] for one in range(len(clips))]
    return dataclasses.replace(clips, table=clips.table.with_columns(kind_unknown=pl.Series(column)))


def test_unknown_labels_enter_no_loss(clips):
    learnt = objective_of("multi")
    targets = learnt.targets(unknown(clips, 3, ["clicks", "no such class"]), None)
    assert np.argwhere(np.isnan(targets)).tolist() == [[3, clips.label_set().classes.index("clicks")]]
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], requires_grad=True)
    shares = torch.tensor([[1.0, 0.0, float("nan")], [float("nan"), 0.3, 0.0]])
    loss = learnt.loss(logits, shares)
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0, 3.0, -2.0])))
    y = np.array([1.0, 0.0, 0.3, 0.0])
    assert loss.item() == pytest.approx(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(), rel=1e-6)
    loss.backward()
    assert (logits.grad == 0).tolist() == [[False, False, True], [True, False, False]]
    assert learnt.loss(logits, torch.full((2, 3), float("nan"))).item() == 0


def test_what_is_mixed_with_an_unknown_label_is_unknown():
    targets = torch.tensor([[1.0, float("nan")], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    found, mixed = mixup(torch.eye(4), targets, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed[:, 0], found @ targets[:, 0])
    with_unknown = found[:, 0] > 0
    assert 1 < with_unknown.sum() < 4
    assert (mixed[:, 1].isnan() == with_unknown).all()
    torch.testing.assert_close(mixed[~with_unknown, 1], found[~with_unknown] @ targets[:, 1].nan_to_num())


def test_votes_of_sonyc_that_are_missing_are_unknown(tmp_path):
    clips = open_data(f"sonyc-ust:{sonyc_ust(tmp_path)}")
    targets = SeveralLabels().targets(clips, "coarse")
    named = clips.table["coarse_unknown"].to_list()
    classes = clips.label_set("coarse").classes
    assert [[classes[c] for c in np.flatnonzero(np.isnan(row))] for row in targets] == named
    assert any(named) and not np.isnan(targets).all(1).any()
    assert (np.nan_to_num(targets) == clips.targets("coarse")).all()
    train("cnn", clips, tmp_path / "m", config(test_folds=None, test_split="test", batch_size=2, valid=0.5))
    account = json.loads((tmp_path / "m" / "training.json").read_text())
    assert account["test"]["n_unknown"] == 1
    assert account["test"]["class_prevalence"] == {"1_engine": 1.0, "2_machinery-impact": 0.0, "8_dog": None}
    assert account["test"]["class_average_precision"]["8_dog"] is None


def test_a_clip_without_a_list_takes_no_part_and_one_without_labels_does(clips):
    cells = clips.table["kind"].to_list()
    cells[0], cells[1] = None, []
    changed = dataclasses.replace(clips, table=clips.table.with_columns(kind=pl.Series(cells)))
    parts = split_parts(changed, label_set=None, test_folds=None, test_split=None, valid=0.25, seed=0)
    taking = [*parts.train, *parts.valid]
    assert parts.unlabelled == 1 and 0 not in taking and 1 in taking
    assert np.array_equal(SeveralLabels().targets(changed, None)[1], [0, 0, 0])


def test_smoothing_pulls_to_the_middle():
    shares = SeveralLabels().shares(np.array([[1.0, 0.0, np.nan]], np.float32), 3, 0.2)
    torch.testing.assert_close(shares, torch.tensor([[0.9, 0.1, float("nan")]]), equal_nan=True)


def test_a_killed_training_ends_with_the_same_files(clips, tmp_path, monkeypatch):
    train("cnn", clips, tmp_path / "whole", config())
    calls, loss = [], Lesson.loss

    def dies(self, chosen, generator):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return loss(self, chosen, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Lesson, "loss", dies)
        with pytest.raises(KeyboardInterrupt):
            train("cnn", clips, tmp_path / "killed", config())
    train("cnn", clips, tmp_path / "killed", config())
    for name in ("model.json", "training.json", "weights.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_cannot_be_learnt_says_why(clips, tmp_path):
    with pytest.raises(
        InputError, match=r"'kind' gives several labels a clip: metric is valid_mean_.*got 'valid_acc"
    ):
        train("cnn", clips, tmp_path, config(metric="valid_accuracy"))
    one = open_data("sounds:45", kinds="pure_tone,broadband_noise,clicks", duration_s=0.5)
    with pytest.raises(
        InputError, match="gives one class a clip: metric is valid_accuracy or valid_cross_entropy"
    ):
        plan("cnn", one, tmp_path, config(metric="valid_mean_average_precision"))
    none = dataclasses.replace(
        clips,
        label_sets=(LabelSet("kind", ("a",), "multi"),),
        table=clips.table.with_columns(kind=pl.Series([[]] * 80, dtype=pl.List(pl.String))),
    )
    with pytest.raises(EmptyDataError, match=r"none of the \d+ validation clips has any of the labels"):
        train("cnn", none, tmp_path, config())


def test_plans_count_the_parts_of_several_labels(clips, tmp_path):
    found = plan("cnn", clips, tmp_path / "m", config())
    assert found["classes"] == 3 and sum(found["parts"][one] for one in ("train", "valid", "test")) == 80
    assert found["state"] == "new"
