"""Tags, negation and the words for sound."""

from __future__ import annotations

import sys

import pytest

from otoscope.errors import InputError, MissingExtraError, UnknownNameError
from otoscope.language.concepts import concept_set
from otoscope.language.negation import and_2024_denied, denied
from otoscope.language.sound_words import (
    function_words,
    generic_adjectives,
    is_sound_word,
    sound_words,
)
from otoscope.language.tagging import ADJECTIVES, Token, tagger, tokens


@pytest.fixture(scope="module")
def hanta():
    pytest.importorskip("HanTa")
    return tagger("hanta")


def test_tokens() -> None:
    assert tokens("It's high-pitched (isn't it)? 3") == [
        *("It", "'s", "high-pitched", "(", "is", "n't", "it", ")", "?", "3")
    ]
    assert tokens(" \n") == []


def test_penn_tags(hanta) -> None:
    said = hanta.tag("The louder dogs of the street bark without a distorted tone.")
    tags = {one.word: one.tag for one in said}
    assert tags["louder"] == "JJR" and tags["dogs"] == "NNS" and tags["of"] == "IN" and tags["."] == "."
    assert tags["without"] == "IN" and tags["distorted"] in ADJECTIVES and tags["tone"] == "NN"
    assert hanta.tag("") == [] and hanta.id.startswith("hanta-")


def test_the_model_is_the_packages_own(hanta, tmp_path, monkeypatch) -> None:
    (tmp_path / "morphmodel_en.pgz").write_bytes(b"not a model")
    monkeypatch.chdir(tmp_path)
    assert tagger("hanta").tag("loud")[0].tag == "JJ"


def test_errors(monkeypatch) -> None:
    with pytest.raises(UnknownNameError, match="unknown tagger 'hant'"):
        tagger("hant")
    with pytest.raises(InputError, match="takes nothing after its name, got 'x'"):
        tagger("hanta:x")
    with pytest.raises(InputError, match="needs an installed model"):
        tagger("spacy")
    monkeypatch.setitem(sys.modules, "HanTa", None)
    with pytest.raises(MissingExtraError, match=r"otoscope\[nlp\]"):
        tagger("hanta")
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match="pip install spacy"):
        tagger("spacy:en_core_web_sm")


@pytest.mark.parametrize(
    ("said", "out", "kept"),
    [
        ("It is not loud or harsh, but bright.", {"loud", "harsh"}, {"bright"}),
        ("There is no music and a loud hum.", set(), {"loud"}),
        ("The tone isn't very muffled.", {"muffled"}, set()),
        ("Not only loud but also harsh.", set(), {"loud", "harsh"}),
        ("It lacks any metallic ringing; it is deep.", {"metallic"}, {"deep"}),
        ("It is not loud and has a bright tone.", {"loud"}, {"bright"}),
        ("Neither loud nor shrill, the call is soft.", {"loud", "shrill"}, {"soft"}),
        ("Without reverberant space.", {"reverberant"}, set()),
        ("It is never without distorted tones.", set(), {"distorted"}),
        ("No distorted or rough tone with a sharp attack.", {"distorted", "rough"}, {"sharp"}),
        ("An absence of metallic tones, a dull sound.", {"metallic"}, {"dull"}),
    ],
)
def test_scope_of_negation(hanta, said: str, out: set[str], kept: set[str]) -> None:
    words = hanta.tag(said)
    found = denied(words)
    adjectives = {one.word: no for one, no in zip(words, found) if one.tag in ADJECTIVES}
    assert {one for one, no in adjectives.items() if no} == out
    assert kept <= {one for one, no in adjectives.items() if not no}


def test_the_published_window_is_void_at_the_start() -> None:
    early = [Token(one, "JJ") for one in ["not", "loud", "and", "clear", "and", "bright", "today"]]
    assert not any(and_2024_denied(early)[:4])
    late = [Token(one, "NN") for one in ["the", "tone", "of", "it", "is", "not", "very", "loud"]]
    assert and_2024_denied(late)[-1]


def test_sound_words_have_a_source_and_an_attribute() -> None:
    assert len(sound_words()) > 500
    assert all(attribute for attribute in sound_words().values())
    known = [
        "loud",
        "high-pitched",
        "muffled",
        "distorted",
        "high-quality",
        "emotional",
        "louder",
        "noisiest",
    ]
    assert all(is_sound_word(one) for one in known)
    assert not any(is_sound_word(one) for one in ("third", "several", "recorded", "wall", "er", "first"))
    assert not generic_adjectives() & set(sound_words())
    assert {"the", "is", "with"} <= function_words() and "loud" not in function_words()


def test_single_adjectives_of_the_concept_list_are_sound_words() -> None:
    adjectives = [one for one in concept_set("acoustic").words if " " not in one]
    assert np_share(adjectives) > 0.9


def np_share(words: list[str]) -> float:
    return sum(is_sound_word(one) for one in words) / len(words)
