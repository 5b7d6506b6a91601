"""Acoustic captions and titles of real recordings: they hold what tells the classes apart."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.caption import open_captioner
from otoscope.data import open_data
from otoscope.language import concept_set, text_encoder

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def clips(test_data):
    return open_data(f"esc50:{test_data / 'esc10'}").select(limit=120)


@pytest.fixture(scope="module")
def captions(clips):
    return open_captioner("acoustic").captions(clips, workers=1)


def share(captions, clips, label, condition) -> float:
    rows = clips.table.with_columns(captions.drop("row", "id")).filter(
        pl.col(clips.label_set().name) == label
    )
    return float(rows.select(condition.mean()).item())


def test_numbers_make_sense(captions, clips):
    assert (captions["status"] == "ok").all()
    assert share(captions, clips, "rain", pl.col("pitched_share") < 0.1) > 0.9
    assert share(captions, clips, "rain", pl.col("noisiness") > 0.8) > 0.8
    assert share(captions, clips, "helicopter", pl.col("centroid_hz") < 1200) > 0.7
    assert share(captions, clips, "rooster", pl.col("pitch_hz").fill_null(0) > 350) > 0.7
    assert share(captions, clips, "crying_baby", pl.col("pitched_share") > 0.3) > 0.7
    assert share(captions, clips, "clock_tick", pl.col("rhythm_strength").fill_null(0) > 0.5) > 0.6
    assert share(captions, clips, "sneezing", pl.col("silence_share") > 0.2) > 0.5


def test_words_make_sense(captions, clips):
    said = captions.with_columns(pl.col("text").str.to_lowercase())
    assert share(said, clips, "clock_tick", pl.col("text").str.contains("tick|click|knock")) > 0.6
    assert share(said, clips, "crackling_fire", pl.col("text").str.contains("crackl|rumbl")) > 0.6
    assert share(said, clips, "rain", pl.col("text").str.contains("noise|noisy")) > 0.8
    assert share(said, clips, "dog", pl.col("text").str.contains("burst")) > 0.6


def test_captions_tell_classes_apart(captions, clips):
    """Nearest class mean of the encoded captions, trained on the other folds; chance is 10 %."""
    vectors = text_encoder("lexical").encode(captions["text"].to_list())
    labels, fold = clips.targets(), clips.table["fold"].to_numpy()
    right = []
    for one in np.unique(fold):
        train, test = fold != one, fold == one
        means = np.stack([vectors[train & (labels == c)].mean(axis=0) for c in range(10)])
        means -= vectors[train].mean(axis=0)
        unit = means / np.linalg.norm(means, axis=1, keepdims=True)
        right += list((vectors[test] @ unit.T).argmax(axis=1) == labels[test])
    assert np.mean(right) > 0.45


def test_titles_name_the_class_among_sounds(clips):
    """Titles people gave, among more than 200 names: top-1 far above chance (1 in 340)."""
    concepts = concept_set("labels+sounds", clips)
    encoder = text_encoder("lexical")
    titles = open_captioner("titles").captions(clips)
    rows = titles.filter(pl.col("status") == "ok")["row"].to_list()
    scores = encoder.encode([titles["text"][row] for row in rows]) @ encoder.encode(concepts.texts).T
    truth = [concepts.index(clips.label_set().classes[label]) for label in clips.targets()[rows]]
    assert len(concepts) >= 200
    assert np.mean(scores.argmax(axis=1) == truth) > 0.75
