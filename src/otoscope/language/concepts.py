"""Which words may name a neuron? Bundled lists, the labels of the clips, a file, or several joined by ``+``.

=========================== ====================================================================
``acoustic``                words for what a sound is like: pitch, brightness, attack, rhythm
``sounds``                  names of everyday sounds
``labels``, ``labels:SET``  the class names of the clips' primary (or the named) label set
``file:PATH``               one concept a line (``#`` starts a comment line), or a ``.json`` list
=========================== ====================================================================

Two concepts are one if they differ only in case, hyphens, underscores or spaces; the first spelling stays and the
others are counted, so ``labels+sounds`` holds each class once, however the lists spell it. A name is kept as it is
written (``sea_waves``); what is encoded has spaces (``sea waves``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otoscope.errors import EmptyDataError, FormatError, InputError, UnknownNameError
from otoscope.language import tables

if TYPE_CHECKING:
    from otoscope.data.clips import Clips
    from otoscope.data.reopen import Labels

BUNDLED: dict[str, str] = {"acoustic": "acoustic.txt", "sounds": "sounds.txt"}
"""Name -> file of the bundled list."""

_SOURCES = (*BUNDLED, "labels", "labels:SET", "file:PATH")


@dataclass(frozen=True)
class ConceptSet:
    """Concepts in a fixed order.

    Attributes
    ----------
    name : str
        The spec.
    words : tuple of str
        Names as written, unique.
    n_duplicates : int
        Names left out because an earlier one is the same but for case, hyphens, underscores or spaces.
    """

    name: str
    words: tuple[str, ...]
    n_duplicates: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @property
    def texts(self) -> tuple[str, ...]:
        """What is encoded: the names with spaces for underscores."""
        return tuple(spoken(one) for one in self.words)

    def index(self, word: str) -> int:
        """Return the place of ``word``, whatever its case, hyphens, underscores or spaces.

        Raises
        ------
        UnknownNameError
            If it is not in the set.
        """
        keys = [_key(one) for one in self.words]
        if _key(word) not in keys:
            raise UnknownNameError.of("concept", word, self.words)
        return keys.index(_key(word))


def spoken(name: str) -> str:
    """Return a name as it would be spoken: spaces for underscores, none doubled.

    Examples
    --------
    >>> spoken("door_wood_knock")
    'door wood knock'
    """
    return " ".join(name.replace("_", " ").split())


def concept_set(spec: str, clips: Clips | Labels | None = None) -> ConceptSet:
    """Return the concepts that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``acoustic``, ``sounds``, ``labels``, ``labels:SET``, ``file:PATH``, or several joined by ``+``.
    clips : Clips or Labels, optional
        Needed for ``labels``: whatever has label sets.

    Raises
    ------
    UnknownNameError
        If a part is none of these, or the clips have no such label set.
    InputError
        If ``labels`` is asked for without clips, or of clips that carry none; or a file cannot be read.
    EmptyDataError
        If a part holds no concept.

    Examples
    --------
    >>> concepts = concept_set("acoustic+sounds")
    >>> concepts.words[:3], concepts.index("Sea_Waves") == concepts.words.index("sea waves")
    (('high-pitched', 'low-pitched', 'mid-pitched'), True)
    """
    names = [name for part in _parts(spec) for name in _concepts_of(part, clips)]
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(_key(name), name)
    return ConceptSet(spec, tuple(kept.values()), len(names) - len(kept))


def _key(name: str) -> str:
    return " ".join(re.sub(r"[\s_-]+", " ", name).split()).casefold()


def _parts(spec: str) -> list[str]:
    """Cut at each ``+`` that a source follows, so that a path may hold one."""
    names = "|".join([*map(re.escape, BUNDLED), "labels", "file"])
    return re.split(rf"\+(?=(?:{names})(?:[:+]|$))", spec)


def _concepts_of(part: str, clips: Clips | Labels | None) -> Sequence[str]:
    source, colon, rest = part.partition(":")
    if source == "file" and colon:
        found = _from_file(Path(rest))
    elif source == "labels":
        found = _from_labels(rest or None, clips)
    elif part in BUNDLED:
        found = _lines(tables.read_text(BUNDLED[part]))
    else:
        raise UnknownNameError.of("concept set", part, _SOURCES, "Several are joined by +.")
    if not found:
        raise EmptyDataError(f"the concept set {part!r} holds no concept")
    return found


def _from_labels(name: str | None, clips: Clips | Labels | None) -> list[str]:
    if clips is None:
        raise InputError("the concept set 'labels' needs clips: it is their class names")
    return list(clips.label_set(name).classes)


def _from_file(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the concept file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FormatError(
            f"the concept file {path} is not UTF-8 text: one concept a line, or a JSON list"
        ) from error
    found = _json_list(text, path) if path.suffix.lower() == ".json" else _lines(text)
    for one in found:
        if not any(letter.isalnum() for letter in one):
            raise InputError(f"the concept file {path} holds {one[:40]!r}: a concept needs a letter or digit")
    return found


def _json_list(text: str, path: Path) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FormatError(f"the concept file {path} is not JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise FormatError(f"the concept file {path} must hold a JSON list of strings")
    return [one.strip() for one in found]


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
