"""Replies as models write them, also badly: values, or what is wrong."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from otoscope.errors import InputError, ReplyError
from otoscope.language.chat import parsing
from otoscope.language.chat.question import read

SOUNDS = ["rain", "heavy rain", "dog", "door_wood_knock", "sea waves", "crackling and popping"]


@pytest.mark.parametrize(
    "text, value",
    [
        ("Yes", True),
        ("no.", False),
        ("**Yes**, it describes a sound.", True),
        ("\n\n  YES!\nNo doubt about it.", True),
        ("Answer: No", False),
        ("The answer is yes.", True),
        ("'no'", False),
        ("Yes, no doubt.", True),
        ("No, yesterday was loud.", False),
        ("1. Yes", True),
        ("yesterday", None),
        ("There is no way to tell", None),
        ("It is noise", None),
        ("yes or no", None),
        ("Sure! Here is my answer:\nYes", None),
        ("I think so", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_yes_or_no(text, value):
    if value is None:
        with pytest.raises(ReplyError, match="neither yes nor no"):
            parsing.yes_or_no(text)
    else:
        assert parsing.yes_or_no(text) is value


@pytest.mark.parametrize(
    "text, value",
    [
        ("rain", "rain"),
        ("Heavy Rain.", "heavy rain"),
        ("Concept: door wood knock", "door_wood_knock"),
        ("**door-wood-knock**", "door_wood_knock"),
        ("The neuron listens to heavy rain, I believe.", "heavy rain"),
        ('{"concept": "sea_waves"}', "sea waves"),
        ('"dog"', "dog"),
        ("\ndog\nbecause of rain", "dog"),
        ("crackling and popping", "crackling and popping"),
        ("rain or dog", None),
        ("train", None),
        ("hotdogs", None),
        ("", None),
        ('{"concept": 7}', None),
        ("[" * 50_000, None),
    ],
)
def test_choice(text, value):
    parse = parsing.choice(SOUNDS)
    if value is None:
        with pytest.raises(ReplyError, match="must name one of the 6 choices"):
            parse(text)
    else:
        assert parse(text) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ('["dog", "rain"]', ("dog", "rain")),
        ('Sure:\n```json\n{"concepts": ["Dog", "sea_waves"]}\n```', ("dog", "sea waves")),
        ("1. dog\n2) heavy rain\n(3) Rain\n", ("dog", "heavy rain", "rain")),
        ("- dog\n* rain\n• sea waves", ("dog", "rain", "sea waves")),
        ("dog, rain; and sea waves.", ("dog", "rain", "sea waves")),
        ("Here are the concepts:\ndog\nDOG\nrain", ("dog", "rain")),
        ("crackling and popping, dog", ("crackling and popping", "dog")),
        ("dog, banana", "'banana' is not one of the 6"),
        ("rain and dog", "'rain and dog' is not one of the 6"),
        ("dog, rain, heavy rain, sea waves", "lists 4 different choices, wanted are 1 to 3"),
        ("", "lists 0 different choices"),
        ("[]", "lists 0 different choices"),
        ("[1, 2]", "is not one of the 6"),
    ],
)
def test_list_of_choices(text, value):
    parse = parsing.choices_list(SOUNDS, at_most=3)
    if isinstance(value, str):
        with pytest.raises(ReplyError, match=value):
            parse(text)
    else:
        assert parse(text) == value


@pytest.mark.parametrize("wrong", [[], "rain", ["rain", "Rain"], ["sea_waves", "sea-waves"], [" "]])
def test_choices_must_differ(wrong):
    for make in (parsing.choice, parsing.choices_list):
        with pytest.raises(InputError, match="choices"):
            make(wrong)


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ('I think {this} is it: {"a": 1} and {"b": 2}', {"a": 1}),
        ("```json\n[1, 2]\n```", [1, 2]),
        ('{"a": "\\ud800"}', {"a": "\ud800"}),
    ],
)
def test_json_in_text(text, value):
    assert parsing.json_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        '{"a": 1',
        "{" * 65_536,
        '{"a": NaN}',
        "{'a': 1}",
        '{"a": Infinity}',
        "{" + '"a":' * 9,
        "7",
        '"a"',
    ],
)
def test_text_without_json(text):
    with pytest.raises(ReplyError, match="no JSON object or list"):
        parsing.json_value(text)


@pytest.mark.parametrize("nested", ["[" * 60_000, '{"a":' * 10_000])
def test_nested_json_is_refused(nested):
    with pytest.raises(ReplyError, match=r"nested too deeply|no JSON"):
        parsing.json_value(nested)


def test_huge_numbers_are_a_fault_of_the_reply():
    assert read(parsing.json_value, "[" + "9" * 10_000 + "]")[1]


class Score(BaseModel):
    word: str
    score: float


def test_json_as_a_model():
    parse = parsing.json_as(Score)
    assert parse('{"word": "loud", "score": 2.5, "more": 1}') == Score(word="loud", score=2.5)
    assert parse('First {"a": 1}, then {"word": "loud", "score": 1}') == Score(word="loud", score=1)
    with pytest.raises(ReplyError, match=r"does not fit: score: Input should be a valid number"):
        parse('{"word": "loud", "score": "2"}')
    with pytest.raises(ReplyError, match="does not fit: the whole: Input should be"):
        parse("[1]")


def test_a_sentence():
    assert parsing.sentence("\n It rains. \n") == "It rains."
    with pytest.raises(ReplyError, match="no words"):
        parsing.sentence("?!")


def test_what_a_parser_says_can_be_shown():
    parse = parsing.choices_list(SOUNDS)
    with pytest.raises(ReplyError) as wrong:
        parse(json.dumps(["x" * 10_000]))
    assert len(str(wrong.value)) < 200
