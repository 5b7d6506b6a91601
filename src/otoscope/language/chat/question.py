"""What is asked, what comes back, and how much may be spent on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from otoscope.errors import InputError, ReplyError
from otoscope.language.chat.model import Message, Sampling

T = TypeVar("T")

REPAIR = "Your reply cannot be used: {reason} Answer the question again, in the form that was asked for."
"""The complaint that follows an unusable reply; ``{reason}`` becomes what the parser said."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """One conversation whose reply is wanted as a value.

    Attributes
    ----------
    messages : tuple of Message
        The conversation, the user last.
    parse : callable of str -> T
        Turns a reply into the value; raises ``ReplyError`` with what is wrong.
    sampling : Sampling
        How the reply is drawn.
    repair : str or None
        Said, after the unusable reply, to ask once more; ``{reason}`` becomes the parser's complaint. None: an
        unusable reply is a failure at once.
    """

    messages: tuple[Message, ...]
    parse: Callable[[str], T]
    sampling: Sampling = field(default_factory=Sampling)
    repair: str | None = REPAIR


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The value of a question, or why there is none.

    Attributes
    ----------
    value : T or None
        What the parser made of the reply; None where it failed.
    status : {"ok", "failed"}
        Whether there is a value.
    reason : str or None
        Why not, one sentence for a person.
    text : str or None
        The last reply, None where there was none.
    repaired : bool
        The value is from the second reply: the first was unusable.
    cached : bool
        Nothing was asked for it now: the reply was in the cache, or an equal question of the job brought it.
    calls : int
        Requests made for it now, retries included.
    prompt_tokens, completion_tokens : int
        Of the replies behind the answer, whenever they were bought; estimated where the server did not say.
    key : str
        Name of the (first) reply in the cache.
    spent_tokens : int
        Tokens bought for it now, prompt and completion.
    """

    value: T | None
    status: Literal["ok", "failed"]
    reason: str | None
    text: str | None
    repaired: bool
    cached: bool
    calls: int
    prompt_tokens: int
    completion_tokens: int
    key: str
    spent_tokens: int = 0


@dataclass(frozen=True)
class Limits:
    """How much a job may ask, and how patiently.

    Attributes
    ----------
    concurrency : int
        Requests under way at once.
    retries : int
        How often one request is made again after a transient failure.
    max_calls : int or None
        Requests of the whole job, retries and repairs included; None = no limit.
    max_tokens : int or None
        Tokens of the whole job, prompts and replies together; None = no limit. A request is made only if it fits at
        its longest, so the budget is never exceeded by more than the estimate of a prompt is wrong.
    timeout_s : float
        Longest time for one request.
    backoff_s, max_wait_s : float
        First wait before a retry (doubling each time, times a random factor in [0.5, 1]), and the longest; a server
        that asks for a longer wait is given up for that question.
    give_up_after : int
        Questions in a row that got no reply at all before the rest of the job is given up.
    seed : int
        Of the random factor.
    """

    concurrency: int = 4
    retries: int = 4
    max_calls: int | None = None
    max_tokens: int | None = None
    timeout_s: float = 120.0
    backoff_s: float = 1.0
    max_wait_s: float = 120.0
    give_up_after: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"concurrency": 1, "retries": 0, "give_up_after": 1, "max_calls": 0, "max_tokens": 0}
        for name, smallest in least.items():
            got = getattr(self, name)
            if got is not None and got < smallest:
                raise InputError(f"{name} must be at least {smallest}, got {got}")
        for name in ("timeout_s", "backoff_s", "max_wait_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be above 0 seconds, got {getattr(self, name)}")


def read(parse: Callable[[str], T], text: str) -> tuple[T | None, str | None]:
    """Return (value, None), or (None, what is wrong).

    Replies are hostile input: whatever ordinary exception a parser raises on one is the reply's fault.
    """
    if not text.strip():
        return None, "it is empty."
    try:
        return parse(text), None
    except ReplyError as error:
        return None, str(error)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        return None, f"the parser failed on it ({type(error).__name__}: {str(error)[:200]})."
