"""The training recipe on small synthetic sets: results, files, resume, parts, what goes wrong."""

from __future__ import annotations

import json
import os

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.data import open_data
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.models import open_model
from otoscope.models.lesson import Lesson, masked, prepare, typical_length_s
from otoscope.models.parts import split_parts
from otoscope.models.sound_cache import decode_all
from otoscope.models.train import TrainConfig, train
from otoscope.models.weights import hash_weights

KINDS = "pure_tone,broadband_noise,clicks"
SMALL = {"width": 4, "n_mels": 32}


@pytest.fixture(scope="module")
def clips():
    return open_data("sounds:45", kinds=KINDS, duration_s=0.5)


def config(**changes) -> TrainConfig:
    plain = {
        "test_folds": "5",
        "epochs": 3,
        "batch_size": 12,
        "learning_rate": 5e-3,
        "options": SMALL,
        "time_shift_s": 0.1,
        "valid": 0.2,
    }
    return TrainConfig(**{**plain, **changes})


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    return train("cnn", clips, out, config(epochs=14)), out


def test_easy_sounds_are_learnt_and_the_folder_says_how(trained, clips):
    model, out = trained
    account = json.loads((out / "training.json").read_text())
    assert account["test"]["accuracy"] >= 0.8  # chance is 1/3
    low, high = account["test"]["accuracy_95"]
    assert 0 <= low <= account["test"]["accuracy"] <= high <= 1
    assert account["parts"] == {"train": 30, "valid": 6, "test": 9, "unlabelled": 0}
    assert np.array(account["test"]["confusion"]).sum() == 9
    assert set(account["test"]["class_accuracy"]) == set(model.classes)
    assert len(account["history"]) == 14 and account["failures"] == []
    assert {"epoch", "loss", "learning_rate", "valid_accuracy", "valid_cross_entropy"} == set(
        account["history"][0]
    )
    assert account["data"]["hash"] == clips.content_hash()
    assert sorted(os.listdir(out)) == ["model.json", "training.json", "weights.safetensors"]
    again = open_model(str(out))
    assert hash_weights(again) == hash_weights(model)
    assert again.clip_length.length_s == 0.5
    in_manifest = json.loads((out / "model.json").read_text())["training"]
    assert in_manifest["test"] == account["test"] and "history" not in in_manifest


def test_the_best_epoch_is_the_one_with_the_least_validation_loss(trained):
    account = json.loads((trained[1] / "training.json").read_text())
    losses = [row["valid_cross_entropy"] for row in account["history"]]
    assert account["best_epoch"] == 1 + int(np.argmin(losses))
    assert account["best"] == account["history"][account["best_epoch"] - 1]


def test_the_front_end_has_the_training_sets_constants(trained, clips):
    model, _ = trained
    parts = split_parts(clips, label_set=None, test_folds="5", test_split=None, valid=0.2, seed=0)
    bands = []
    for row in parts.train:
        wave, _ = clips.source.read(clips.record(int(row)))
        bands.append(model.front_end.mel(torch.from_numpy(wave.copy())[None])[0, 0])
    frames = torch.cat(bands, 1)
    torch.testing.assert_close(model.front_end.mean[:, 0], frames.mean(1), atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(model.front_end.std[:, 0], frames.std(1), atol=1e-2, rtol=1e-2)


def test_a_finished_training_is_returned_and_another_is_refused(trained, clips, monkeypatch):
    model, out = trained
    monkeypatch.setattr(Lesson, "loss", None)  # would fail if anything were trained
    again = train("cnn", clips, out, config(epochs=14))
    assert hash_weights(again) == hash_weights(model)
    with pytest.raises(StageError, match="already holds another model: its training differs in config"):
        train("cnn", clips, out, config(epochs=15))
    with pytest.raises(StageError, match="differs in data"):
        train("cnn", clips.take(range(40)), out, config(epochs=14))


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_killed_training_ends_with_the_same_files(clips, tmp_path, monkeypatch):
    train("cnn", clips, tmp_path / "whole", config())
    calls, loss = [], Lesson.loss

    def dies(self, chosen, generator):
        calls.append(1)
        if len(calls) == 6:  # in the second of three epochs
            raise Killed
        return loss(self, chosen, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Lesson, "loss", dies)
        with pytest.raises(Killed):
            train("cnn", clips, tmp_path / "killed", config())
    assert sorted(os.listdir(tmp_path / "killed")) == ["fit"]
    train("cnn", clips, tmp_path / "killed", config())
    for name in ("model.json", "training.json", "weights.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_seed_decides_the_result(clips, tmp_path):
    kept = [
        train("cnn", clips, tmp_path / name, config(epochs=1, seed=seed))
        for name, seed in (("a", 1), ("b", 2))
    ]
    assert hash_weights(kept[0]) != hash_weights(kept[1])


def test_the_test_part_is_decoded_once_and_only_at_the_end(clips, tmp_path, monkeypatch):
    test_rows = set(clips.select(folds="5").table["id"])
    heard: list[str] = []
    read = type(clips.source).read

    def noted(self, record):
        heard.append(record["id"])
        return read(self, record)

    monkeypatch.setattr(type(clips.source), "read", noted)
    train("cnn", clips, tmp_path, config(epochs=2))
    assert sorted(heard) == sorted(clips.table["id"])
    assert set(heard[-len(test_rows) :]) == test_rows


def test_parts_share_no_group_and_cover_the_labelled(clips):
    grouped = clips.table.with_columns(group=pl.col("row").floordiv(3).cast(pl.String))
    import dataclasses

    parts = split_parts(
        dataclasses.replace(clips, table=grouped),
        label_set=None,
        test_folds="4-5",
        test_split=None,
        valid=0.25,
        seed=3,
    )
    groups = grouped["group"].to_numpy()
    assert not set(groups[parts.train]) & set(groups[parts.valid])
    assert sorted([*parts.train, *parts.valid, *parts.test]) == list(range(45))
    assert set(grouped["fold"].to_numpy()[parts.test]) == {4, 5}


def test_without_a_test_part_there_is_no_test(clips, tmp_path):
    train("cnn", clips, tmp_path, config(epochs=1, test_folds=None))
    assert json.loads((tmp_path / "training.json").read_text())["test"] is None


def test_damaged_and_unlabelled_clips_are_counted(clips, tmp_path):
    import soundfile

    rows = []
    for row in range(24):
        wave, rate = clips.source.read(clips.record(row))
        soundfile.write(tmp_path / f"{row}.wav", wave[0], rate)
        rows.append(f"{row}.wav,{'' if row == 5 else clips.table['kind'][row]},{row % 4 + 1}")
    (tmp_path / "7.wav").write_text("this is no sound")
    (tmp_path / "3.wav").write_text("nor is this")
    (tmp_path / "table.csv").write_text("path,label,fold\n" + "\n".join(rows) + "\n")
    data = open_data(f"csv:{tmp_path / 'table.csv'}")
    train("cnn", data, tmp_path / "out", config(epochs=1, test_folds="4"))
    account = json.loads((tmp_path / "out" / "training.json").read_text())
    assert account["parts"]["unlabelled"] == 1
    told = [*account["failures"], *account["test"]["failures"]]
    assert sorted(one["id"] for one in told) == ["3.wav", "7.wav"]
    assert all(one["stage"] == "decode" and one["reason"] for one in told)
    assert account["parts"]["train"] + account["parts"]["valid"] + account["test"]["n_clips"] == 21


@pytest.mark.parametrize(
    "arch, changes, error, message",
    [
        ("cnnn", {}, UnknownNameError, "Did you mean 'cnn'"),
        ("cnn", {"test_folds": "9"}, InputError, "no fold 9"),
        ("cnn", {"test_folds": "1-5"}, EmptyDataError, "nothing is left to train on"),
        ("cnn", {"label_set": "colour"}, UnknownNameError, "label set 'colour'"),
        ("cnn", {"options": {"widht": 3}}, InputError, "option of cnn 'widht'"),
    ],
)
def test_what_cannot_be_trained_says_why(clips, tmp_path, arch, changes, error, message):
    with pytest.raises(error, match=message):
        train(arch, clips, tmp_path, config(**changes))


def test_unknown_options_of_the_training_are_refused():
    with pytest.raises(UnknownNameError, match="epoch"):
        TrainConfig(epoch=3)


def test_the_cache_keeps_sound_to_16_bits_and_loud_clips_whole(clips, tmp_path):
    import soundfile

    from otoscope.data.decode import Decoding

    loud = (3.0 * np.sin(np.arange(4000) / 5)).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", loud, 16000, subtype="FLOAT")
    data = open_data(f"folder:{tmp_path}")
    cache = decode_all(data, [0], Decoding(16000), workers=0)
    assert np.abs(cache.waveform(0) - loud).max() <= 3.0 / 32767
    assert cache.durations_s(16000).tolist() == [0.25]
    folder = cache.folder.name
    cache.close()
    assert not os.path.exists(folder)


def test_the_network_takes_the_typical_length():
    assert typical_length_s(np.array([4.96, 5.04, 5.01])) == 5.0
    assert typical_length_s(np.array([30.0, 40.0])) == 10.0
    assert typical_length_s(np.array([0.01])) == 0.1


def test_smoothing_and_a_last_single_clip(clips):
    from otoscope.models.cnn import build

    parts = split_parts(clips, label_set=None, test_folds="5", test_split=None, valid=0.2, seed=0)
    chosen = config(label_smoothing=0.3, batch_size=29)
    with prepare(build, clips.label_set(), clips, parts, chosen, "cpu") as lesson:
        assert lesson.targets.max() == pytest.approx(0.8) and lesson.targets.min() == pytest.approx(0.1)
        sizes = [len(one) for one in lesson.batches(0, torch.Generator().manual_seed(0))]
    assert sizes == [29]  # 30 clips: a batch of one has no batch statistics


@pytest.mark.parametrize(
    "axes, shape", [("BCFT", (3, 1, 20, 50)), ("BCTF", (3, 1, 50, 20)), ("BTF", (3, 50, 20))]
)
def test_masks_know_where_bands_and_frames_lie(axes, shape):
    class FrontEnd(torch.nn.Module):
        feature_axes = axes

    features = 5 + torch.rand(shape, generator=torch.Generator().manual_seed(0))
    bands = config(masks=1, mask_mels=6, mask_s=0)
    changed = masked(FrontEnd(), features, bands, 1.0, torch.Generator().manual_seed(3)) != features
    assert changed.shape == features.shape
    by_clip = changed.flatten(1, -1).sum(1)
    # a band is masked in all of its 50 frames, at most six bands
    assert (by_clip % 50 == 0).all() and by_clip.max() <= 6 * 50 and by_clip.sum() > 0
    stretches = config(masks=1, mask_mels=0, mask_s=0.2)
    found = masked(FrontEnd(), features, stretches, 1.0, torch.Generator().manual_seed(4))
    count = (found != features).flatten(1, -1).sum(1)
    assert (count % 20 == 0).all() and count.max() <= 10 * 20 and count.sum() > 0
    torch.testing.assert_close(found[found != features], features.mean().expand(int(count.sum())))
    assert masked(FrontEnd(), features, config(masks=0), 1.0, torch.Generator()) is features
    vectors = torch.zeros(3, 7)
    assert masked(FrontEnd(), vectors, bands, 1.0, torch.Generator()) is vectors
