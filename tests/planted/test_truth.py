"""The truth table says what was planted; options are read or refused in plain words."""

from __future__ import annotations

import ast
from pathlib import Path

import polars as pl
import pytest

import otoscope.models.planted as planted
from otoscope.errors import InputError, UnknownNameError
from otoscope.models.planted import PlantedNeuron, PlantedOptions, assemble, build, parse, plan, truth
from otoscope.models.planted.plan import KINDS
from otoscope.models.planted.rules import RULES
from otoscope.models.planted.words import WORDS


def test_one_row_per_neuron_in_order():
    model = build()
    table = truth(model)
    assert table["index"].to_list() == list(range(len(model.config["neurons"])))
    assert set(table["kind"]) == set(KINDS)
    assert table["layer"].unique().to_list() == ["neurons"]


def test_every_rule_and_pair_occurs_once_per_strength():
    table = truth(build(PlantedOptions(strengths=(1.0, 0.5))))
    assert table.filter(pl.col("kind") == "single").height == 2 * len(RULES)
    for kind in ("signed", "polysemantic", "conjunctive"):
        rows = table.filter(pl.col("kind") == kind)
        by_strength = [
            sorted(rows.filter(pl.col("strength") == strength)["rules"].to_list()) for strength in (1.0, 0.5)
        ]
        assert by_strength[0] == by_strength[1]


def test_words_by_hand():
    neurons = [
        PlantedNeuron("signed", ("noisy", "tonal"), 0.5, signed=True),
        PlantedNeuron("polysemantic", ("onset", "quiet"), 1.0),
        PlantedNeuron("distractor", ("projection",), 0.0),
    ]
    signed, both, none = truth(assemble(neurons)).iter_rows(named=True)
    assert (signed["high_rules"], signed["low_rules"]) == (["noisy"], ["tonal"])
    assert "hissing" in signed["high_words"] and "pure tone" in signed["low_words"]
    assert signed["families"] == ["noisiness"] and signed["strength"] == 0.5
    assert {"sudden", "silent"} <= set(both["high_words"]) and both["low_words"] == []
    assert none["high_words"] == none["low_words"] == none["families"] == []


def test_every_rule_has_words_in_lower_case_without_repeats():
    assert set(WORDS) == set(RULES)
    for words in WORDS.values():
        assert len(set(words)) == len(words) >= 10
        assert all(word == word.lower().strip() and word for word in words)


def test_opposite_rules_accept_different_words():
    for first, second in (("noisy", "tonal"), ("low_band", "high_band"), ("low_pitch", "high_pitch"), ("loud", "quiet"),
                          ("onset", "steady"), ("fast_modulation", "steady")):  # fmt: skip
        assert not set(WORDS[first]) & set(WORDS[second])


def test_rules_share_no_code_with_captioners_or_word_lists():
    for path in Path(planted.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith(("otoscope.caption", "otoscope.language", "otoscope.describe"))
                assert not name.startswith("otoscope.audio") or name in (
                    "otoscope.audio.synthesis",
                    "otoscope.audio.windows",
                )


def test_options_are_read():
    options = parse(
        "seed=3,rules=onset+noisy,strengths=1+0.25,pairs=1,distractors=5,projections=0,noise_scale_db=2"
    )
    assert options == PlantedOptions(3, ("onset", "noisy"), (1.0, 0.25), 1, 5, 0, 2.0)
    assert parse("") == PlantedOptions()


def test_seed_decides_the_plan():
    assert plan(PlantedOptions(seed=1)) == plan(PlantedOptions(seed=1)) != plan(PlantedOptions(seed=2))


@pytest.mark.parametrize("rest, message", [
    ("strenghts=1", "unknown option of planted: 'strenghts'. Did you mean 'strengths'"),
    ("rules=onsett", "unknown rule 'onsett'. Did you mean 'onset'"),
])  # fmt: skip
def test_unknown_names_are_refused(rest, message):
    with pytest.raises(UnknownNameError) as error:
        parse(rest)
    assert message in str(error.value)


@pytest.mark.parametrize("rest, message", [
    ("strengths=2", "strengths must lie in (0, 1]"),
    ("seed=x", "cannot read 'seed=x'"),
    ("seed", "option 'seed' has no value"),
    ("distractors=-1", "must be >= 0"),
    ("noise_scale_db=0", "noise_scale_db > 0"),
])  # fmt: skip
def test_unusable_values_are_refused(rest, message):
    with pytest.raises(InputError) as error:
        parse(rest)
    assert message in str(error.value)


def test_impossible_neurons_are_refused():
    with pytest.raises(UnknownNameError, match="unknown kind of planted neuron 'double'"):
        PlantedNeuron("double", ("onset",), 1.0)
    with pytest.raises(InputError, match=r"a signed neuron takes 2 rule\(s\)"):
        PlantedNeuron("signed", ("onset",), 1.0)
    with pytest.raises(InputError, match=r"strength lies in \[0, 1\]"):
        PlantedNeuron("single", ("onset",), 1.5)
    with pytest.raises(InputError, match="no neuron to plant"):
        plan(PlantedOptions(rules=(), distractors=0, projections=0))
    with pytest.raises(InputError, match="at least one neuron"):
        assemble([])


def test_only_planted_networks_have_a_truth():
    model = build()
    model.config = {}
    with pytest.raises(InputError, match="only a planted: network"):
        truth(model)
