"""The answers that a stage used, as a table of the run: ``answers/<stage-name>.parquet``.

=============================== ====================================================================
(the stage's own columns)       what each question was about: neuron, clip, word ...
key                             name of the first reply in the cache
messages                        sha256 of the conversation; with the stage's config it can be made again
text                            the last reply; null where there was none
status, reason                  ``ok`` or ``failed``, and why
repaired                        the value is from the second reply
prompt_tokens, completion_tokens  of the replies behind the answer, whenever they were bought
=============================== ====================================================================

Nothing in it depends on what the cache held, so a stage that was killed and continued writes the same bytes. What a
job took now is :func:`spent`, for the log and for stderr.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.errors import InputError
from otoscope.language.chat.model import messages_hash
from otoscope.language.chat.question import Answer, Question

COLUMNS = {
    "key": pl.String,
    "messages": pl.String,
    "text": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "repaired": pl.Boolean,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
}
"""Columns of every table of answers, after the stage's own."""


@dataclass(frozen=True)
class Spending:
    """What a job took.

    Attributes
    ----------
    questions, failed, repaired, cached : int
        Answers; those without a value, from a second reply, and that nothing was asked for now.
    calls, tokens : int
        Requests made and tokens bought now.
    """

    questions: int
    failed: int
    repaired: int
    cached: int
    calls: int
    tokens: int


def spent(answers: Sequence[Answer[Any]]) -> Spending:
    """Return what a job took.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Question, Scripted, ask, parsing
    >>> question = Question((Message("user", "Rain?"),), parsing.yes_or_no)
    >>> spent(ask(Scripted(["Yes."]), [question, question], cache=None))
    Spending(questions=2, failed=0, repaired=0, cached=1, calls=1, tokens=2)
    """
    return Spending(
        questions=len(answers),
        failed=sum(one.status == "failed" for one in answers),
        repaired=sum(one.repaired for one in answers),
        cached=sum(one.cached for one in answers),
        calls=sum(one.calls for one in answers),
        tokens=sum(one.spent_tokens for one in answers),
    )


def answer_table(
    about: Mapping[str, Sequence[Any]], questions: Sequence[Question[Any]], answers: Sequence[Answer[Any]]
) -> pl.DataFrame:
    """Return the table of the module, one row a question.

    Parameters
    ----------
    about : mapping of str to sequence
        The stage's own columns, as long as ``questions``.
    questions, answers : sequence
        What was asked, and what :func:`~otoscope.language.chat.ask.ask` returned.

    Raises
    ------
    InputError
        If a column is of another length, or has the name of one of :data:`COLUMNS`.
    """
    for name, values in about.items():
        if name in COLUMNS or len(values) != len(questions):
            raise InputError(
                f"column {name!r} has {len(values)} values for {len(questions)} questions; taken names are "
                f"{', '.join(COLUMNS)}"
            )
    taken = {name: [getattr(one, name) for one in answers] for name in COLUMNS if name != "messages"}
    taken["messages"] = [messages_hash(one.messages) for one in questions]
    own = pl.DataFrame({name: list(values) for name, values in about.items()})
    return own.hstack(
        pl.DataFrame(taken, schema={name: COLUMNS[name] for name in taken}).select(list(COLUMNS))
    )
