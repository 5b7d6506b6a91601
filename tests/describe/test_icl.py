"""ICL: prompts, both parsers, the repair, and the stage."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from otoscope.describe.dry_run import estimate
from otoscope.describe.icl import IclConfig
from otoscope.describe.icl_parse import and_2024_proposed, concepts_of, proposed
from otoscope.describe.icl_prompt import EXAMPLES, icl_messages
from otoscope.describe.presets import preset
from otoscope.describe.stage import describe
from otoscope.describe.summary import SummaryConfig
from otoscope.errors import ReplyError
from otoscope.language import text_encoder
from otoscope.language.chat import AnswerCache, Scripted
from otoscope.store import run as runs

from .test_stage import WORDS
from .worlds import make_spoken_run


@pytest.mark.parametrize(
    ("reply", "k", "expected"),
    [
        ("It meows.\nAnswer: cat", 1, ("cat",)),
        ("Answer: dog\nNo, wait.\n**Answer:** 'Crying baby'.", 1, ("Crying baby",)),
        ("It isn't loud.\nanswer: cat, dog; hen", 3, ("cat", "dog", "hen")),
        ("Answers:\n1. cat\n2. dog\n3. hen", 2, ("cat", "dog")),
        ("Answer: cat, cat, dog", 2, ("cat", "dog")),
    ],
)
def test_our_parser(reply: str, k: int, expected: tuple[str, ...]) -> None:
    assert proposed(k)(reply) == expected


@pytest.mark.parametrize(
    ("reply", "k", "complaint"),
    [
        ("I think it is a cat.", 1, "no line that begins with 'Answer:'"),
        ("Answer: cat", 5, "holds 1 names, wanted: 5"),
        ("Answer: ...", 1, "holds 0 names"),
        ("Answer: " + "x" * 200, 1, "nothing else"),
        ("", 1, "no line"),
    ],
)
def test_unusable_replies(reply: str, k: int, complaint: str) -> None:
    with pytest.raises(ReplyError, match=complaint):
        proposed(k)(reply)


def test_the_published_parser_in_its_order() -> None:
    parse = and_2024_proposed(2)
    assert parse("It purrs.\nAnswer: cat, dog, hen") == (" cat", " dog")
    assert parse('He said "rain".\nAnswer: cat') == ("rain",)  # a quoted string anywhere wins
    assert parse("It is 'wind' or 'sea'.\nAnswer: cat") == ("wind", "sea")
    whole = "It isn't a dog.\nAnswer: cat"
    assert parse(whole) == (whole,)  # one apostrophe is enough to lose the answer
    assert parse("My pick is #cat") == ("c", "a")  # letters, not names
    assert parse("cat") == ("cat",) and parse("") == ("",)


def test_repair_is_reported() -> None:
    encoder = text_encoder("lexical")
    concepts = ["dog", "sea_waves", "rain"]
    found = concepts_of(["Sea-Waves", "puppy", "dog"], concepts, encoder)
    assert found.concepts == ("sea_waves", "dog") and found.repaired == (False, True)
    assert found.cosine[0] == 1.0 and 0 < found.cosine[1] < 1
    both = concepts_of(["puppy", "dog"], concepts, encoder, template="an audio about {}", distinct=False)
    assert both.concepts == ("dog", "dog") and both.repaired == (True, False)
    assert concepts_of(["\x00...", "🎵"], concepts, encoder).repaired[0]
    assert concepts_of([], concepts, encoder).concepts == ()


def test_examples_answer_from_their_lists_and_reject_what_is_not_in_them() -> None:
    for one in EXAMPLES:
        assert len(one.best) == 5 and set(one.best) <= set(one.names)
    assert "snoring" in EXAMPLES[1].reason and "snoring" not in EXAMPLES[1].names
    for k in (1, 5):
        said = icl_messages("a loud call", ["cat", "sea waves"], k)
        assert [one.role for one in said] == ["system", *("user", "assistant") * 2, "user"]
        for one, message in zip(EXAMPLES, said[2:5:2]):
            assert proposed(k)(message.text) == one.best[:k]
        assert "cat, sea waves" in said[-1].text and "a loud call" in said[-1].text
    assert "cat, sea waves" in icl_messages("x", ["cat", "sea waves"], 1, published=True)[0].text


@pytest.fixture
def summarised(tmp_path: Path):
    run = make_spoken_run(tmp_path / "run")
    (tmp_path / "words.txt").write_text("\n".join([*WORDS, "violin melody"]))
    describe(run, SummaryConfig(captions="words", replicates=50), method="summary")
    return run, f"file:{tmp_path / 'words.txt'}", AnswerCache(tmp_path / "answers.sqlite")


def test_without_a_chat_model_the_nearest_concepts(summarised) -> None:
    run, concepts, _ = summarised
    found = run.table("descriptions", describe(run, IclConfig(concepts=concepts, top=3), method="icl"))[1]
    logits = found.filter(layer="logits", pole="high")
    assert sum(row["concept"] == WORDS[row["index"]] for row in logits.to_dicts()) >= 5
    assert set(found["source"]) == {"encoder"} and (logits["top_concepts"].list.len() == 3).all()
    assert logits["heldout_pearson"].mean() > 0.4


def test_a_chat_model_picks_and_is_repaired(summarised) -> None:
    run, concepts, cache = summarised
    config = IclConfig(concepts=concepts, chat="x:y")

    def answer(messages) -> str:
        asked = messages[-1].text
        if "cannot be used" in asked:
            return "Answer: deep low rumbles"
        return "No idea." if "whistle" in asked else f"It is near.\nAnswer: {WORDS[0]}"

    n_summaries = run.table("descriptions", "summary")[1]["highly"].count()
    asked = estimate(run, config, method="icl", chat=Scripted(answer), cache=cache)
    assert asked.questions == n_summaries >= 10
    name = describe(run, config, method="icl", chat=Scripted(answer), cache=cache)
    found = run.table("descriptions", name)[1]
    assert set(found.drop_nulls("concept")["concept"]) <= set(WORDS)
    whistle = found.filter(layer="logits", pole="high", index=1).row(0, named=True)
    assert whistle["concept"] == "deep rumble" and whistle["repaired"] == [True]
    assert whistle["proposed"] == ["deep low rumbles"] and 0 < whistle["repair_cosine"][0] < 1
    notes = runs.read_stage(run, f"describe-{name}")["notes"]
    assert notes["repaired"] >= 1 and notes["names_repaired"] >= 1 and notes["failed"] == 0
    assert pl.read_parquet(run.root / "answers" / f"describe-{name}.parquet").height == n_summaries


def test_the_published_preset_never_fails(summarised) -> None:
    run, concepts, cache = summarised
    config = preset("and-2024", "icl", concepts=concepts, chat="x:y", top=5)
    model = Scripted(lambda messages: "It isn't anything I know, but steady hum fits.")
    found = run.table("descriptions", describe(run, config, method="icl", chat=model, cache=cache))[1]
    said = found.filter(layer="logits", pole="high")
    assert (said["concept"] == "steady hum").all() and said["repaired"].list.all().all()


def test_failures_are_rows(summarised) -> None:
    run, concepts, cache = summarised
    config = IclConfig(concepts=concepts, chat="x:y")
    found = run.table(
        "descriptions", describe(run, config, method="icl", chat=Scripted(lambda m: "no"), cache=cache)
    )[1]
    failed = found.filter(status="failed")
    assert failed.height == found.height - found.filter(status="empty").height > 0
    assert failed["concept"].null_count() == failed.height and failed["reason"].str.contains("Answer:").all()
