"""How many tokens is a conversation, before anyone has counted it?

:data:`RULE` says it in words. A model that has its tokenizer at hand
(:class:`~otoscope.language.chat.model.CountsTokens`) counts exactly.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import soundfile

from otoscope.language.chat.model import ChatModel, CountsTokens, Message

RULE = "a token per 4 bytes of UTF-8, 4 per message, 25 per second of sound"
"""The estimate where no tokenizer is at hand. English has about 4.5 bytes a token, other scripts fewer per character
but more bytes; 25 a second is what Qwen2-Audio's encoder makes of sound (others use fewer)."""

BYTES_A_TOKEN, TOKENS_A_MESSAGE, TOKENS_A_SECOND = 4, 4, 25
_BYTES_A_SECOND = 4_000


def prompt_tokens(model: ChatModel, messages: Sequence[Message]) -> int:
    """Return the tokens of the prompt: counted where the model can, else by :data:`RULE`.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Scripted
    >>> prompt_tokens(Scripted(["yes"]), [Message("user", "Is it loud?")])
    7
    """
    if isinstance(model, CountsTokens):
        return model.count_tokens(messages)
    return sum(_of_message(one) for one in messages)


def text_tokens(text: str) -> int:
    """Return the tokens of a text by :data:`RULE`."""
    return math.ceil(len(text.encode("utf-8")) / BYTES_A_TOKEN)


def sound_tokens(message: Message) -> int:
    """Return the tokens of a message's sounds by :data:`RULE`."""
    return math.ceil(sum(_seconds(one.data) for one in message.sounds) * TOKENS_A_SECOND)


def _of_message(message: Message) -> int:
    return text_tokens(message.text) + TOKENS_A_MESSAGE + sound_tokens(message)


def _seconds(data: bytes) -> float:
    """Return the length; a file that cannot be read counts by its size, at 32 kbit/s."""
    try:
        return float(soundfile.info(io.BytesIO(data)).duration)
    except soundfile.LibsndfileError:
        return len(data) / _BYTES_A_SECOND
