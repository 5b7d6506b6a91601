"""The bundled network names synthetic sounds that it has not heard."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from otoscope.data import open_data
from otoscope.models import demo, folder, open_model
from otoscope.models.evaluate import clip_logits


@pytest.mark.parametrize("seed", [31, 32])
def test_it_names_fresh_sounds(seed):
    model = open_model("demo:")
    clips = open_data("sounds:192", seed=seed)
    assert set(model.classes) == set(clips.label_set().classes)
    logits, failures = clip_logits(model, clips)
    named = np.array(model.classes)[logits.argmax(1)]
    right = named == clips.table["label"].to_numpy()
    assert failures == () and right.mean() >= 0.95
    assert seed != demo.SEED


def test_it_is_small_and_says_how_it_was_made():
    place = files("otoscope.models") / demo.FOLDER
    assert sum(one.stat().st_size for one in place.iterdir()) < 2_000_000
    training = folder.read_manifest(place)["training"]
    assert training["spec"] == f"sounds:{demo.N_SOUNDS}?seed={demo.SEED}"
    assert training["config"]["epochs"] == demo.EPOCHS
    assert training["test"]["accuracy"] >= 0.95


def test_its_recipe_runs(tmp_path):
    model = demo.make(tmp_path, n_sounds=240, epochs=1)
    assert len(model.classes) == 24
    assert (tmp_path / "model.json").is_file()


def test_every_declared_layer_has_exact_geometry():
    model = open_model("demo:")
    assert model.spec == "demo:" and model.clip_length.length_s == 2.0
    for block in range(4):
        shape = (1, 16 * 2**block, 32 // 2**block, -(-101 // 2 ** (block + 1)))
        assert not model.geometry(f"blocks.{block}", shape, 32000).approximate
