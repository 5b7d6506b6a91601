"""Module A by in-context learning: a chat model picks the concept of a list that fits a neuron's summary.

Input is the *uncalibrated* summary of the highly activating clips (``highly`` of module B's table). The model sees two
worked examples (:mod:`otoscope.describe.icl_prompt`), gives a reason and names; a name that is not in the concept set
is replaced by the nearest one, which columns report. Without a chat model the concepts nearest to the summary by the
text encoder are taken (``source`` = ``encoder``).

Columns beside those of every description: ``concept``, ``top_concepts``; ``proposed`` (what the reply said),
``repaired`` and ``repair_cosine`` (of each); ``source``, ``status``, ``reason``. The score is that of the concept's
name.

Where we differ from AND (ICML 2024, section 3.1): the parser (:mod:`otoscope.describe.icl_parse`), temperature 0, and
that the repair is reported; the preset ``and-2024`` has the published ones. Its prompt is not reproduced.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import Field

from otoscope.data.clips import Clips
from otoscope.describe.chatting import Asked, Chat, ChatConfig, counted, needed, opened
from otoscope.describe.clip_words import concepts_of as concept_set_of
from otoscope.describe.icl_parse import Mapped, and_2024_proposed, concepts_of, proposed
from otoscope.describe.icl_prompt import icl_messages
from otoscope.describe.on_summary import Key, Summaries, summaries_of
from otoscope.describe.output import table_name, write_descriptions
from otoscope.language import TextEncoder
from otoscope.language.chat import AnswerCache, ChatModel, Estimate, Prices, Question
from otoscope.language.concepts import ConceptSet, spoken
from otoscope.store.run import Run

METHOD, VERSION = "icl", 1


class IclConfig(ChatConfig):
    """Options of ICL; unknown keys are refused.

    Attributes
    ----------
    summary : str
        Table of module B, or the beginning of its name.
    concepts : str
        Concept set, see :mod:`otoscope.language.concepts`.
    top : int
        Names asked for; published: 1 and 5.
    parser : {"ours", "and-2024"}
    """

    summary: str = "summary"
    concepts: str = "acoustic+sounds"
    top: int = Field(1, ge=1)
    parser: Literal["ours", "and-2024"] = "ours"


def and_2024() -> IclConfig:
    """Return ICL with AND's concept set, sampling and parser, and the list in the system turn."""
    return IclConfig(concepts="labels", parser="and-2024", temperature=1.0)


def describe_by_icl(
    run: Run,
    config: IclConfig,
    *,
    clips: Clips | None = None,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
) -> str:
    """Write the table ``icl-<hash8>`` and return its name.

    Parameters
    ----------
    run : Run
        With a table of module B.
    config : IclConfig
    clips : Clips, optional
        Only for the concept set ``labels`` where the run's sounds have moved.
    encoder : TextEncoder, optional
        A loaded one to use for the summary's.
    chat, cache
        See :func:`otoscope.describe.summary.describe_by_summary`.

    Raises
    ------
    StageError
        If the run has no summaries.
    UnknownNameError
        If a table, concept set or chat model does not exist.
    """
    job = _job(run, config, clips, encoder, opened(config, chat, cache))
    return write_descriptions(
        run, METHOD, VERSION, job.identity, job.table, notes=lambda table: job.notes, headline=False
    )


def estimate_icl(
    run: Run,
    config: IclConfig,
    *,
    clips: Clips | None = None,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
    prices: Prices | None = None,
) -> Estimate:
    """Return what the chat model would be asked; nothing is asked or written.

    Raises
    ------
    InputError
        If no chat model is named.
    """
    model = needed(opened(config, chat, cache), METHOD)
    return model.estimate(_job(run, config, clips, encoder, model).questions(), prices)


def _job(
    run: Run, config: IclConfig, clips: Clips | None, encoder: TextEncoder | None, chat: Chat | None
) -> _Job:
    return _Job(
        run,
        config,
        summaries_of(run, config.summary, encoder),
        concept_set_of(run, config.concepts, clips),
        chat,
    )


@dataclass
class _Job:
    """The work on one table."""

    run: Run
    config: IclConfig
    summaries: Summaries
    words: ConceptSet
    chat: Chat | None

    def __post_init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self.top = min(self.config.top, len(self.words))
        self.identity = {
            **self.config.identity(),
            "summary": self.summaries.name,
            "encoder": self.summaries.corpus.encoder.id,
            "concepts": list(self.words.words),
            "chat": self.chat.model.id if self.chat else None,
        }

    def questions(self) -> list[Asked]:
        """Return a question for each neuron that has a summary."""
        published = self.config.parser == "and-2024"
        parse = and_2024_proposed(self.top) if published else proposed(self.top)
        return [
            Asked(
                Question(
                    icl_messages(text, self.words.texts, self.top, published=published),
                    parse,
                    self.config.sampling,
                ),
                "concept",
                *key,
            )
            for key, text in self._texts().items()
        ]

    def table(self) -> pl.DataFrame:
        """Return the table of descriptions and set the notes."""
        said, why = self._picked() if self.chat else (self._nearest(), {})
        keys = [(row["neuron"], row["pole"]) for row in self.summaries.table.iter_rows(named=True)]
        mapped = {key: self._mapped(names) for key, names in said.items()}
        nothing = Mapped((), (), ())
        rows = [mapped.get(key, nothing) for key in keys]
        texts = {key: spoken(one.concepts[0]) for key, one in mapped.items() if one.concepts}
        self.notes |= {
            "descriptions": len(rows),
            "empty": sum(not one.concepts for one in rows),
            "names": sum(len(one.repaired) for one in rows),
            "names_repaired": sum(sum(one.repaired) for one in rows) if self.chat else 0,
        }
        return self.summaries.scored(texts, self._columns(keys, rows, said, why))

    def _columns(
        self,
        keys: Sequence[Key],
        rows: Sequence[Mapped],
        said: dict[Key, tuple[str, ...]],
        why: dict[Key, str],
    ) -> dict[str, pl.Series]:
        words, source = pl.List(pl.String), "chat" if self.chat else "encoder"
        status = [
            "failed" if key in why else "ok" if one.concepts else "empty" for key, one in zip(keys, rows)
        ]
        return {
            "concept": pl.Series(
                [one.concepts[0] if one.concepts else None for one in rows], dtype=pl.String
            ),
            "top_concepts": pl.Series([list(one.concepts) for one in rows], dtype=words),
            "proposed": pl.Series(
                [list(said.get(key, ())) if self.chat else [] for key in keys], dtype=words
            ),
            "repaired": pl.Series([list(one.repaired) for one in rows], dtype=pl.List(pl.Boolean)),
            "repair_cosine": pl.Series([list(one.cosine) for one in rows], dtype=pl.List(pl.Float64)),
            "source": pl.Series([source] * len(rows), dtype=pl.String),
            "status": pl.Series(status, dtype=pl.String),
            "reason": pl.Series([why.get(key) for key in keys], dtype=pl.String),
            "flags": self.summaries.flags([one if one != "ok" else "" for one in status]),
        }

    def _texts(self) -> dict[Key, str]:
        table = self.summaries.table.filter(pl.col("highly").is_not_null())
        return {(row["neuron"], row["pole"]): row["highly"] for row in table.iter_rows(named=True)}

    def _picked(self) -> tuple[dict[Key, tuple[str, ...]], dict[Key, str]]:
        asked, name = self.questions(), table_name(self.run, METHOD, VERSION, self.identity)
        answers = needed(self.chat, METHOD).answers(self.run, name, asked)
        self.notes |= counted(answers)
        keys = [(int(one.neuron or 0), str(one.pole)) for one in asked]
        said = {key: got.value for key, got in zip(keys, answers) if got.value is not None}
        return said, {key: str(got.reason) for key, got in zip(keys, answers) if got.value is None}

    def _nearest(self) -> dict[Key, tuple[str, ...]]:
        texts, encoder = self._texts(), self.summaries.corpus.encoder
        if not texts:
            return {}
        cosines = encoder.encode(list(texts.values())) @ encoder.encode(self.words.texts).T
        best = (-cosines).argsort(axis=1, kind="stable")[:, : self.top]
        return {key: tuple(self.words.words[one] for one in row) for key, row in zip(texts, best)}

    def _mapped(self, names: Sequence[str]) -> Mapped:
        published = self.config.parser == "and-2024"
        return concepts_of(
            names,
            self.words.words,
            self.summaries.corpus.encoder,
            template="an audio about {}" if published else "{}",
            distinct=not published,
        )
