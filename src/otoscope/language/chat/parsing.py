"""Replies in, values out: yes or no, a choice, a list of choices, a sentence, JSON.

Each parser is a function ``str -> value`` that raises :class:`~otoscope.errors.ReplyError` with what is wrong, in
words that a model can act on, since they are sent back to it. Nothing in a reply is executed, and no server's
claim that its output is structured is trusted: the text is searched and checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from otoscope.errors import InputError, ReplyError

Model = TypeVar("Model", bound=BaseModel)

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARKUP = re.compile(r"[*_`\"'“”‘’#>]+")
_LABEL = re.compile(
    r"^\s*(?:final\s+)?(?:answer|reply|response|concept|class|label|choice)\s*:\s*", re.IGNORECASE
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+")
_MOST_STARTS = 64
_SHOWN = 60


def sentence(text: str) -> str:
    """Return the reply without outer white space.

    Raises
    ------
    ReplyError
        If it has no letter or digit.

    Examples
    --------
    >>> sentence("  A dog barks. ")
    'A dog barks.'
    """
    if not any(one.isalnum() for one in text):
        raise ReplyError("it has no words.")
    return text.strip()


def yes_or_no(text: str) -> bool:
    """Return True for yes, False for no: whole words of the first line that is not empty.

    The first word decides (after a label such as ``Answer:``), else the last one ("The answer is yes."). A word
    within another word (``yesterday``, ``noise``) never counts.

    Raises
    ------
    ReplyError
        If neither word opens or closes the line, or one opens it and the other closes it.

    Examples
    --------
    >>> yes_or_no("Yes, 'loud' describes sound."), yes_or_no("The answer is **no**.")
    (True, False)
    """
    words = [one.casefold() for one in _WORD.findall(_LABEL.sub("", _plain(_first_line(text))))]
    ends = {one for one in (words[:1] + words[-1:]) if one in {"yes", "no"}}
    if len(ends) != 1:
        raise ReplyError("its first line is neither yes nor no: begin with one of these two words.")
    return ends == {"yes"}


def choice(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a parser of a reply that names one of ``choices``.

    The first line that is not empty decides: the choice that it is, else the only one that occurs in it as whole
    words (a choice within a longer one that occurs, ``rain`` in ``heavy rain``, does not count). Case, hyphens and
    underscores do not matter. A JSON string, or an object with one string, counts as its text.

    Raises
    ------
    InputError
        If ``choices`` are empty, or two are the same but for case, hyphens, underscores and spaces.

    Examples
    --------
    >>> choice(["door_wood_knock", "rain", "heavy rain"])("Answer: Heavy rain.")
    'heavy rain'
    """
    finder = _Finder(choices)

    def parse(text: str) -> str:
        line = _first_line(_json_text(text))
        found = finder.find(line)
        if len(found) != 1:
            several = (
                f"names {len(found)} of them ({', '.join(found[:5])})" if found else "names none of them"
            )
            raise ReplyError(f"its first line must name one of the {len(choices)} choices, it {several}.")
        return found[0]

    return parse


def choices_list(
    choices: Sequence[str], *, at_least: int = 1, at_most: int | None = None
) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of a reply that lists some of ``choices``, best first, each once.

    The reply is a JSON list of strings (also within other text or in an object), or one choice a line (bullets and
    numbers allowed), or choices separated by commas or semicolons. Lines before the list that end with a colon are
    left out. A choice that comes again is dropped; an entry that is no choice makes the reply unusable.

    Raises
    ------
    InputError
        As for :func:`choice`.

    Examples
    --------
    >>> choices_list(["rain", "dog", "sea waves"], at_most=2)("Here they are:\\n1. Sea_waves\\n2. rain\\n")
    ('sea waves', 'rain')
    """
    finder = _Finder(choices)

    def parse(text: str) -> tuple[str, ...]:
        entries = _entries(text)
        named = [finder.find(one) for one in entries]
        wrong = [one for one, found in zip(entries, named, strict=True) if len(found) != 1]
        if wrong:
            raise ReplyError(f"{wrong[0][:_SHOWN]!r} is not one of the {len(choices)} choices.")
        kept = tuple(dict.fromkeys(found[0] for found in named))
        if len(kept) < at_least or (at_most is not None and len(kept) > at_most):
            wanted = f"at least {at_least}" if at_most is None else f"{at_least} to {at_most}"
            raise ReplyError(f"it lists {len(kept)} different choices, wanted are {wanted}.")
        return kept

    return parse


def json_value(text: str) -> Any:
    """Return the first JSON object or list in a reply, whatever stands around it.

    Raises
    ------
    ReplyError
        If there is none, or it holds NaN or an infinity, or is nested too deeply to be read.

    Examples
    --------
    >>> json_value('Sure! ```json\\n{"words": ["loud"]}\\n``` I hope that helps.')
    {'words': ['loud']}
    """
    return next(_json_values(text))


def json_as(model: type[Model]) -> Callable[[str], Model]:
    """Return a parser of a reply that holds JSON for a pydantic model, strictly.

    Examples
    --------
    >>> class Words(BaseModel):
    ...     words: list[str]
    >>> json_as(Words)('{"words": ["loud"]}')
    Words(words=['loud'])
    """

    def parse(text: str) -> Model:
        complaints = []
        for found in _json_values(text):
            try:
                return model.model_validate(found, strict=True)
            except ValidationError as error:
                complaints.append(_complaint(error))
        raise ReplyError(f"its JSON does not fit: {complaints[0]}.")

    return parse


class _Finder:
    """Finds choices in a line, as whole words, the longest first."""

    def __init__(self, choices: Sequence[str]) -> None:
        if isinstance(choices, str) or not choices:
            raise InputError(f"choices must be a list of at least one text, got {choices!r}")
        self._names = {_key(one): one for one in choices}
        if len(self._names) != len(choices) or "" in self._names:
            raise InputError(
                "two choices are the same but for case, hyphens, underscores and spaces, or one is empty"
            )
        longest = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)")

    def find(self, line: str) -> list[str]:
        """Return the choice that ``line`` is, else those that occur in it, each once."""
        key = _key(_LABEL.sub("", _plain(line)))
        if key in self._names:
            return [self._names[key]]
        return list(dict.fromkeys(self._names[one] for one in self._pattern.findall(key)))


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON objects and lists in a text, outermost only; raise ReplyError if there is none."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    end = tried = 0
    for place in re.finditer(r"[\[{]", text):
        if place.start() < end or tried >= _MOST_STARTS:
            continue
        tried += 1
        try:
            found, end = decoder.raw_decode(text, place.start())
        except RecursionError as error:
            raise ReplyError("its JSON is nested too deeply.") from error
        except ValueError:
            continue
        yield found
    if not end:
        raise ReplyError("it holds no JSON object or list that can be read.")


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{place}: {first['msg']}"


def _entries(text: str) -> list[str]:
    try:
        found = json_value(text)
    except ReplyError:
        found = None
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
        return found
    lines = [_BULLET.sub("", one).strip() for one in text.splitlines()]
    lines = [one for one in lines if any(letter.isalnum() for letter in one) and not one.endswith(":")]
    if len(lines) == 1:
        parts = (re.sub(r"^\s*and\s+", "", part).strip(" .") for part in re.split("[,;]", lines[0]))
        return [part for part in parts if part]
    return lines


def _json_text(text: str) -> str:
    """Return the text of a reply that is a JSON string or an object with one string, else the reply."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    return found if isinstance(found, str) else text


def _first_line(text: str) -> str:
    return next((one for one in text.splitlines() if any(letter.isalnum() for letter in one)), "")


def _plain(line: str) -> str:
    return _MARKUP.sub(lambda found: " " if "_" in found.group() else "", line)


def _key(name: str) -> str:
    return " ".join(re.sub(r"[\s_\-]+", " ", name).split()).casefold().strip(" .!,;:()")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
