"""Sentences and boilerplate: hand cases, the published way, and what must not happen to ordinary words."""

from __future__ import annotations

import time

import pytest

from otoscope.language.boilerplate import AND_2024_MARKS, is_boilerplate
from otoscope.language.sentences import and_2024_sentences, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog barks. It is loud!", ["A dog barks.", "It is loud!"]),
        ("Sounds of 0.5 s, e.g. clicks. Dr. X. Barks.", ["Sounds of 0.5 s, e.g. clicks.", "Dr. X. Barks."]),
        ("1. **Loud** calls\n2) Soft calls\n- Rain", ["Loud calls", "Soft calls", "Rain"]),
        ('He said "Go." Then rain.', ['He said "Go."', "Then rain."]),
        ("no end", ["no end"]),
        ("?! ...\n\n", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_the_published_way_joins_lines_unless_that_leaves_fewer_than_three() -> None:
    assert and_2024_sentences("One\ntwo. Three. Four.") == ["One two.", "Three.", "Four."]
    assert and_2024_sentences("one\n\ntwo") == ["one", "two"]


def test_a_megabyte_takes_little_time() -> None:
    started = time.perf_counter()
    assert len(sentences("Mr. dog barks . " * 60_000)) == 60_000
    sentences("." * 1_000_000)
    sentences("(" * 500_000 + "a. " * 100_000)
    assert time.perf_counter() - started < 10


def test_boilerplate_by_words() -> None:
    for said in ("Sure! Here are the common features:", "Let me know if you need more.", "Here’s a summary."):
        assert is_boilerplate(said)
    for said in (
        "A high-pressure hiss is measured.",
        "An assured, pleased voice.",
        "Rain based on tin roofs.",
    ):
        assert not is_boilerplate(said)


def test_boilerplate_as_published_takes_pressure_for_sure() -> None:
    assert is_boilerplate("A high-pressure hiss.", AND_2024_MARKS, whole_words=False)
    assert not is_boilerplate("A loud hiss.", AND_2024_MARKS, whole_words=False)
