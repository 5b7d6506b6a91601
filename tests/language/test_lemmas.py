"""Lemmas: the rules one by one, the table of irregular forms, and words that must be left alone."""

from __future__ import annotations

import pytest

from otoscope.language import tables
from otoscope.language.lemmas import lemma
from otoscope.language.thesaurus import bundled
from otoscope.language.tokens import words

KNOWN = {"bark", "chime", "hum", "rattle", "bus", "loud", "noisy", "cry", "gentle", "clap", "buzz", "howl"}
IRREGULAR = {"rang": "ring", "children": "child", "morning": "morning"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("barks", "bark"),
        ("barking", "bark"),
        ("barked", "bark"),
        ("chiming", "chime"),
        ("chimes", "chime"),
        ("humming", "hum"),
        ("rattled", "rattle"),
        ("clapping", "clap"),
        ("cries", "cry"),
        ("cried", "cry"),
        ("buzzes", "buzz"),
        ("howling", "howl"),
        ("loudly", "loud"),
        ("noisily", "noisy"),
        ("gently", "gentle"),
        ("rang", "ring"),
        ("children", "child"),
        ("morning", "morning"),
        ("king", "king"),
        ("glass", "glass"),
        ("only", "only"),
    ],
)
def test_forms_of_known_words(form, expected):
    assert lemma(form, KNOWN, IRREGULAR) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("baking", "bake"),
        ("stepping", "step"),
        ("calling", "call"),
        ("oscillating", "oscillate"),
        ("shuffled", "shuffle"),
        ("boxes", "box"),
        ("parties", "party"),
        ("zooming", "zoom"),
        ("glowing", "glow"),
    ],
)
def test_unknown_words_by_their_spelling(form, expected):
    assert lemma(form, set(), {}) == expected


def test_a_known_result_beats_the_spelling():
    assert lemma("bored", {"bore"}, {}) == "bore"
    assert lemma("waxing", {"wax"}, {}) == "wax"


def test_lemmas_of_the_bundled_words_are_stable():
    """A lemma's lemma is itself, for nearly every word of the thesaurus; else two forms would not meet."""
    bank = bundled()
    moved = [one for one in bank.known if (first := bank.lemmas(one)) != bank.lemmas(" ".join(first))]
    assert len(moved) < 0.01 * len(bank.known), moved


def test_irregular_table_is_clean():
    rows = tables.rows("irregular.tsv")
    assert all(len(row) == 2 and row[0] == row[0].lower() for row in rows)
    assert len({row[0] for row in rows}) == len(rows) > 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rain_06", ["rain"]),
        ("LBS_FX DOG Small Alert Bark001", ["lbs", "fx", "dog", "small", "alert", "bark"]),
        ("20070812.rooster", ["rooster"]),
        ("DogBark", ["dog", "bark"]),
        ("tick-tock", ["tick", "tock"]),
        ("the dog's bark", ["the", "dog", "bark"]),
        ("Café 7", ["cafe", "7"]),
        ("2041", ["2041"]),
        ("дождь", ["дождь"]),
    ],
)
def test_words_of_file_names_and_titles(text, expected):
    assert words(text) == expected
