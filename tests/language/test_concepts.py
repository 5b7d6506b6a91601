"""Concept sets: bundled, from labels, from files, joined; duplicates counted; errors that say what to do."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, FormatError, InputError, UnknownNameError
from otoscope.language import concept_set, tables, text_encoder
from otoscope.language.concepts import BUNDLED


class LabelledClips:
    """As much of Clips as labels need."""

    def __init__(self, **sets: tuple[str, ...]) -> None:
        self.sets = sets

    def label_set(self, name=None):
        chosen = next(iter(self.sets)) if name is None else name
        if chosen not in self.sets:
            raise UnknownNameError.of("label set", chosen, self.sets)
        return SimpleNamespace(name=chosen, classes=self.sets[chosen])


def test_bundled_lists_are_wide_and_clean():
    acoustic, sounds = concept_set("acoustic"), concept_set("sounds")
    assert len(acoustic) >= 80 and len(sounds) >= 200
    assert acoustic.n_duplicates == sounds.n_duplicates == 0
    for name in BUNDLED.values():
        text = tables.read_text(name)
        assert "Source:" in text.splitlines()[1]
        assert all(
            line == line.strip() == line.lower() for line in text.splitlines() if not line.startswith("#")
        )


def test_every_bundled_concept_is_known_to_the_lexical_encoder():
    """A concept that is only character n-grams would never be found by another word."""
    from otoscope.language.thesaurus import bundled

    bank = bundled()
    for spec in BUNDLED:
        for word in concept_set(spec).texts:
            runs = bank.runs(bank.lemmas(word))
            assert any("".join(run) in bank.entries for run in runs), word


def test_no_two_sounds_are_one_to_the_encoder():
    sounds = concept_set("sounds")
    vectors = text_encoder("lexical").encode(sounds.texts)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 0.0)
    assert likeness.max() < 0.999


def test_labels_keep_their_spelling_and_are_spoken_with_spaces():
    clips = LabelledClips(category=("sea_waves", "dog"), other=("a", "b"))
    concepts = concept_set("labels", clips)
    assert concepts.words == ("sea_waves", "dog") and concepts.texts == ("sea waves", "dog")
    assert concept_set("labels:other", clips).words == ("a", "b")


def test_joining_drops_and_counts_duplicates():
    clips = LabelledClips(category=("sea_waves", "dog", "unheard_of"))
    concepts = concept_set("labels+sounds", clips)
    assert concepts.words[:3] == ("sea_waves", "dog", "unheard_of")
    assert concepts.n_duplicates == 2
    assert "sea waves" not in concepts.words
    assert concepts.index("Sea Waves") == 0
    assert len(concepts) == 3 + len(concept_set("sounds")) - 2


def test_files(tmp_path):
    lines = tmp_path / "a+b.txt"
    lines.write_text("\ufeff# mine\nbright_noise\n\nBright Noise\n<b>loud</b>\n", encoding="utf-8")
    concepts = concept_set(f"file:{lines}")
    assert concepts.words == ("bright_noise", "<b>loud</b>") and concepts.n_duplicates == 1
    listed = tmp_path / "c.json"
    listed.write_text(json.dumps(["hum", "buzz"]))
    assert concept_set(f"file:{listed}+file:{lines}+acoustic").words[:3] == ("hum", "buzz", "bright_noise")


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("acustic", UnknownNameError, "Did you mean 'acoustic'"),
        ("acoustic+soundz", UnknownNameError, "unknown concept set"),
        ("", UnknownNameError, "unknown concept set ''"),
        ("labels", InputError, "needs clips"),
        ("file:/nowhere/x.txt", InputError, "cannot read the concept file"),
    ],
)
def test_errors(spec, error, says):
    with pytest.raises(error, match=says):
        concept_set(spec)


def test_errors_of_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# nothing\n")
    with pytest.raises(EmptyDataError, match="holds no concept"):
        concept_set(f"file:{path}")
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(FormatError, match="not UTF-8"):
        concept_set(f"file:{path}")
    path.write_text("dog\n---\n")
    with pytest.raises(InputError, match="needs a letter or digit"):
        concept_set(f"file:{path}")
    bad = tmp_path / "words.json"
    bad.write_text('{"a": 1}')
    with pytest.raises(FormatError, match="must hold a JSON list"):
        concept_set(f"file:{bad}")
    bad.write_text("[1")
    with pytest.raises(FormatError, match="is not JSON"):
        concept_set(f"file:{bad}")


def test_unknown_label_set_and_unknown_word():
    with pytest.raises(UnknownNameError, match="unknown label set 'x'"):
        concept_set("labels:x", LabelledClips(category=("dog",)))
    with pytest.raises(UnknownNameError, match="unknown concept 'zebra crossing'"):
        concept_set("acoustic").index("zebra crossing")
