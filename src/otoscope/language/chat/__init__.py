"""Questions to chat models, answered once, paid once, parsed into values.

:func:`chat_model` turns ``openai:MODEL``, ``openai:MODEL@http://host:port/v1``, ``hf:NAME_OR_PATH`` or
``scripted:FILE.json`` into a :class:`~otoscope.language.chat.model.ChatModel`;
:func:`~otoscope.language.chat.ask.ask` puts :class:`Question` after :class:`Question` to it and returns an
:class:`Answer` for each; :func:`~otoscope.language.chat.estimate.estimate` says beforehand what that would cost.

One file each::

    model.py      messages in, a reply out; the name of an answer
    question.py   question, answer, limits
    ask.py        a job: many questions, one model
    replies.py    one reply: from the job, the cache, or bought with retries
    budget.py     calls and tokens, counted before they are spent
    pace.py       waits between attempts; what a server asks for
    cache.py      replies that were paid for, in SQLite
    counting.py   tokens of a prompt that nobody has counted
    estimate.py   calls, tokens and cost of a job that is not run
    parsing.py    replies -> yes or no, choices, JSON
    record.py     answers as a table of a run; what a job took
    scripted.py, openai_compatible.py, local.py (and drawing.py)   the models

A new kind of model is one file with a function ``(rest of the spec, ChatOptions) -> ChatModel`` plus one line in
:data:`CHAT_MODELS`.
"""

from __future__ import annotations

from otoscope.language.chat.ask import Job, ask
from otoscope.language.chat.cache import AnswerCache
from otoscope.language.chat.estimate import Estimate, Prices, estimate
from otoscope.language.chat.model import ChatModel, Message, Reply, Sampling, Sound, messages_hash
from otoscope.language.chat.options import ChatOptions
from otoscope.language.chat.question import Answer, Limits, Question
from otoscope.language.chat.record import Spending, answer_table, spent
from otoscope.language.chat.scripted import Scripted
from otoscope.registry import lookup

CHAT_MODELS: dict[str, str] = {
    "openai": "otoscope.language.chat.openai_compatible:load",
    "hf": "otoscope.language.chat.local:load",
    "scripted": "otoscope.language.chat.scripted:load",
}
"""Scheme -> function ``(rest of the spec, ChatOptions) -> ChatModel``."""


def chat_model(spec: str, *, base_url: str | None = None, device: str | None = None) -> ChatModel:
    """Return the chat model that ``spec`` names; nothing is asked and no weights are loaded yet.

    Parameters
    ----------
    spec : str
        ``openai:MODEL`` (any OpenAI-compatible server: ``base_url``, ``openai:MODEL@http://host:port/v1`` or the
        environment's ``OPENAI_BASE_URL``; the key is the environment's ``OPENAI_API_KEY``), ``hf:NAME_OR_PATH`` (a
        transformers chat model) or ``scripted:FILE.json``.
    base_url : str, optional
        Where an OpenAI-compatible server listens.
    device : str, optional
        A torch device, for ``hf:``.

    Raises
    ------
    UnknownNameError
        If no chat model has the scheme.
    InputError
        If the rest of the spec or an option is unusable.
    MissingExtraError
        If the model's package is not installed.
    """
    scheme, _, rest = spec.partition(":")
    options = ChatOptions(base_url, device)
    found: ChatModel = lookup(CHAT_MODELS, scheme, room="chat", kind="chat model")(rest, options)
    return found


__all__ = [
    "CHAT_MODELS",
    "Answer",
    "AnswerCache",
    "ChatModel",
    "ChatOptions",
    "Estimate",
    "Job",
    "Limits",
    "Message",
    "Prices",
    "Question",
    "Reply",
    "Sampling",
    "Scripted",
    "Sound",
    "Spending",
    "answer_table",
    "ask",
    "chat_model",
    "estimate",
    "messages_hash",
    "spent",
]
