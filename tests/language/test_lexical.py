"""The lexical encoder against a slow re-derivation, properties, and paraphrases that it was not made from."""

from __future__ import annotations

import hashlib
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.language import tables, text_encoder
from otoscope.language.lexical import LexicalEncoder, LexicalWeights, grams
from otoscope.language.thesaurus import bundled

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def encoder():
    return text_encoder("lexical")


def pairs(name: str) -> list[list[str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def ranks(encoder, rows: list[list[str]]) -> np.ndarray:
    """Rank of the right answer (0 = first) among all second columns."""
    left, right = (encoder.encode([row[side] for row in rows]) for side in (0, 1))
    scores = left @ right.T
    return (scores > np.diag(scores)[:, None]).sum(axis=1)


def template_phrases() -> set[str]:
    """Every phrase that an acoustic caption is put together from."""
    from otoscope.caption.acoustic import likeness, sentences

    tables_of = [one for name, one in vars(sentences).items() if re.fullmatch("_[A-Z]+", name)]
    said = {
        phrase.strip().lower() for one in tables_of for phrases in dict(one).values() for phrase in phrases
    }
    return said | {word for word, _ in likeness.CALLED}


def slow_unit(key: str, weights: LexicalWeights) -> np.ndarray:
    """One word's vector, term by term from the formula."""
    bank = bundled()
    n_senses = len(bank.senses)
    vector = np.zeros(weights.dim)

    def put(feature: str, value: float) -> None:
        number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")
        place = n_senses + (number // 2) % (weights.dim - n_senses)
        vector[place] += value if number % 2 else -value

    put(f"lemma:{key}", weights.lemma)
    senses = bank.entries.get(key, ())
    for one in senses:
        vector[one] += weights.sense / math.sqrt(len(senses))
    related = {two for one in senses for two in bank.related[one] if two not in senses}
    for two in related:
        vector[two] += weights.related / math.sqrt(len(related))
    for gram in grams(key):
        put(gram, weights.grams / math.sqrt(len(grams(key))))
    return vector / math.sqrt((vector**2).sum())


def test_against_the_slow_formula(encoder):
    weights = LexicalWeights()
    the = float(next(row[1] for row in tables.rows("common_words.tsv") if row[0] == "the"))
    expected = the * slow_unit("the", weights) + math.sqrt(2) * slow_unit("dog", weights)
    expected += slow_unit("flurgle", weights)
    found = encoder.encode(["the dogs, flurgle dog"])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_phrase_counts_its_words_less(encoder):
    weights = LexicalWeights()
    expected = slow_unit("carhorn", weights)
    expected += weights.phrase_word * (slow_unit("car", weights) + slow_unit("horn", weights))
    found = encoder.encode(["car horn"])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_rows_are_unit_float32(encoder):
    vectors = encoder.encode(["a", "the", "dog", "x" * 500, "<b>rain</b>", "雨", "7"])
    assert vectors.dtype == np.float32 and vectors.shape == (7, 2048)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_order_case_and_spelling_of_compounds_do_not_matter(encoder):
    same = encoder.encode(["Loud dog bark", "bark, DOG; loud", "dogs barking loudly"])
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    np.testing.assert_allclose(same[0], same[2], atol=1e-6)
    compound = encoder.encode(["door bell", "door-bell", "doorbell"])
    assert compound[0] @ compound[1] == pytest.approx(1.0, abs=1e-6)
    assert compound[0] @ compound[2] > 0.9
    glued = encoder.encode(["dogbarks", "dog barks"])
    assert glued[0] @ glued[1] == pytest.approx(1.0, abs=1e-6)


def test_function_words_say_little(encoder):
    one, two, three = encoder.encode(["the sound of a dog", "dog", "the sound of a cat"])
    assert one @ two > 0.9 > one @ three


def test_negation_is_not_the_thing(encoder):
    plain, denied, other = encoder.encode(["a clear pitch", "without any pitch", "rain"])
    assert denied @ plain < 0.1
    assert abs(denied @ other) < 0.1


def test_antonyms_are_apart(encoder):
    high, low, shrill, deep = encoder.encode(["high-pitched", "low-pitched", "shrill", "a deep bass"])
    assert high @ shrill > high @ low and low @ deep > low @ high
    loud, quiet, noisy = encoder.encode(["very loud", "quiet and soft", "deafening"])
    assert loud @ noisy > loud @ quiet


def test_held_out_paraphrases(encoder):
    """Descriptions said twice, written after the word list was finished, that no caption template contains."""
    said = template_phrases()
    assert "noisy sound" in said and "ticking" in said
    rows = [row for row in pairs("paraphrases_heldout.tsv") if not {one.lower() for one in row} & said]
    rank = ranks(encoder, rows)
    assert rank.size >= 60  # chance is 1 in 60
    assert (rank == 0).mean() >= 0.75
    assert (1 / (1 + rank)).mean() >= 0.8


def test_without_the_thesaurus_held_out_paraphrases_fail():
    """Few of the pairs share a word, so it is the thesaurus that finds them."""
    bare = LexicalEncoder(LexicalWeights(sense=1e-9, related=1e-9))
    assert (ranks(bare, pairs("paraphrases_heldout.tsv")) == 0).mean() < 0.35


def test_paraphrases_the_list_was_grown_on(encoder):
    rows = pairs("paraphrases_tuning.tsv")
    assert len(rows) >= 150
    first, second = ranks(encoder, rows[:92]), ranks(encoder, rows[92:])
    assert (first == 0).mean() >= 0.9 and (second == 0).mean() >= 0.75


def test_the_same_on_every_machine(encoder):
    """BLAKE2b, not Python's salted hash: another process with another salt gives the same bytes."""
    code = (
        "from otoscope.language import text_encoder as t; import hashlib; e = t('lexical');"
        "print(e.id, hashlib.sha256(e.encode(['a loud dog', 'soft rain']).tobytes()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin"},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0].split()[0] == encoder.id


def test_the_id_changes_with_the_weights(encoder):
    assert LexicalEncoder(LexicalWeights(grams=0.2)).id != encoder.id


def test_thesaurus_is_whole():
    bank = bundled()
    rows = tables.rows("thesaurus.tsv")
    names = {row[0] for row in rows}
    assert len(names) == len(rows) > 300
    related = {one.strip() for row in rows for one in row[2].split(";") if one.strip()}
    assert related <= names
    assert len(bank.entries) > 3500
    assert max(len(senses) for senses in bank.entries.values()) <= 8
    assert "WordNet" in tables.read_text("thesaurus.tsv")[:600]
    assert "Princeton" in tables.read_text("WORDNET-LICENSE.txt")


@pytest.mark.parametrize(
    ("texts", "error", "says"),
    [
        ([], EmptyDataError, "no text to encode"),
        (["dog", " ?! "], InputError, r"text 1 \(' \?! '\) has no letter or digit"),
        (["dog", None], InputError, "text 1 is NoneType, expected str"),
        ("dog", InputError, "put it in a list"),
    ],
)
def test_errors(encoder, texts, error, says):
    with pytest.raises(error, match=says):
        encoder.encode(texts)


def test_errors_of_specs():
    with pytest.raises(LookupError, match=r"unknown text encoder 'lexicl'. Did you mean 'lexical'"):
        text_encoder("lexicl")
    with pytest.raises(InputError, match="takes nothing after its name, got 'x'"):
        text_encoder("lexical:x")
    with pytest.raises(InputError, match="dim must be at least"):
        LexicalEncoder(LexicalWeights(dim=100))
