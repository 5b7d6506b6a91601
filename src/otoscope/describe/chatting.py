"""How a describing method asks a chat model, and leaves the answers in the run.

``answers/describe-<method>-<hash8>.parquet`` holds one row a question (:mod:`otoscope.language.chat.record`), after
``neuron`` and ``pole`` (null where a question is of none), ``role`` (what was asked: ``high``, ``low``, ``concept``,
``word``) and ``subject`` (the word). Replies are untrusted text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import Field

from otoscope.describe.free_text import UNIDENTIFIED, FreeTextConfig
from otoscope.errors import InputError
from otoscope.language.chat import (
    Answer,
    AnswerCache,
    ChatModel,
    Estimate,
    Limits,
    Prices,
    Question,
    Sampling,
    ask,
    chat_model,
    estimate,
)
from otoscope.language.chat.record import answer_table
from otoscope.stage_config import Seed, StageConfig
from otoscope.store import tables
from otoscope.store.run import Run

ABOUT: dict[str, type[pl.DataType]] = {
    "neuron": pl.Int64,
    "pole": pl.String,
    "role": pl.String,
    "subject": pl.String,
}
"""Own columns of the table of answers."""


class ChatConfig(StageConfig):
    """Options that all methods which may ask a chat model share; unknown keys are refused.

    Attributes
    ----------
    chat : str or None
        Chat model, see :mod:`otoscope.language.chat`; None = the method's way without one.
    concurrency : int
        Requests under way at once. Not part of the identity.
    max_calls, max_tokens_total : int or None
        Budget of the stage; what it has no room for fails and is asked by a later run. Not part of the identity.
    temperature, top_p : float
        How replies are drawn; temperature 0 takes the likeliest.
    max_tokens : int
        Longest reply.
    seed : int
        Of the drawing, where the model heeds it.
    """

    chat: str | None = None
    concurrency: int = Field(4, ge=1)
    max_calls: int | None = Field(None, ge=0)
    max_tokens_total: int | None = Field(None, ge=0)
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(512, ge=1)
    seed: Seed = 0

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self.seed)

    def identity(self) -> dict[str, object]:
        """Return the choices that change a word or a number, JSON-able."""
        return self.model_dump(mode="json", exclude=set(UNIDENTIFIED))


class ChatTextConfig(FreeTextConfig, ChatConfig):
    """Options of a method that writes free text, with a chat model or without."""


@dataclass(frozen=True)
class Asked:
    """A question with what it is about.

    Attributes
    ----------
    question : Question
    role : str
    neuron : int or None
    pole : str or None
    subject : str or None
    """

    question: Question[Any]
    role: str
    neuron: int | None = None
    pole: str | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Chat:
    """A chat model with the stage's budget.

    Attributes
    ----------
    model : ChatModel
    cache : AnswerCache or None
    limits : Limits
    """

    model: ChatModel
    cache: AnswerCache | None
    limits: Limits

    def answers(self, run: Run, name: str, asked: Sequence[Asked]) -> list[Answer[Any]]:
        """Return one answer a question, kept in the run as those behind the table of descriptions ``name``."""
        answers = ask(self.model, [one.question for one in asked], cache=self.cache, limits=self.limits)
        _write_answers(run, name, asked, answers)
        return answers

    def estimate(self, asked: Sequence[Asked], prices: Prices | None = None) -> Estimate:
        """Return what asking would take; nothing is asked."""
        return estimate(self.model, [one.question for one in asked], cache=self.cache, prices=prices)


def opened(config: ChatConfig, model: ChatModel | None, cache: AnswerCache | None) -> Chat | None:
    """Return the chat model to ask, None where the method goes without.

    Parameters
    ----------
    config : ChatConfig
    model : ChatModel, optional
        A loaded one to use for ``config.chat``.
    cache : AnswerCache, optional
        The user's by default.
    """
    if model is None and config.chat is None:
        return None
    found = model if model is not None else chat_model(str(config.chat))
    limits = Limits(
        concurrency=config.concurrency, max_calls=config.max_calls, max_tokens=config.max_tokens_total
    )
    return Chat(found, cache if cache is not None else AnswerCache(), limits)


def needed(chat: Chat | None, method: str) -> Chat:
    """Return the chat model; without one there is nothing to estimate.

    Raises
    ------
    InputError
        If there is none.
    """
    if chat is None:
        raise InputError(f"{method} asks no chat model here: name one with chat, or run it, it costs nothing")
    return chat


def _write_answers(run: Run, name: str, asked: Sequence[Asked], answers: Sequence[Answer[Any]]) -> None:
    """Write the answers behind the table of descriptions called ``name``."""
    about = {key: [getattr(one, key) for one in asked] for key in ABOUT}
    table = answer_table(about, [one.question for one in asked], answers)
    typed = [pl.col(key).cast(kind) for key, kind in ABOUT.items()]
    tables.write(run.root / "answers" / f"describe-{name}.parquet", table.with_columns(*typed))


def counted(answers: Sequence[Answer[Any]]) -> dict[str, int]:
    """Return how many answers there are, how many failed and were repaired, and their tokens; the same each time."""
    return {
        "questions": len(answers),
        "failed": sum(one.status == "failed" for one in answers),
        "repaired": sum(one.repaired for one in answers),
        "prompt_tokens": sum(one.prompt_tokens for one in answers),
        "completion_tokens": sum(one.completion_tokens for one in answers),
    }
