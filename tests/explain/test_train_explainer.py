"""Training an explainer: its folder, who may use it, a real kill, and the classifier given back as it was lent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError, FormatError, InputError, StageError, UnknownNameError
from otoscope.explain import TRAINABLE
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.l2i import RECIPE, ListenToInterpret, RandomComponents
from otoscope.explain.l2i_config import L2IConfig
from otoscope.explain.listen import listen
from otoscope.explain.nmf import unit
from otoscope.explain.recipe import Recipe
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.train_explainer import configured, plan, split, train_explainer
from otoscope.explain.trained import open_explainer, read_explainer, recipe_of
from otoscope.explain.windows import explain
from otoscope.models import cnn, folder, open_model
from otoscope.models.parts import split_parts
from otoscope.models.weights import hash_weights
from otoscope.store import tables

SMALL = {
    "n_components": 6,
    "dictionary_iterations": 10,
    "dictionary_frames": 400,
    "width": 8,
    "epochs": 3,
    "batch_size": 8,
    "valid": 0.25,
}


@pytest.fixture(scope="module")
def clips() -> Clips:
    return open_data("sounds:24", seed=3, duration_s=1.0)


@pytest.fixture(scope="module")
def classifier(clips, tmp_path_factory) -> Path:
    """Return the folder of a small untrained network of the clips' classes."""
    where = tmp_path_factory.mktemp("classifier")
    folder.save(cnn.build(clips.label_set().classes, width=4, clip_s=1.0, n_mels=32), where)
    return where


@pytest.fixture(scope="module")
def made(clips, classifier, tmp_path_factory):
    """Return a classifier, the folder of its explainer, and the explainer."""
    model, where = open_model(str(classifier)), tmp_path_factory.mktemp("l2i")
    return model, where, train_explainer("l2i", model, clips, where, SMALL)


@pytest.fixture(scope="module")
def sound(clips) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return 0.1 * torch.randn(3, 1, 16000, generator=generator)


def test_every_recipe_keeps_the_contract() -> None:
    for name in TRAINABLE:
        recipe = recipe_of(name)
        assert recipe.name == name and recipe.__doc__
        for preset in recipe.presets:
            assert configured(recipe, None, preset) != configured(recipe, None, None)
    with pytest.raises(UnknownNameError, match="l2i"):
        recipe_of("l2j")


class TestFolder:
    """What is written."""

    def test_manifest_and_account(self, made, clips) -> None:
        model, where, _ = made
        content, account = read_explainer(where), json.loads((where / "training.json").read_text())
        assert content["method"] == "l2i" and content["classifier"]["weights_hash"] == hash_weights(model)
        assert content["spectrogram"] == Spectrogram.of(model).to_json()
        assert content["net"]["layers"] == [f"blocks.{i}" for i in range(4)]
        assert len(account["history"]) == 3 and account["parts"]["train"] + account["parts"]["valid"] == 24
        metrics = {"valid_fidelity", "valid_fidelity_top3", "valid_disagreement", "valid_error"}
        assert metrics <= account["history"][0].keys() and account["test"] is None
        best = min(account["history"], key=lambda row: row["valid_disagreement"])
        assert account["best"] == best
        assert not (where / "fit").exists()

    def test_global_relevance_is_a_table(self, made, clips) -> None:
        table = tables.read(made[1] / "global_relevance.parquet")
        n_classes = len(clips.label_set().classes)
        assert table.height == n_classes * 6
        named = table.filter(pl.col("n_examples") > 0)
        assert named.height and named["relevance"].is_not_null().all()
        assert table.filter(n_examples=0)["relevance"].is_null().all()
        assert (named["relevance"] <= 1).all()

    def test_a_finished_training_is_opened_and_another_one_refused(self, made, clips) -> None:
        model, where, _ = made
        before = (where / "explainer.safetensors").stat().st_mtime_ns
        train_explainer("l2i", model, clips, where, SMALL)
        assert (where / "explainer.safetensors").stat().st_mtime_ns == before
        with pytest.raises(StageError, match="another training: it differs in config"):
            train_explainer("l2i", model, clips, where, {**SMALL, "epochs": 4})

    def test_a_plan_writes_nothing(self, made, clips, tmp_path) -> None:
        found = plan("l2i", made[0], clips, tmp_path / "new", SMALL)
        assert found["state"] == "new" and found["steps"] == 9 and not (tmp_path / "new").exists()
        assert plan("l2i", made[0], clips, made[1], SMALL)["state"] == "done"

    def test_parts_are_the_classifiers_parts(self, clips) -> None:
        rows = split(clips, L2IConfig(valid=0.25))
        groups = {name: set(clips.table["group"].gather(part).to_list()) for name, part in rows.items()}
        assert not groups["train"] & groups["valid"] and not rows["test"].size
        assert np.array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(24))

    def test_folds_choose_the_epoch_as_in_the_classifiers_training(self) -> None:
        clips = open_data("sounds:50", kinds="pure_tone,clicks", duration_s=0.2)
        folds = clips.table["fold"].to_numpy()
        asked = {"test_folds": "5", "valid_folds": "4"}
        rows = split(clips, L2IConfig(**asked))
        theirs = split_parts(clips, label_set=None, test_folds="5", test_split=None, valid="4", seed=0)
        assert set(folds[rows["train"]]) == {1, 2, 3} and set(folds[rows["valid"]]) == {4}
        assert all(np.array_equal(rows[name], getattr(theirs, name)) for name in rows)
        with pytest.raises(
            InputError, match="validation folds 4-5 and the test part share clips: name other"
        ):
            split(clips, L2IConfig(test_folds="5", valid_folds="4-5"))
        with pytest.raises(EmptyDataError, match="validation folds 1-5 leave nothing to train on"):
            split(clips, L2IConfig(valid_folds="1-5"))
        assert L2IConfig(**asked).identity()["valid_folds"] == "4"
        assert (
            "valid_folds" not in L2IConfig().identity()
        )  # folders that were finished before it are still finished


class TestUse:
    """Who may use it, and what it gives."""

    def test_what_was_read_is_what_was_trained(self, made, sound) -> None:
        model, where, trained = made
        one, other = trained(model, sound), open_explainer(where, model)(model, sound)
        assert torch.equal(one.mask, other.mask) and one.parts is not None
        assert torch.equal(one.parts.relevance, other.parts.relevance)

    def test_the_mask_is_the_share_of_the_kept_components(self, made, sound) -> None:
        model, _, trained = made
        found = trained(model, sound)
        assert found.parts is not None and found.domain == "log1p"
        alone = torch.stack([found.parts.mask(k) for k in range(6)], 1)  # (clip, component, frequency, frame)
        expected = (alone * found.parts.chosen[:, :, None, None]).sum(1)
        assert torch.allclose(found.mask, expected, atol=1e-5)
        assert found.facts["components"] == found.parts.chosen.sum(1).tolist()

    def test_options_act_when_explaining(self, made, sound) -> None:
        model, where, trained = made
        assert isinstance(trained, ListenToInterpret)
        strict = open_explainer(where, model, top=1, empty="largest")(model, sound)
        assert strict.parts is not None and strict.parts.chosen.sum(1).max() <= 1
        everything = trained.told(normaliser="max", threshold=0.0)(model, sound)
        assert everything.mask.mean() >= strict.mask.mean()
        with pytest.raises(UnknownNameError, match="threshold"):
            open_explainer(where, model, thresh=0.3)

    def test_random_components_are_as_many_and_the_same_in_any_batch(self, made, sound) -> None:
        model, _, trained = made
        drawn = RandomComponents(trained, seed=1)
        found, own = drawn(model, sound), trained(model, sound)
        assert found.facts["components"] == own.facts["components"]
        assert torch.equal(drawn(model, sound[1:2]).parts.chosen, found.parts.chosen[1:2])
        three = RandomComponents(trained, 3)(model, sound).parts.chosen
        assert three.sum(1).tolist() == [3, 3, 3] and not torch.equal(three[0], three[1])

    def test_targets(self, made, sound) -> None:
        model, _, trained = made
        named = trained(model, sound, model(sound).argmax(1))
        assert torch.equal(named.mask, trained(model, sound).mask)
        first = trained(model, sound, model.classes[0])
        same = trained(model, sound, lambda output: output[:, 0])
        assert torch.allclose(first.mask, same.mask, atol=1e-5)

    def test_long_and_short_sounds_are_heard(self, made) -> None:
        model, _, trained = made
        for n_samples in (9000, 40000):
            waveform = 0.1 * torch.randn(1, 1, n_samples, generator=torch.Generator().manual_seed(1))
            found = explain(trained, model, waveform)
            heard = listen(found, waveform)
            assert heard.explanation.shape == waveform.shape and bool(heard.explanation.isfinite().all())

    def test_silence(self, made) -> None:
        model, _, trained = made
        found = trained(model, torch.zeros(1, 1, 16000))
        assert (
            bool(found.mask.isfinite().all())
            and listen(found, torch.zeros(1, 1, 16000)).explanation.abs().max() == 0
        )

    def test_another_classifier_is_refused(self, made, clips) -> None:
        other = cnn.build(clips.label_set().classes, width=4, clip_s=1.0, n_mels=32, seed=9).eval()
        with pytest.raises(InputError, match=r"another classifier .*Train an explainer for it"):
            open_explainer(made[1], other)

    def test_another_spectrogram_is_refused(self, made, clips) -> None:
        other = cnn.build(clips.label_set().classes, width=4, clip_s=1.0, n_mels=32, sample_rate=8000).eval()
        with pytest.raises(InputError, match="sample_rate = 16000, and is used with 8000"):
            open_explainer(made[1], other)

    def test_damaged_and_newer_files(self, made, tmp_path) -> None:
        model, where, _ = made
        for name in ("explainer.json", "explainer.safetensors"):
            (tmp_path / name).write_bytes((where / name).read_bytes())
        content = json.loads((where / "explainer.json").read_text())
        for change, message in (
            ({"format_version": 2}, "reads up to 1"),
            ({"weights_hash": "0" * 64}, "is not the file"),
            ({"kind": "audio-model"}, "does not describe an explainer"),
        ):
            (tmp_path / "explainer.json").write_text(json.dumps(content | change))
            with pytest.raises(FormatError, match=message):
                open_explainer(tmp_path, model)
        with pytest.raises(InputError, match="no such folder"):
            open_explainer(tmp_path / "nowhere", model)


class TestClassifier:
    """It is lent."""

    def test_it_is_given_back_as_it_came(self, clips, classifier, tmp_path) -> None:
        model = open_model(str(classifier))
        model.train()
        model.net.head.weight.requires_grad_(False)
        before = {name: one.clone() for name, one in model.state_dict().items()}
        asked = {name: one.requires_grad for name, one in model.named_parameters()}
        train_explainer("l2i", model, clips, tmp_path, {**SMALL, "epochs": 1})
        assert model.training and all(module.training for module in model.modules())
        assert {name: one.requires_grad for name, one in model.named_parameters()} == asked
        after = model.state_dict()
        assert all(torch.equal(after[name], one) for name, one in before.items())  # running means, too

    def test_training_leaves_the_global_numbers_alone(self, clips, classifier, tmp_path) -> None:
        torch.manual_seed(4)
        expected = torch.rand(3)
        torch.manual_seed(4)
        train_explainer("l2i", str(classifier), clips, tmp_path, {**SMALL, "epochs": 1})
        assert torch.equal(torch.rand(3), expected)


SCRIPT = """
import json, os, signal, sys
from otoscope.data import open_data
from otoscope.explain import l2i_lesson
from otoscope.explain.train_explainer import train_explainer
classifier, out, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
whole = l2i_lesson.L2ILesson.measures
heard = []
def measures(self, part):
    heard.append(1)
    if len(heard) == 2:
        os.kill(os.getpid(), signal.SIGKILL)  # in the second epoch's validation
    return whole(self, part)
l2i_lesson.L2ILesson.measures = measures
train_explainer("l2i", classifier, open_data("sounds:24", seed=3, duration_s=1.0), out, settings)
"""


def test_a_killed_training_goes_on_to_the_same_bytes(made, clips, classifier, tmp_path) -> None:
    arguments = [sys.executable, "-c", SCRIPT, str(classifier), str(tmp_path), json.dumps(SMALL)]
    done = subprocess.run(arguments, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert (tmp_path / "fit" / "checkpoint.safetensors").is_file() and not (
        tmp_path / "training.json"
    ).exists()
    train_explainer("l2i", open_model(str(classifier)), clips, tmp_path, SMALL)
    for name in ("explainer.safetensors", "global_relevance.parquet"):
        assert (tmp_path / name).read_bytes() == (made[1] / name).read_bytes()


class TestHiddenMaps:
    """What the network's layers say."""

    def test_maps_by_name_in_the_order_asked_for(self, made, sound) -> None:
        model = made[0]
        maps = HiddenMaps.of(model, ("blocks.2", "blocks.0"), 16000)
        heard = maps(model, sound)
        assert [tuple(one.shape[1:]) for one in heard.maps] == list(maps.shapes) == [(16, 4, 7), (4, 16, 26)]
        with torch.no_grad():
            assert torch.allclose(heard.output, model(sound))
        assert HiddenMaps.of(model, None, 16000).layers == tuple(f"blocks.{i}" for i in range(4))

    def test_a_layer_without_a_map_is_refused(self, made) -> None:
        from otoscope.errors import HookError

        with pytest.raises(HookError, match=r"no map .* from head"):
            HiddenMaps.of(made[0], ("head",), 16000)


class TestPresets:
    """Published protocols."""

    def test_the_authors(self) -> None:
        how = configured(RECIPE, None, "l2i-2022")
        assert isinstance(how, L2IConfig)
        weights = (how.reconstruction, how.sparsity, how.fidelity, how.later_fidelity, how.later_from)
        assert weights == (5.0, 0.4, 0.5, 1.0, 20) and how.over_classes == "sum"
        assert (how.epochs, how.batch_size, how.learning_rate, how.optimiser) == (35, 32, 2e-4, "adam")
        assert (how.normaliser, how.top, how.threshold) == ("max", 5, 0.2)
        assert (how.metric, how.better) == ("valid_fidelity", "higher")

    def test_the_recipe(self) -> None:
        how = configured(RECIPE, {"epochs": 2}, "l2i-speechbrain")
        assert isinstance(how, L2IConfig)
        assert (how.reconstruction, how.sparsity, how.over_classes, how.epochs) == (10.0, 0.8, "mean", 2)
        assert (how.pooling, how.normaliser, how.eps, how.metric) == ("frame-weights", "absmax", 1e-10, None)
        with pytest.raises(UnknownNameError, match="l2i-speechbrain"):
            configured(RECIPE, None, "l2i-2023")

    @pytest.mark.parametrize(
        "preset", ["l2i-2022", "l2i-2022-sonyc", "l2i-speechbrain", "l2i-speechbrain-conv2d"]
    )
    def test_each_trains_and_explains(self, preset, clips, classifier, sound, tmp_path) -> None:
        small = {**SMALL, "epochs": 1, "psi": "compact", "test_split": None}
        trained = train_explainer("l2i", str(classifier), clips, tmp_path, small, preset=preset)
        model = open_model(str(classifier))
        assert isinstance(RECIPE, Recipe) and trained(model, sound).mask.shape[0] == 3
        assert isinstance(trained, ListenToInterpret) and trained.copied(model, sound).shape == (
            3,
            len(model.classes),
        )


def test_a_dictionary_of_another_rate_is_refused(classifier, clips, tmp_path) -> None:
    from otoscope.explain.dictionary import Dictionary

    Dictionary(unit(torch.rand(513, 4)), Spectrogram(StftSettings(1024, 320), 44100)).save(tmp_path / "d")
    with pytest.raises(
        InputError, match=r"sample_rate = 44100, and is used with 16000.*Learn it at the rate"
    ):
        train_explainer(
            "l2i", str(classifier), clips, tmp_path / "x", {**SMALL, "dictionary": str(tmp_path / "d")}
        )
    with pytest.raises(InputError, match="there is no dictionary"):
        train_explainer("l2i", str(classifier), clips, tmp_path / "x", {**SMALL, "dictionary": "nowhere"})


def test_on_the_command_line(classifier, tmp_path, capsys) -> None:
    data = ["--data", "sounds:24", "--valid", "0.25", "--quiet"]
    nmf = ["train-explainer", "nmf", str(classifier), *data, "--out", str(tmp_path / "d")]
    assert call([*nmf, "--set", "n_components=5", "--set", "iterations=10", "--set", "n_frames=300"]) == 0
    assert "error" in capsys.readouterr().out
    l2i = ["train-explainer", "l2i", str(classifier), *data, "--dictionary", str(tmp_path / "d")]
    settings = ["--epochs", "1", "--set", "width=4", "--json"]
    assert call([*l2i, "--out", str(tmp_path / "e"), *settings]) == 0
    account = json.loads(capsys.readouterr().out)
    assert account["method"] == "l2i" and account["dictionary"] and account["best_epoch"] == 1
    by_fold = [
        "--data",
        "sounds:?n=10&kinds=rain,siren",
        "--test-folds",
        "5",
        "--valid-folds",
        "4",
        "--dry-run",
    ]
    assert call([*l2i, "--out", str(tmp_path / "f"), *by_fold]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["state"] == "new" and not (tmp_path / "f").exists()
    assert planned["config"]["valid_folds"] == "4" and planned["parts"] == {
        "train": 6,
        "valid": 2,
        "test": 2,
    }
    assert call(["train-explainer", "l2x", str(classifier), *data, "--out", str(tmp_path / "g")]) == 2
    assert "l2i" in capsys.readouterr().err
    assert call([*l2i, "--out", str(tmp_path / "g"), "--preset", "l2i-1999"]) == 2
    assert "l2i-speechbrain" in capsys.readouterr().err
