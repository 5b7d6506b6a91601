"""A chat model that says what it was told to say: for tests, examples and dry runs without a network.

:class:`Scripted` takes one of

* **rules**: pairs (text, reply); the first whose text occurs in the conversation's last user message decides
  (case matters not; ``""`` always occurs, so it makes a last rule that catches the rest),
* **a function** of the messages (and nothing else, so that it is deterministic),
* **a list of replies**, one a call, in the order of the calls (which several threads do not keep).

A reply is a text, a :class:`~otoscope.language.chat.model.Reply`, or an exception to raise. As a file
(``scripted:FILE.json``)::

    {"rules": [["acoustic word", "Yes."], ["", "A dog barks."]]}
    {"replies": ["first", "second"]}
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from otoscope.errors import FormatError, InputError, PermanentChatError
from otoscope.language.chat.counting import sound_tokens
from otoscope.language.chat.model import Message, Reply, Sampling
from otoscope.language.chat.options import ChatOptions
from otoscope.store.hashing import hash8

Said = str | Reply | Exception
"""What a script may say."""

Scripting = (
    Mapping[str, Said] | Sequence[tuple[str, Said]] | Sequence[Said] | Callable[[Sequence[Message]], Said]
)
"""Rules, replies, or a function."""


class Scripted:
    """Replies by rule, by function or from a list, and counts.

    Parameters
    ----------
    script : mapping, sequence of pairs, callable or sequence of replies
        See the module; a mapping is its pairs in order. A pair is a tuple.
    name : str, optional
        What follows ``scripted:`` in the id; by default a hash of the script (a function: its name).

    Raises
    ------
    InputError
        If the script is empty, or mixes rules and replies.

    Attributes
    ----------
    id : str
        ``scripted:NAME``.
    calls : int
        Requests so far.
    asked : list of tuple of Message
        The conversations so far, in the order in which they came.

    Examples
    --------
    >>> from otoscope.language.chat import Message, Sampling
    >>> model = Scripted([("bark", "a dog"), ("", "nothing")])
    >>> model.complete([Message("user", "What barks?")], Sampling()).text, model.calls
    ('a dog', 1)
    """

    def __init__(self, script: Scripting, name: str | None = None) -> None:
        self._lock = threading.Lock()
        listed = list(script.items()) if isinstance(script, Mapping) else script
        self._say = listed if callable(listed) else None
        steps = [] if callable(listed) else list(listed)
        self._rules = [one for one in steps if isinstance(one, tuple)]
        self._replies = [one for one in steps if not isinstance(one, tuple)]
        if bool(self._rules) == bool(self._replies) and self._say is None:
            raise InputError(
                "a script is a function, or rules (text, reply), or replies: at least one, not both"
            )
        self.id = f"scripted:{name or _name_of(listed)}"
        self.calls = 0
        self.asked: list[tuple[Message, ...]] = []

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Return the scripted reply; its tokens are words, and 25 a second of sound, where the script does not say.

        Raises
        ------
        PermanentChatError
            If no rule fits, or the list is at its end.
        """
        with self._lock:
            place, self.calls = self.calls, self.calls + 1
            self.asked.append(tuple(messages))
        said = self._said(messages, place)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Reply):
            return said
        prompt = sum(len(one.text.split()) + sound_tokens(one) for one in messages)
        return Reply(said, prompt, len(said.split()), "stop")

    def _said(self, messages: Sequence[Message], place: int) -> Said:
        if self._say is not None:
            return self._say(messages)
        if self._rules:
            return self._by_rule(messages)
        if place < len(self._replies):
            return self._replies[place]
        return PermanentChatError(f"the script has {len(self._replies)} replies, this is call {place + 1}")

    def _by_rule(self, messages: Sequence[Message]) -> Said:
        asked = next((one.text for one in reversed(messages) if one.role == "user"), "").casefold()
        fitting = (said for part, said in self._rules if part.casefold() in asked)
        return next(fitting, PermanentChatError(f"no rule of the script fits {asked[:80]!r}"))


def _name_of(script: object) -> str:
    if callable(script):
        return str(getattr(script, "__name__", type(script).__name__))
    return hash8(repr(script))


def load(rest: str, options: ChatOptions) -> Scripted:
    """Return the model of ``scripted:FILE.json``.

    Raises
    ------
    InputError
        If no file is named, it cannot be read, or an option is given that a script has no use for.
    FormatError
        If it is not as the module says.
    """
    options.refuse("scripted", "base_url", "device")
    if not rest:
        raise InputError("scripted: needs a file: scripted:replies.json")
    try:
        content = json.loads(Path(rest).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the script {rest}: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"the script {rest} is not JSON: {error}") from error
    return Scripted(_checked(content, rest))


def _checked(content: object, path: str) -> Scripting:
    if isinstance(content, dict) and len(content) == 1:
        rules, replies = content.get("rules"), content.get("replies")
        if isinstance(rules, list) and rules and all(_is_rule(one) for one in rules):
            return [(str(part), str(said)) for part, said in rules]
        if isinstance(replies, list) and replies and all(isinstance(one, str) for one in replies):
            return replies
    raise FormatError(
        f'the script {path} must be {{"rules": [[text, reply], ...]}} or {{"replies": [text, ...]}}'
    )


def _is_rule(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(isinstance(one, str) for one in found)
