"""Many questions to one model: each asked once, parsed, repaired once, and counted.

For each question the reply is looked for in the job, then in the cache, and only then bought, with retries. A reply
that the parser refuses is answered with the complaint, once. What still has no value is a failed
:class:`~otoscope.language.chat.question.Answer` with its reason; no reply ends the job. A later run finds every
reply that was paid for in the cache, and asks again for the failures.

A question fails where

* its request failed in a way that asking again does not help, or still failed after the retries,
* the reply and its repair are unusable,
* the budget has no room for it, or
* the job was given up: the server refuses every question (a wrong key), or gave no reply to
  ``Limits.give_up_after`` questions in a row.

An empty reply is unusable, is never stored, and is repaired by asking the same again with the complaint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from otoscope.language.chat.cache import AnswerCache
from otoscope.language.chat.estimate import Estimate, Prices, estimate
from otoscope.language.chat.model import ChatModel, Message, TakesTimeout, answer_key
from otoscope.language.chat.question import REPAIR, Answer, Limits, Question, read
from otoscope.language.chat.replies import Bought, NoReply, Replies
from otoscope.progress import track

T = TypeVar("T")

_QUOTED = 2_000


def ask(
    model: ChatModel,
    questions: Sequence[Question[T]],
    *,
    cache: AnswerCache | None,
    limits: Limits | None = None,
) -> list[Answer[T]]:
    """Return one answer a question, in the same order.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    questions : sequence of Question
        Equal ones (same messages and sampling) are asked once; their replies are parsed by each one's own parser.
    cache : AnswerCache or None
        Where paid replies are looked for and stored; None: only this job remembers.
    limits : Limits, optional
        Concurrency, retries, budget.

    Returns
    -------
    list of Answer
        ``ok`` with a value, or ``failed`` with a reason.

    Raises
    ------
    StoreError
        If the cache can no longer be written: going on would buy replies that are then lost.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Scripted, parsing
    >>> question = Question((Message("user", "Is 'loud' a word for sound?"),), parsing.yes_or_no)
    >>> model = Scripted([("loud", "Yes, it is.")])
    >>> [one.value for one in ask(model, [question, question], cache=None)], model.calls
    ([True, True], 1)
    """
    return Job(model, cache=cache, limits=limits).ask(questions)


class Job:
    """One budget and one memory for questions that come in several portions.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    cache : AnswerCache or None
        As for :func:`ask`.
    limits : Limits, optional
        For all portions together.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Scripted, parsing
    >>> job = Job(Scripted({"": "Yes."}), limits=Limits(max_calls=1))
    >>> for word in ("loud", "loud", "quiet"):
    ...     (answer,) = job.ask([Question((Message("user", word),), parsing.yes_or_no)])
    ...     print(answer.status, answer.calls)
    ok 1
    ok 0
    failed 0
    """

    def __init__(
        self, model: ChatModel, *, cache: AnswerCache | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._concurrency = limits.concurrency
        timed = model.with_timeout(limits.timeout_s) if isinstance(model, TakesTimeout) else model
        self._replies = Replies(timed, cache, limits)

    def ask(self, questions: Sequence[Question[T]]) -> list[Answer[T]]:
        """Return one answer a question, in the same order; see :func:`ask`."""
        with _threads(self._replies, self._concurrency) as pool:
            answers = pool.map(lambda one: _answered(one, self._replies), questions)
            return list(track(answers, len(questions), f"asking {self._replies.model.id}"))


@contextmanager
def _threads(replies: Replies, concurrency: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool; when the block raises, waiting questions are dropped and waiting threads woken."""
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")
    try:
        yield pool
    except BaseException:
        replies.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


@dataclass
class _Tally:
    """What one question took; an answer is made from it at the end."""

    key: str
    got: list[Bought] = field(default_factory=list)
    calls: int = 0

    def answer(self, value: Any, reason: str | None) -> Answer[Any]:
        """Return the answer: ``ok`` with ``value`` where ``reason`` is None."""
        replies = [one.reply for one in self.got]
        return Answer(
            value=value,
            status="ok" if reason is None else "failed",
            reason=reason,
            text=replies[-1].text if replies else None,
            repaired=reason is None and len(replies) > 1,
            cached=bool(replies) and not self.calls,
            calls=self.calls,
            prompt_tokens=sum(one.prompt_tokens or 0 for one in replies),
            completion_tokens=sum(one.completion_tokens or 0 for one in replies),
            key=self.key,
            spent_tokens=sum(one.spent_tokens for one in self.got),
        )


def _answered(question: Question[T], replies: Replies) -> Answer[T]:
    tally = _Tally(answer_key(replies.model.id, question.messages, question.sampling))
    try:
        return _parsed(question, replies, tally)
    except NoReply as error:
        tally.calls += error.calls
        return tally.answer(None, str(error))


def _parsed(question: Question[T], replies: Replies, tally: _Tally) -> Answer[T]:
    """Return the answer from the first reply or its repair."""
    messages, keys = question.messages, [tally.key]
    while True:
        got = replies.get(
            keys[-1], messages, question.sampling, lambda text: read(question.parse, text)[1] is None
        )
        tally.got.append(got)
        tally.calls += got.calls
        value, fault = read(question.parse, got.reply.text)
        if fault is None:
            return tally.answer(value, None)
        if question.repair is None or len(keys) == 2:
            replies.reject(keys, fault)
            return tally.answer(None, f"the reply is unusable: {fault}")
        messages = repaired(messages, got.reply.text, question.repair, fault)
        keys.append(answer_key(replies.model.id, messages, question.sampling))


def repaired(messages: Sequence[Message], reply: str, complaint: str, reason: str) -> tuple[Message, ...]:
    """Return the conversation that asks once more.

    The reply (its first 2,000 characters) and the complaint are appended; after an empty reply the complaint joins
    the last message, since many chat templates refuse an empty turn and two user turns in a row.

    Parameters
    ----------
    messages : sequence of Message
        The conversation so far, the user last.
    reply : str
        The unusable reply.
    complaint : str
        What to say; each ``{reason}`` in it becomes ``reason``.
    reason : str
        What is wrong.
    """
    said = complaint.replace("{reason}", reason)
    if reply.strip():
        return (*messages, Message("assistant", reply[:_QUOTED]), Message("user", said))
    last = messages[-1]
    return (*messages[:-1], replace(last, text=f"{last.text}\n\n{said}"))


__all__ = [
    "REPAIR",
    "Answer",
    "Estimate",
    "Job",
    "Limits",
    "Prices",
    "Question",
    "ask",
    "estimate",
    "repaired",
]
