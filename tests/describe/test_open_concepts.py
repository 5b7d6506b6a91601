"""Module C: words by kind, published and ours; the stage with the list and with a chat model."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.describe.dry_run import estimate
from otoscope.describe.open_concepts import OpenConfig, says_yes_somewhere
from otoscope.describe.presets import preset
from otoscope.describe.stage import describe
from otoscope.describe.summary import SummaryConfig
from otoscope.describe.word_kinds import words_of
from otoscope.language.chat import AnswerCache, Scripted
from otoscope.language.tagging import tagger
from otoscope.store import run as runs

from .worlds import make_spoken_run

pytest.importorskip("HanTa")


@pytest.fixture(scope="module")
def hanta():
    return tagger("hanta")


def test_words_by_kind(hanta) -> None:
    text = "The clips are loud and of high quality. No distorted tone. Several dogs bark with a loud, deep growl."
    found = words_of(text, hanta)
    assert found.adjectives == ("loud", "high-quality", "deep")
    assert {"dogs", "growl"} <= set(found.nouns) and "clips" not in found.nouns and "tone" not in found.nouns
    assert found.n_adjectives == 4 and found.n_tokens == 22
    assert {"of", "with"} <= set(found.prepositions)


def test_published_words(hanta) -> None:
    text = "Not loud but soft. The recordings have a tone that is not at all so very harsh."
    assert "loud" not in words_of(text, hanta).adjectives
    assert "loud" in words_of(text, hanta, published=True).adjectives  # the window is void at the start
    assert "harsh" in words_of(text, hanta, published=True).adjectives  # five words after "not"
    assert "harsh" not in words_of(text, hanta).adjectives


def test_a_participle_of_the_perfect_is_no_adjective(hanta) -> None:
    assert words_of("The tone has softly distorted.", hanta).adjectives == ()
    assert words_of("A distorted tone.", hanta).adjectives == ("distorted",)


def test_nothing_to_say(hanta) -> None:
    assert words_of("", hanta).n_tokens == 0
    assert words_of("<script>alert(1)</script> 123 !!", hanta).adjectives == ()


@pytest.fixture
def summarised(tmp_path: Path):
    run = make_spoken_run(tmp_path / "run")
    describe(run, SummaryConfig(captions="words", replicates=50), method="summary")
    return run, AnswerCache(tmp_path / "answers.sqlite")


def test_by_the_bundled_list(summarised) -> None:
    run, _ = summarised
    name = describe(run, OpenConfig(), method="open")
    found = run.table("descriptions", name)[1]
    assert found.height == 21 and set(found["source"]) == {"list"}
    heard = {word for row in found["open_concepts"] for word in row}
    assert {"bright", "deep", "sharp"} <= heard
    assert all(set(one) <= set(other) for one, other in zip(found["open_concepts"], found["adjectives"]))
    assert "rumble" in {word for row in found["nouns"] for word in row}
    assert found.filter(layer="logits", pole="high")["heldout_pearson"].mean() > 0.2
    again = describe(run, OpenConfig(), method="open")
    assert again == name


def test_a_chat_model_is_asked_once_a_word(summarised) -> None:
    run, cache = summarised
    config = OpenConfig(chat="x:y")

    def answer(messages) -> str:
        word = messages[1].text
        return "What?" if "deep" in word else "Yes, it can." if "bright" in word else "No. Eyes are seen."

    model = Scripted(answer)
    n_words = estimate(run, config, method="open", chat=model, cache=cache).questions
    name = describe(run, config, method="open", chat=model, cache=cache)
    found = run.table("descriptions", name)[1]
    assert {word for row in found["open_concepts"] for word in row} == {"bright"}
    assert {word for row in found["unjudged"] for word in row} == {"deep"}
    asked = [messages[1].text for messages in model.asked]
    assert len(set(asked)) == n_words and model.calls == n_words + 1  # one repair
    assert runs.read_stage(run, f"describe-{name}")["notes"]["failed"] == 1
    assert (found.filter(status="failed")["unjudged"].list.len() > 0).all()


def test_published_acceptance_takes_eyes_for_yes(summarised) -> None:
    run, cache = summarised
    assert says_yes_somewhere("No. Eyes are seen.") and not says_yes_somewhere("No.")
    config = preset("and-2024", "open", chat="x:y")
    model = Scripted(lambda messages: "No. Eyes are seen.")
    found = run.table("descriptions", describe(run, config, method="open", chat=model, cache=cache))[1]
    assert found["open_concepts"].to_list() == found["adjectives"].to_list()
