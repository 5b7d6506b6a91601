"""Module C: open concepts, the words for sound in a neuron's calibrated summary.

The adjectives of the summary (:mod:`otoscope.describe.word_kinds`) that can describe sound are the neuron's concepts:
a chat model says yes or no, once for each distinct word, or the bundled list does
(:mod:`otoscope.language.sound_words`). Nouns, verbs and prepositions are stored, too.

Columns beside those of every description: ``open_concepts``; ``adjectives`` (before the filter), ``nouns``, ``verbs``,
``prepositions``; ``unjudged`` (adjectives that a chat model gave no usable answer for); ``n_adjectives``, ``n_nouns``,
``n_verbs``, ``n_prepositions`` (mentions), ``n_tokens``; ``source`` (``chat`` or ``list``), ``status``. The score is
that of the open concepts together.

Where we differ from AND (ICML 2024, section 3.3): the scope of negations, generic words and the tagger; "yes" as a
word. The preset ``and-2024`` takes the published negation and "yes" anywhere in the reply ("eyes" too).

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from otoscope.describe.chatting import Asked, Chat, ChatConfig, counted, needed, opened
from otoscope.describe.on_summary import Key, Summaries, summaries_of
from otoscope.describe.output import table_name, write_descriptions
from otoscope.describe.prompts import word_question
from otoscope.describe.word_kinds import Words, words_of
from otoscope.language import TextEncoder
from otoscope.language.chat import AnswerCache, ChatModel, Estimate, Prices, parsing
from otoscope.language.sound_words import is_sound_word
from otoscope.language.tagging import Tagger, tagger
from otoscope.store.run import Run

METHOD, VERSION = "open", 1
_NOTHING = Words((), (), (), (), 0, 0, 0, 0, 0)


class OpenConfig(ChatConfig):
    """Options of module C; unknown keys are refused.

    Attributes
    ----------
    summary : str
        Table of module B, or the beginning of its name.
    tagger : str
        See :mod:`otoscope.language.tagging`.
    negation : {"ours", "and-2024"}
        See :mod:`otoscope.describe.word_kinds`.
    acceptance : {"word", "substring"}
        What counts as a yes.
    """

    summary: str = "summary"
    tagger: str = "hanta"
    negation: Literal["ours", "and-2024"] = "ours"
    acceptance: Literal["word", "substring"] = "word"
    max_tokens: int = 64


def and_2024() -> OpenConfig:
    """Return module C with AND's negation, sampling and acceptance."""
    return OpenConfig(negation="and-2024", acceptance="substring", temperature=1.0, max_tokens=128)


def describe_by_open_concepts(
    run: Run,
    config: OpenConfig,
    *,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
    **_: Any,
) -> str:
    """Write the table ``open-<hash8>`` and return its name.

    Parameters
    ----------
    run : Run
        With a table of module B.
    config : OpenConfig
    encoder : TextEncoder, optional
        A loaded one to use for the summary's.
    chat, cache
        See :func:`otoscope.describe.summary.describe_by_summary`.

    Raises
    ------
    StageError
        If the run has no summaries.
    UnknownNameError
        If a table, tagger or chat model does not exist.
    MissingExtraError
        If the tagger's package is not installed.
    """
    job = _job(run, config, encoder, opened(config, chat, cache))
    return write_descriptions(
        run, METHOD, VERSION, job.identity, job.table, notes=lambda table: job.notes, headline=False
    )


def estimate_open(
    run: Run,
    config: OpenConfig,
    *,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
    prices: Prices | None = None,
    **_: Any,
) -> Estimate:
    """Return what the chat model would be asked; nothing is asked or written.

    Raises
    ------
    InputError
        If no chat model is named.
    """
    model = needed(opened(config, chat, cache), METHOD)
    job = _job(run, config, encoder, model)
    return model.estimate(job.questions(_adjectives(job.words().values())), prices)


def _job(run: Run, config: OpenConfig, encoder: TextEncoder | None, chat: Chat | None) -> _Job:
    return _Job(run, config, summaries_of(run, config.summary, encoder), tagger(config.tagger), chat)


def _adjectives(words: Iterable[Words]) -> list[str]:
    return sorted({adjective for one in words for adjective in one.adjectives})


def says_yes_somewhere(text: str) -> bool:
    """Return whether "yes" occurs in a reply, within a word or not, as AND's release judges."""
    return "yes" in text.lower()


@dataclass
class _Job:
    """The work on one table."""

    run: Run
    config: OpenConfig
    summaries: Summaries
    tagger: Tagger
    chat: Chat | None

    def __post_init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self.identity = {
            **self.config.identity(),
            "summary": self.summaries.name,
            "encoder": self.summaries.corpus.encoder.id,
            "tagger": self.tagger.id,
            "chat": self.chat.model.id if self.chat else None,
        }

    def words(self) -> dict[Key, Words]:
        """Return the words of each summary; each distinct text is tagged once."""
        published = self.config.negation == "and-2024"
        table = self.summaries.table.filter(pl.col("gist").is_not_null())
        texts = {(row["neuron"], row["pole"]): row["gist"] for row in table.iter_rows(named=True)}
        known = {text: words_of(text, self.tagger, published=published) for text in set(texts.values())}
        return {key: known[text] for key, text in texts.items()}

    def questions(self, adjectives: Sequence[str]) -> list[Asked]:
        """Return a question for each distinct adjective."""
        parse = parsing.yes_or_no if self.config.acceptance == "word" else says_yes_somewhere
        return [
            Asked(word_question(one, self.config.sampling, parse), "word", subject=one) for one in adjectives
        ]

    def table(self) -> pl.DataFrame:
        """Return the table of descriptions and set the notes."""
        words = self.words()
        adjectives = _adjectives(words.values())
        judged = self._asked(adjectives) if self.chat else {one: is_sound_word(one) for one in adjectives}
        keys = [(row["neuron"], row["pole"]) for row in self.summaries.table.iter_rows(named=True)]
        rows = [words.get(key, _NOTHING) for key in keys]
        concepts = [[one for one in row.adjectives if judged.get(one)] for row in rows]
        texts = {key: ", ".join(one) for key, one in zip(keys, concepts) if one}
        self.notes |= {
            "descriptions": len(rows),
            "empty": sum(not one for one in concepts),
            "adjectives": len(adjectives),
            "accepted": sum(bool(one) for one in judged.values()),
        }
        return self.summaries.scored(texts, self._columns(rows, concepts, judged))

    def _asked(self, adjectives: Sequence[str]) -> dict[str, bool]:
        asked, name = self.questions(adjectives), table_name(self.run, METHOD, VERSION, self.identity)
        answers = needed(self.chat, METHOD).answers(self.run, name, asked)
        self.notes |= counted(answers)
        return {word: got.value for word, got in zip(adjectives, answers) if got.value is not None}

    def _columns(
        self, rows: Sequence[Words], concepts: Sequence[Sequence[str]], judged: Mapping[str, bool]
    ) -> dict[str, pl.Series]:
        words = pl.List(pl.String)
        lists = {
            name: pl.Series([list(getattr(one, name)) for one in rows], dtype=words)
            for name in ("adjectives", "nouns", "verbs", "prepositions")
        }
        counts = {
            name: pl.Series([getattr(one, name) for one in rows], dtype=pl.Int64)
            for name in ("n_adjectives", "n_nouns", "n_verbs", "n_prepositions", "n_tokens")
        }
        unjudged = [[one for one in row.adjectives if one not in judged] for row in rows]
        status = ["failed" if left else "ok" if one else "empty" for left, one in zip(unjudged, concepts)]
        return {
            "open_concepts": pl.Series([list(one) for one in concepts], dtype=words),
            **lists,
            "unjudged": pl.Series(unjudged, dtype=words),
            **counts,
            "source": pl.Series(["chat" if self.chat else "list"] * len(rows), dtype=pl.String),
            "status": pl.Series(status, dtype=pl.String),
            "flags": self.summaries.flags([one if one != "ok" else "" for one in status]),
        }
