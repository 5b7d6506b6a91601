"""Dictionaries learnt from a collection: by updates, per class, amortised, as published; and after a kill."""

from __future__ import annotations

import json

import pytest
import torch

from otoscope.data import open_data
from otoscope.errors import FormatError, InputError, StageError
from otoscope.explain import nmf_recipe
from otoscope.explain.components import ComponentOcclusion
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.nmf import Factors, NmfConfig, factorise
from otoscope.explain.nmf_recipe import RECIPE, NmfRecipeConfig
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.train_explainer import configured, train_explainer
from otoscope.models import cnn

SMALL = {"n_components": 5, "iterations": 40, "n_frames": 400, "valid": 0.25, "tolerance": 0}
AMORTISED = {**SMALL, "solver": "amortised", "epochs": 3, "hidden": (16, 12), "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def clips():
    return open_data("sounds:24", seed=3, duration_s=1.0)


@pytest.fixture(scope="module")
def network(clips):
    """Return an untrained network: a dictionary needs its spectrogram alone."""
    return cnn.build(clips.label_set().classes, width=2, clip_s=1.0, n_mels=16).eval()


@pytest.fixture(scope="module")
def features(network, clips):
    from otoscope.explain.sounds import Sounds

    heard = torch.from_numpy(Sounds.of(clips, network, range(4)).waveforms)
    return Spectrogram.of(network).spectrum(heard.mean(1)).abs()


def test_a_folder_that_knows_its_spectrogram(network, clips, tmp_path) -> None:
    explainer = train_explainer("nmf", network, clips, tmp_path, SMALL)
    assert isinstance(explainer, ComponentOcclusion) and explainer.dictionary.n_components == 5
    found = Dictionary.load(tmp_path, Spectrogram.of(network))
    account = json.loads((tmp_path / "training.json").read_text())
    trail = account["objective"]["None"]
    assert len(trail) == 4 and trail == sorted(trail, reverse=True)
    assert 0 < account["best"]["valid_error"] < 1 and found.origin["n_dead"] == 0
    assert found.origin["config"]["sparsity"] == 0.8


def test_per_class(network, clips, tmp_path) -> None:
    train_explainer("nmf", network, clips, tmp_path, {**SMALL, "n_components": 2, "per_class": True})
    found = Dictionary.load(tmp_path)
    assert found.labels is not None
    heard = set(found.labels)
    assert heard <= set(clips.label_set().classes) and found.n_components == 2 * len(heard)


def test_the_encoder_is_kept_with_the_dictionary(network, clips, features, tmp_path) -> None:
    train_explainer("nmf", network, clips, tmp_path, AMORTISED)
    found = Dictionary.load(tmp_path, Spectrogram.of(network))
    assert found.encoder is not None and torch.allclose(found.spectra.norm(dim=0), torch.ones(5), atol=1e-5)
    h = found.activations(features)
    assert h.shape == (4, 5, features.shape[2]) and float(h.min()) >= 0
    history = json.loads((tmp_path / "training.json").read_text())["history"]
    assert history[-1]["valid_error"] < history[0]["valid_error"]
    content = json.loads((tmp_path / "dictionary.json").read_text())
    content["encoder"]["weights_hash"] = "0" * 64
    (tmp_path / "dictionary.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="not the one that the manifest names"):
        Dictionary.load(tmp_path)


def test_as_published_the_product_is_what_was_learnt(network, clips, features, tmp_path, monkeypatch) -> None:
    """Columns are brought to unit length after training, and activations with them."""
    learnt = {}
    whole = nmf_recipe.dictionary_of

    def kept(lesson, content):
        learnt["w"], learnt["encoder"] = lesson.learner.columns().detach(), lesson.learner.encoder
        return whole(lesson, content)

    monkeypatch.setattr(nmf_recipe, "dictionary_of", kept)
    small = {"n_components": 5, "epochs": 1, "hidden": (8,), "valid": 0.25}
    train_explainer("nmf", network, clips, tmp_path, small, preset="speechbrain")
    found = Dictionary.load(tmp_path)
    values = found.features(features)
    with torch.no_grad():
        expected = learnt["w"] @ learnt["encoder"](values)
    assert not torch.allclose(learnt["w"].norm(dim=0), torch.ones(5), atol=1e-2)
    assert torch.allclose(found.spectra @ found.activations(features), expected, atol=1e-5)


def test_the_published_protocol() -> None:
    how = configured(RECIPE, None, "speechbrain")
    assert isinstance(how, NmfRecipeConfig)
    assert (how.n_components, how.epochs, how.batch_size, how.learning_rate) == (100, 300, 2, 5e-5)
    assert (how.penalty, how.unit_columns, how.optimiser, how.hidden) == (0.0, False, "adam", (256, 128))


def test_what_cannot_be_learnt_says_why(network, clips, tmp_path) -> None:
    with pytest.raises(InputError, match="the encoder is joint"):
        train_explainer("nmf", network, clips, tmp_path, {**AMORTISED, "per_class": True})
    with pytest.raises(InputError, match="has no penalty with unit columns"):
        train_explainer("nmf", network, clips, tmp_path / "s", {**SMALL, "solver": "sklearn"})


class Killed(BaseException):
    """Stands for SIGKILL inside one process."""


def test_updates_go_on_where_they_were_kept() -> None:
    values = torch.rand(9, 40, generator=torch.Generator().manual_seed(0))
    how = NmfConfig(n_components=3, iterations=60, tolerance=0)
    states: list[Factors] = []
    whole = factorise(values, how, keep=states.append)
    assert [len(one.objective) for one in states] == [1, 2, 3, 4, 5, 6]
    again = factorise(values, how, start=states[2])
    assert torch.equal(again.spectra, whole.spectra) and again.objective == whole.objective


def test_a_killed_dictionary_goes_on_to_the_same_bytes(network, clips, tmp_path, monkeypatch) -> None:
    config = {**SMALL, "n_components": 2, "per_class": True}
    train_explainer("nmf", network, clips, tmp_path / "whole", config)
    whole, blocks = nmf_recipe.factorise, []

    def dies(*arguments, **options):
        blocks.append(1)
        if len(blocks) == 3:
            raise Killed
        return whole(*arguments, **options)

    monkeypatch.setattr(nmf_recipe, "factorise", dies)
    with pytest.raises(Killed):
        train_explainer("nmf", network, clips, tmp_path / "killed", config)
    train_explainer("nmf", network, clips, tmp_path / "killed", config)
    account = json.loads((tmp_path / "whole" / "training.json").read_text())
    assert (
        len(blocks) == len(account["objective"]) + 1
    )  # the block that was cut short is the only one made twice
    for name in ("dictionary.json", "dictionary.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_trainings_updates_are_refused(tmp_path) -> None:
    kept = nmf_recipe._Kept(tmp_path / "updates.safetensors", {"training": "a"})
    kept.factorised("None", torch.rand(6, 20), NmfConfig(n_components=2, iterations=20))
    with pytest.raises(StageError, match="another training"):
        nmf_recipe._Kept(tmp_path / "updates.safetensors", {"training": "b"})
