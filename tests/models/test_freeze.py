"""Starting from a network: what is taken over, what learns, what stays, what goes wrong."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
import torch

from otoscope.data import open_data
from otoscope.data.decode import Decoding
from otoscope.errors import InputError, ModelError, StageError
from otoscope.models import cnn, folder, open_model, panns, transformer
from otoscope.models.beats.build import build as build_beats
from otoscope.models.evaluate import clip_logits
from otoscope.models.frozen import FrozenLesson, embed
from otoscope.models.parts import split_parts
from otoscope.models.sound_cache import decode_all
from otoscope.models.start import head_name
from otoscope.models.train import TrainConfig, train

BEATS = {
    "dim": 16,
    "hidden": 24,
    "depth": 1,
    "heads": 2,
    "patch_dim": 8,
    "conv_pos": 4,
    "conv_groups": 2,
    "n_buckets": 8,
    "max_distance": 20,
}
BUILDERS = {
    "beats": lambda classes, **more: build_beats(classes, **BEATS, **more),
    "cnn": lambda classes, **more: cnn.build(classes, width=3, n_mels=16, **more),
    "cnn6": lambda classes, **more: panns.build_cnn6(classes, width=2, sample_rate=16000, **more),
    "transformer": lambda classes, **more: transformer.build(
        classes, dim=16, hidden=24, depth=1, heads=2, **more
    ),
}


@pytest.fixture(scope="module")
def clips():
    return open_data("sounds:60", kinds="pure_tone,broadband_noise,clicks", duration_s=0.5)


def config(**changes) -> TrainConfig:
    plain = {"test_folds": "5", "valid": 0.2, "epochs": 30, "batch_size": 12, "learning_rate": 2e-2}
    return TrainConfig(**{**plain, **changes})


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """Return a function from an architecture to the folder of an untrained network with two other classes."""
    root = tmp_path_factory.mktemp("starts")

    def of(arch: str) -> str:
        if not (root / arch).exists():
            folder.save(BUILDERS[arch](("cat", "sea"), clip_s=0.5, seed=7), root / arch)
        return str(root / arch)

    return of


@pytest.mark.parametrize("arch", BUILDERS)
def test_only_the_head_learns(clips, starts, tmp_path, arch):
    source = open_model(starts(arch))
    model = train(arch, clips, tmp_path / "m", config(start_from=starts(arch), freeze="encoder"))
    before, after = source.net.state_dict(), model.net.state_dict()
    head = head_name(model)
    changed = {
        key
        for key in after
        if before[key].shape != after[key].shape or not torch.equal(before[key], after[key])
    }
    assert changed == {f"{head}.weight", f"{head}.bias"}
    for key, one in source.front_end.state_dict().items():
        assert torch.equal(one, model.front_end.state_dict()[key])
    account = json.loads((tmp_path / "m" / "training.json").read_text())
    assert account["start"]["head"] == "new" and len(account["start"]["weights_hash"]) == 64
    assert account["test"]["accuracy"] >= 0.5  # chance is 1/3, the features are random
    assert account["config"]["time_shift_s"] == account["config"]["masks"] == 0
    assert all(one.requires_grad for one in model.parameters())


def test_embeddings_are_what_the_head_takes(clips, starts):
    model = open_model(starts("beats"))
    parts = split_parts(clips, label_set=None, test_folds="5", test_split=None, valid=0.2, seed=0)
    with closing(decode_all(clips, parts.train[:7], Decoding(16000), 0)) as cache, torch.no_grad():
        found = embed(model, cache, 3, "cpu")
        alone = [model(torch.from_numpy(cache.waveform(index))[None, None]) for index in range(7)]
        torch.testing.assert_close(model.net.predictor(found), torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_a_long_clip_is_the_mean_of_its_windows(starts):
    clips = open_data("sounds:6", kinds="pure_tone,broadband_noise,clicks", duration_s=1.2)
    model = open_model(starts("cnn"))
    with closing(decode_all(clips, range(6), Decoding(16000), 0)) as cache, torch.no_grad():
        by_embedding = model.net.head(embed(model, cache, 4, "cpu")).numpy()
    assert np.abs(by_embedding - clip_logits(model, clips)[0]).max() < 1e-4


def test_fine_tuning_starts_from_the_weights_and_moves_them(clips, starts, tmp_path):
    source = open_model(starts("cnn"))
    gentle = config(start_from=starts("cnn"), epochs=1, learning_rate=1e-7, weight_decay=0, warmup=0)
    model = train("cnn", clips, tmp_path / "m", gentle)
    for key, one in source.net.named_parameters():
        if not key.startswith("head."):
            torch.testing.assert_close(model.net.get_parameter(key), one, atol=1e-5, rtol=0)
    first = "blocks.0.conv.weight"
    assert not torch.equal(model.net.get_parameter(first), source.net.get_parameter(first))
    assert torch.equal(model.front_end.mean, source.front_end.mean)


def test_the_head_is_kept_where_the_classes_are_the_same(clips, tmp_path):
    source = BUILDERS["cnn"](clips.label_set(None).classes, clip_s=0.5, seed=3)
    with torch.no_grad():
        source.net.head.weight.fill_(0.25)
    folder.save(source, tmp_path / "source")
    options = config(start_from=str(tmp_path / "source"), freeze="encoder", epochs=1, learning_rate=1e-9)
    model = train("cnn", clips, tmp_path / "m", options)
    torch.testing.assert_close(model.net.head.weight, source.net.head.weight, atol=1e-4, rtol=0)
    assert json.loads((tmp_path / "m" / "training.json").read_text())["start"]["head"] == "kept"


def test_a_killed_training_of_a_head_ends_with_the_same_files(clips, starts, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    options = config(start_from=starts("cnn"), freeze="encoder", epochs=4)
    train("cnn", clips, tmp_path / "whole", options)
    calls, loss = [], FrozenLesson.loss

    def dies(self, chosen, generator):
        calls.append(1)
        if len(calls) == 8:
            raise Killed
        return loss(self, chosen, generator)

    with monkeypatch.context() as patch:
        patch.setattr(FrozenLesson, "loss", dies)
        with pytest.raises(Killed):
            train("cnn", clips, tmp_path / "killed", options)
    train("cnn", clips, tmp_path / "killed", options)
    for name in ("weights.safetensors", "training.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_what_goes_wrong(clips, starts, tmp_path):
    with pytest.raises(InputError, match="freeze needs a network to start from"):
        train("cnn", clips, tmp_path / "m", config(freeze="encoder"))
    with pytest.raises(InputError, match="sound is not varied: leave out gain_db"):
        train("cnn", clips, tmp_path / "m", config(start_from=starts("cnn"), freeze="encoder", gain_db=3.0))
    with pytest.raises(ModelError, match="is a cnn, not a beats"):
        train("beats", clips, tmp_path / "m", config(start_from=starts("cnn")))
    with pytest.raises(ModelError, match="a network of another maker, not a cnn"):
        train("cnn", clips, tmp_path / "m", config(start_from="planted:"))
    wider = config(start_from=starts("cnn"), options={"width": 5})
    with pytest.raises(ModelError, match=r"to start from: blocks.*expected"):
        train("cnn", clips, tmp_path / "m", wider)
    train("cnn", clips, tmp_path / "done", config(start_from=starts("cnn"), freeze="encoder", epochs=1))
    with pytest.raises(StageError, match="its training differs in config"):
        train("cnn", clips, tmp_path / "done", config(epochs=1, learning_rate=2e-2))
    assert not (tmp_path / "m").exists() or not (tmp_path / "m" / "model.json").exists()
