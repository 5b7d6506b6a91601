"""reproduce posthoc: every published row has ours or a reason, seeds are told apart, settings are checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.errors import InputError, UnknownNameError
from otoscope.models import cnn
from otoscope.models.audio_model import AudioModel
from otoscope.study.reproduce.exhibits import exhibits
from otoscope.study.reproduce.posthoc import IN_DOMAIN, OUT_OF_DOMAIN, ROWS, _how, reproduce
from otoscope.study.reproduce.posthoc_bench import over_seeds, prepare
from otoscope.study.reproduce.posthoc_config import PosthocConfig

FEW = {
    "curves": False,
    "controls": ("random-size", "all-pass"),
    "methods": ("amt",),
    "replicates": 20,
    "contamination": "white",
    "located": 6,
}


def _network() -> AudioModel:
    generator = torch.Generator().manual_seed(3)
    model = cnn.build(("rain", "siren"), width=4, clip_s=0.5, n_mels=32).eval()
    for one in model.parameters():
        one.data = 0.3 * torch.randn(one.shape, generator=generator)
    model.config = {"architecture": "conv2d"}  # stands in for the published network of that name
    return model


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    clips = open_data("sounds:?n=10&kinds=rain,siren&duration_s=0.5")
    page, made = reproduce(_network(), clips, tmp_path_factory.mktemp("posthoc"), FEW)
    return page, {one.exhibit.ours: one for one in made}


def test_every_published_row_is_there_with_ours_or_a_reason(found) -> None:
    page, made = found
    assert all(one.table is not None for one in made.values()), [one.reason for one in made.values()]
    table = made["in_domain"].table
    assert table["row"].to_list()[:8] == list(IN_DOMAIN)
    given = table.filter(pl.col("reason").is_null())
    assert given["row"].to_list() == ["amt_conv2d"] and given["n"][0] == 2
    reasons = dict(table.select("row", "reason").iter_rows())
    assert "no focalnet was given" in reasons["amt_focalnet"]
    assert "no piq of this conv2d was given" in reasons["piq"]
    assert made["contaminated"].table["row"].to_list()[:3] == list(OUT_OF_DOMAIN)
    assert made["contaminated"].table["target_share"].drop_nulls().len() == 1
    text = page.read_text()
    assert "Published" in text and "0.305" in text and "*_published: the same number as the recipe" in text
    assert "- amt_focalnet: not made, no focalnet was given" in text


def test_controls_stand_beside_explanations_on_every_set_of_sounds(found) -> None:
    page, made = found
    for name in ("controls", "controls_contaminated", "located"):
        assert made[name].table["control"].to_list() == ["explanation", "random-size", "all-pass"]
    located = made["located"].table
    row = located.filter(control="all-pass").row(0, named=True)
    assert row["n"] == 6 and row["n_target"] == 6 and row["energy_share"] == pytest.approx(1)
    assert row["target_share"] == pytest.approx(row["input_share"])  # all of it passes
    assert row["improvement_db"] == pytest.approx(0, abs=1e-6) and 0 <= row["localisation_auroc"] <= 1
    cell = f"{row['energy_in_events']:.4g} ({row['energy_in_events_low']:.3g} to "
    assert cell in page.read_text()  # a mean with its interval is one cell


def test_what_was_scored_is_read(found, monkeypatch: pytest.MonkeyPatch) -> None:
    page, made = found
    clips = open_data("sounds:?n=10&kinds=rain,siren&duration_s=0.5")
    monkeypatch.setattr("otoscope.study.reproduce.posthoc_scores.scored", None)
    again = {one.exhibit.ours: one.table for one in reproduce(_network(), clips, page.parent, FEW)[1]}
    for name in ("in_domain", "controls", "located"):
        assert again[name].equals(made[name].table, null_equal=True)


def test_published_numbers_are_those_of_the_tables() -> None:
    shown = {one.ours: one.published for one in exhibits("posthoc")[1]}
    assert set(shown["in_domain"]["row"]) | set(shown["contaminated"]["row"]) == set(ROWS)
    lmac = shown["contaminated"].filter(row="lmac").row(0, named=True)
    assert (lmac["average_increase"], lmac["average_drop_published"], lmac["complexity"]) == (
        61.62,
        3.83,
        9.77,
    )
    assert shown["in_domain"].filter(row="piq_vit")["input_fidelity"][0] == 0.11


def test_seeds_are_averaged_within_clips_and_told_apart() -> None:
    table = pl.DataFrame(
        {
            "clip": [0, 1, 0, 1],
            "method": ["lmac@0", "lmac@0", "lmac@1", "lmac@1"],
            "control": pl.Series([None] * 4, dtype=pl.String),
            "faithfulness": [0.0, 0.2, 0.4, 0.6],
        }
    )
    row = over_seeds(table, ["a", "b"], ("faithfulness",), 200, 0).row(0, named=True)
    assert row["method"] == "lmac" and row["n_seeds"] == 2 and row["n"] == 2
    assert row["faithfulness"] == pytest.approx(0.3)
    assert (row["faithfulness_seeds_low"], row["faithfulness_seeds_high"]) == pytest.approx((0.1, 0.5))
    assert (row["faithfulness_low"], row["faithfulness_high"]) == pytest.approx((0.2, 0.4))
    assert "faithfulness_n" not in row
    endless = table.with_columns(improvement_db=pl.Series([-np.inf, 1.0, -np.inf, 3.0]))
    row = over_seeds(endless, ["a", "b"], ("improvement_db",), 200, 0).row(0, named=True)
    assert (row["improvement_db"], row["improvement_db_n"]) == (2.0, 1)


def test_what_does_not_fit_is_refused(found, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = open_data("sounds:?n=4&kinds=rain,siren&duration_s=0.5")
    model = cnn.build(("rain", "siren"), width=4, clip_s=0.5, n_mels=32).eval()
    with pytest.raises(InputError, match="no trained explainer"):
        reproduce(model, clips, tmp_path, {**FEW, "explainers": (str(tmp_path),)})
    with pytest.raises(InputError, match="each network is of another architecture"):
        reproduce("demo:", clips, tmp_path, {**FEW, "networks": ("demo:",)})
    assert call(["reproduce", "posthoc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preset"] == "posthoc"


TINY = {"lmac": {"width": 2}, "lmac-finetuned.width": 2, "lmac-finetuned.contamination": "white"}
"""Settings of trainings: whole, and entry by entry."""


def test_trainings_are_configured_and_rest_on_one_dictionary_a_seed(tmp_path: Path) -> None:
    clips = open_data("sounds:?n=10&kinds=rain,siren&duration_s=0.5")
    model = cnn.build(("rain", "siren"), width=2, clip_s=0.5, n_mels=16).eval()
    l2i = {"width": 2, "pooling": "max", "dropout": 0.0}
    settings = {**TINY, "l2i": l2i, "nmf": {"n_components": 3, "iterations": 4, "n_frames": 60}}
    asked = {"train": ("l2i", "lmac-finetuned"), "seeds": (3, 4), "epochs": 1, "valid_folds": "4"}
    bench = prepare(model, clips, tmp_path, PosthocConfig.of({**FEW, **asked, "train_settings": settings}))
    made = bench.networks[0].methods
    assert list(made) == ["amt", "l2i@0", "l2i@1", "lmac-finetuned@0", "lmac-finetuned@1"]
    for seed in (3, 4):
        there = {kind: tmp_path / "explainers" / f"cnn-{kind}-{seed}" for kind in ("nmf", "l2i", "lmac")}
        account = json.loads((there["l2i"] / "training.json").read_text())["config"]
        assert account["dictionary"] == str(there["nmf"]) and account["pooling"] == "max"
        assert (account["valid_folds"], account["test_folds"], account["seed"]) == ("4", "5", seed)
        tuned = tmp_path / "explainers" / f"cnn-lmac-finetuned-{seed}" / "training.json"
        account = json.loads(tuned.read_text())
        assert (
            account["config"]["start_from"] == str(there["lmac"]) and "snr_db=0.0" in account["contamination"]
        )


def test_the_recipes_mixtures_are_of_two_folds(tmp_path: Path) -> None:
    clips = open_data("sounds:?n=10&kinds=rain,siren&duration_s=0.5")
    bench = prepare(_network(), clips, tmp_path, PosthocConfig.of({**FEW, "contamination": "mixtures"}))
    heard = bench.sounds(bench.networks[0], "contaminated")
    assert len(heard) == 2 * 2 and heard.parts is not None
    assert set(heard.groups) == set(clips.table.filter(fold=4)["group"])
    names = sorted("+".join(sorted(one)) for one in heard.parts)
    assert names == ["rain", "rain+siren", "rain+siren", "siren"]  # of either class, as published
    command, note = _how(bench, "contaminated")
    assert "contaminated:DATA?folds=4&from_folds=5&snr_db=12.04" in command and "chose the network" in note
    with pytest.raises(UnknownNameError, match=r"contamination 'whamm'.*mixtures"):
        PosthocConfig(contamination="whamm")
    with pytest.raises(InputError, match="'speech' is drawn from a collection"):
        PosthocConfig(contamination="speech")


def test_settings_of_trainings_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    clips = open_data("sounds:?n=10&kinds=rain,siren&duration_s=0.5")
    model = cnn.build(("rain", "siren"), width=2, clip_s=0.5, n_mels=16).eval()
    with pytest.raises(UnknownNameError, match=r"training 'lmca'.*lmac-finetuned"):
        PosthocConfig.of({"train_settings": {"lmca": {}}})
    wrong = {**FEW, "train": ("nmf", "piq"), "train_settings": {"piq": {"codez": 3}}}
    with pytest.raises(UnknownNameError, match="codez"):
        prepare(model, clips, tmp_path, PosthocConfig.of(wrong))
    with pytest.raises(InputError, match="validation folds 5 and the test part share clips"):
        prepare(model, clips, tmp_path, PosthocConfig.of({**FEW, "train": ("nmf",), "valid_folds": "5"}))
    assert not (tmp_path / "explainers").exists()
