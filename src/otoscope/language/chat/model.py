"""What a chat model is: an id, and messages in, one reply out.

A conversation is a sequence of :class:`Message`, a system message first where there is one, then user and assistant
in turn, the user last. ``id`` names everything that decides the replies but the messages and the
:class:`Sampling`, and holds no secret; so (id, messages, sampling) names an answer, and :func:`answer_key` is its
hash.

A model is called from several threads at once. It raises :class:`~otoscope.errors.TransientChatError` where asking
again may help and :class:`~otoscope.errors.PermanentChatError` where it cannot; it never waits and never asks again
by itself: :func:`otoscope.language.chat.ask.ask` does both, and counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self, runtime_checkable

from otoscope.store.hashing import sha256_json

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Sound:
    """Sound that goes with a message.

    Attributes
    ----------
    data : bytes
        A whole file.
    format : {"wav", "mp3"}
        What the bytes are.
    """

    data: bytes
    format: Literal["wav", "mp3"] = "wav"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes
    ----------
    role : {"system", "user", "assistant"}
        Who speaks.
    text : str
        What is said; half characters (lone surrogates), which UTF-8 does not have, become U+FFFD.
    sounds : tuple of Sound
        What is played before it is said; only models that listen take any.
    """

    role: Role
    text: str
    sounds: tuple[Sound, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _encodable(self.text))


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn.

    Attributes
    ----------
    temperature : float
        0 takes the likeliest token each time; >= 0.
    top_p : float
        Only the likeliest tokens that hold this share of the probability are drawn from, in (0, 1].
    max_tokens : int
        At most so many tokens in the reply.
    seed : int or None
        Of the drawing, where the server heeds it. Another seed is another question: several replies to one prompt
        are drawn with several seeds.
    stop : tuple of str
        The reply ends before the first of these.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes
    ----------
    text : str
        The reply. It is untrusted: it is stored, parsed and shown escaped, never executed.
    prompt_tokens, completion_tokens : int or None
        What the server counted, None where it did not say.
    finish_reason : str or None
        ``stop``, ``length`` (cut at ``max_tokens``), ``cut`` (cut by us, too long) or what the server says.
    """

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _encodable(self.text))


class ChatModel(Protocol):
    """Answers conversations.

    Attributes
    ----------
    id : str
        Part of the name of an answer and of a stage's identity; no secrets.
    """

    @property
    def id(self) -> str:
        """Everything that decides a reply but the messages and the sampling; no secrets."""
        ...

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Return one reply.

        Raises
        ------
        TransientChatError
            If asking again may help.
        PermanentChatError
            If it cannot.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A chat model that knows its own tokens."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of tokens of the prompt that ``messages`` become."""
        ...


@runtime_checkable
class TakesTimeout(Protocol):
    """A chat model whose requests can be given a time limit."""

    def with_timeout(self, seconds: float) -> Self:
        """Return the same model with a limit on each request; the id stays."""
        ...


def messages_hash(messages: Sequence[Message]) -> str:
    """Return the sha256 (64 hexadecimal digits) of a conversation, sounds by their own hash.

    Examples
    --------
    >>> messages_hash([Message("user", "rain?")]) == messages_hash([Message("user", "Rain?")])
    False
    """
    return sha256_json([_named(one) for one in messages])


def answer_key(model_id: str, messages: Sequence[Message], sampling: Sampling) -> str:
    """Return the sha256 (64 hexadecimal digits) that names the answer of a model to a conversation."""
    drawing = asdict(sampling) | {"temperature": float(sampling.temperature), "top_p": float(sampling.top_p)}
    named = [_named(one) for one in messages]
    return sha256_json({"version": 1, "model": model_id, "messages": named, "sampling": drawing})


def _named(message: Message) -> dict[str, Any]:
    sounds = [
        {"format": one.format, "sha256": hashlib.sha256(one.data).hexdigest()} for one in message.sounds
    ]
    return {"role": message.role, "text": message.text, "sounds": sounds}


def _encodable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
