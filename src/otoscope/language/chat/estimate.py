"""What would a job ask, and what would it cost? Counted without asking anything.

Calls are the distinct questions that the cache has no usable reply for; each may be followed by one repair, which
is not counted in ``calls`` but in ``calls_at_most``. Prompt tokens are counted by the model where it can
(``hf:``), else by the rule that :attr:`Estimate.rule` states. Replies are counted at their longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from otoscope.errors import InputError
from otoscope.language.chat.cache import AnswerCache
from otoscope.language.chat.counting import RULE, prompt_tokens
from otoscope.language.chat.model import ChatModel, CountsTokens, answer_key
from otoscope.language.chat.question import Question, read


@dataclass(frozen=True)
class Prices:
    """What a provider charges.

    Attributes
    ----------
    prompt, completion : float
        Per million tokens.
    currency : str
        For the message.
    """

    prompt: float
    completion: float
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not (self.prompt >= 0 and self.completion >= 0):
            raise InputError(f"prices must be 0 or more, got {self.prompt} and {self.completion}")


@dataclass(frozen=True)
class Estimate:
    """What a job would ask.

    Attributes
    ----------
    questions, distinct, cached : int
        Questions; different ones; those of the different ones whose reply is in the cache.
    calls, calls_at_most : int
        Requests if every reply is usable, and if every one needs a repair (retries after faults not counted).
    prompt_tokens : int
        Of ``calls``.
    completion_tokens_at_most : int
        Of ``calls``, each reply at its longest.
    cost_at_most : float or None
        Of those tokens; None where no prices were given.
    currency : str or None
        Of the cost.
    rule : str
        How prompt tokens were counted.
    """

    questions: int
    distinct: int
    cached: int
    calls: int
    calls_at_most: int
    prompt_tokens: int
    completion_tokens_at_most: int
    cost_at_most: float | None
    currency: str | None
    rule: str

    def __add__(self, other: Self) -> Self:
        """Return the estimate of two jobs, as if none of their questions were equal."""
        summed = {
            name: getattr(self, name) + getattr(other, name)
            for name in _COUNTS
            if getattr(self, name) is not None
        }
        return replace(self, **summed)

    def __str__(self) -> str:
        cost = "" if self.cost_at_most is None else f", at most {self.cost_at_most:.2f} {self.currency}"
        return (
            f"{self.calls} calls ({self.questions} questions, {self.distinct} different, {self.cached} answered "
            f"already; at most {self.calls_at_most} with repairs), {self.prompt_tokens} prompt tokens ({self.rule}), "
            f"at most {self.completion_tokens_at_most} completion tokens{cost}"
        )


_COUNTS = (
    "questions",
    "distinct",
    "cached",
    "calls",
    "calls_at_most",
    "prompt_tokens",
    "completion_tokens_at_most",
    "cost_at_most",
)


def estimate(
    model: ChatModel,
    questions: Sequence[Question[Any]],
    *,
    cache: AnswerCache | None,
    prices: Prices | None = None,
) -> Estimate:
    """Return what :func:`~otoscope.language.chat.ask.ask` would ask now.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Sampling, Scripted, parsing
    >>> one = Question((Message("user", "Is 'loud' a word for sound?"),), parsing.yes_or_no, Sampling(max_tokens=8))
    >>> made = estimate(Scripted(["yes"]), [one, one], cache=None, prices=Prices(2.0, 10.0))
    >>> made.calls, made.prompt_tokens, made.completion_tokens_at_most, f"{made.cost_at_most:.6f}"
    (1, 11, 8, '0.000102')
    """
    distinct = {answer_key(model.id, one.messages, one.sampling): one for one in questions}
    asked = [one for key, one in distinct.items() if not _is_cached(key, one, cache)]
    prompt = sum(prompt_tokens(model, one.messages) for one in asked)
    completion = sum(one.sampling.max_tokens for one in asked)
    cost = None if prices is None else (prompt * prices.prompt + completion * prices.completion) / 1e6
    return Estimate(
        questions=len(questions),
        distinct=len(distinct),
        cached=len(distinct) - len(asked),
        calls=len(asked),
        calls_at_most=sum(2 if one.repair is not None else 1 for one in asked),
        prompt_tokens=prompt,
        completion_tokens_at_most=completion,
        cost_at_most=cost,
        currency=None if prices is None else prices.currency,
        rule="the model's tokenizer" if isinstance(model, CountsTokens) else RULE,
    )


def _is_cached(key: str, question: Question[Any], cache: AnswerCache | None) -> bool:
    found = None if cache is None else cache.find(key)
    return found is not None and (found.rejected is None or read(question.parse, found.reply.text)[1] is None)
