"""Looping captions: what goes, what stays, as published and corrected."""

from __future__ import annotations

import random

import pytest

from otoscope.caption.cleaning import WINDOW, Cleaned, clean, repeats
from otoscope.errors import UnknownNameError

TWO_LIKE_SENTENCES = (
    "The sound of a dog barking in the distance is loud. "
    "The sound of a dog barking in the distance then fades."
)


def test_a_loop_becomes_one_copy_and_the_rest_stays():
    text = "It rains. " + "A dog barks, " * 6 + "then silence."
    assert clean(text) == Cleaned("It rains. A dog barks, then silence.", 5 * 4)
    assert clean("Rain falls. " + "A Dog barks. a dog Barks. " * 3).text == "Rain falls. A Dog barks."


@pytest.mark.parametrize("copies, left", [(8, 8), (9, 1), (30, 1)])
def test_short_words_may_be_said_often_but_not_nine_times(copies, left):
    assert clean("tick " * copies).text.split() == ["tick"] * left


def test_eight_tokens_said_twice_are_said_once_seven_are_not():
    eight, seven = "a loud dog barks in the dark.", "a loud dog barks in dark."
    assert clean(f"{eight} {eight}").text == eight
    assert clean(f"{seven} {seven}").text == f"{seven} {seven}"


def test_several_loops_of_several_periods():
    text = "knock " * 12 + "and " + "a bell rings " * 7 + "; " + "knock " * 12
    assert clean(text).text == "knock and a bell rings ; knock"


def test_sentences_that_begin_alike_do_not_loop():
    assert clean(TWO_LIKE_SENTENCES) == Cleaned(TWO_LIKE_SENTENCES, 0)


def test_as_published_keeps_the_first_line_or_sentence():
    assert clean(TWO_LIKE_SENTENCES, "and-2024").text == "The sound of a dog barking in the distance is loud."
    lines = "It rains. It pours.\n" + TWO_LIKE_SENTENCES
    assert clean(lines, "and-2024").text == "It rains. It pours."
    looping_line = "a dog barks " * 9
    assert clean(looping_line, "and-2024").text == looping_line.strip()
    assert clean("A dog barks.\nIt rains.", "and-2024").text == "A dog barks.\nIt rains."


def test_keep_keeps():
    assert clean(" " + "tick " * 50, "keep") == Cleaned(("tick " * 50).strip(), 0)


def test_repeats_equals_a_slow_search():
    drawn = random.Random(3)
    for _ in range(200):
        words = drawn.choices("abc", k=drawn.randint(0, 40))
        slow = any(
            words[i : i + WINDOW] == words[j : j + WINDOW]
            for i in range(len(words) - WINDOW + 1)
            for j in range(i + 1, len(words) - WINDOW + 1)
        )
        assert repeats(" ".join(words)) is slow


def test_cleaning_is_idempotent_and_only_removes():
    drawn = random.Random(4)
    for _ in range(200):
        phrases = [
            " ".join(drawn.choices(["bell", "dog", "rain", "."], k=drawn.randint(1, 6))) for _ in range(4)
        ]
        text = " ".join(
            phrase for one in drawn.choices(phrases, k=5) for phrase in [one] * drawn.randint(1, 9)
        )
        once = clean(text)
        assert clean(once.text) == Cleaned(once.text, 0)
        assert once.removed == len(text.split()) - len(once.text.split())
        rest = iter(text.split())
        assert all(word in rest for word in once.text.split())  # a subsequence


@pytest.mark.parametrize("text", ["", "   ", "...", "a"])
def test_nothing_to_clean(text):
    assert clean(text) == Cleaned(text.strip(), 0)
    assert clean(text, "and-2024").text == text.strip()


def test_hostile_text_is_cleaned_in_time():
    text = " ".join(" ".join([f"w{place % 7}"] * 18) for place in range(1_500))
    assert len(clean(text).text.split()) <= 1_500


def test_an_unknown_cleaning():
    with pytest.raises(UnknownNameError, match=r"unknown cleaning of captions 'loop'. Did you mean 'loops'"):
        clean("a", "loop")  # type: ignore[arg-type]
