"""Every error that Otoscope raises, and the record of a failure that does not end a run.

The tree (each class also is the builtin in brackets, so ordinary handlers work)::

    OtoscopeError
    |-- InputError [ValueError]             an argument, option or table that cannot be used
    |   |-- UnknownNameError [LookupError]  a name that is in no table: lists the known and the closest
    |   |   `-- LayerError                  a layer name or glob that matches nothing
    |   |-- DataLayoutError                 a dataset folder or table that is not laid out as expected
    |   `-- EmptyDataError                  nothing left to work on
    |-- AudioFileError [OSError]            a sound that cannot be read or must not be used
    |-- FormatError [ValueError]            a file of a newer format version, or a broken one
    |-- StoreError [OSError]                a run folder that cannot be written or read
    |-- DownloadError [OSError]             a file that cannot be fetched, or is not what its publisher describes
    |-- WorkerError [RuntimeError]          a worker process that decodes sound was killed
    |-- ModelError [RuntimeError]           a network that cannot be built, loaded or run
    |   `-- HookError                       a hook that never fired or fired with something unusable
    |-- ChatError [RuntimeError]            a chat model that gave no reply
    |   |-- TransientChatError              busy, slow or cut off: worth asking again, perhaps after a wait
    |   `-- PermanentChatError              refused: the same question would be refused again
    |-- ReplyError [ValueError]             a chat model's reply that is not what was asked for
    |-- StageError [RuntimeError]           a stage asked for before the one it needs
    |-- NotHereError [RuntimeError]         a published table or figure that cannot be made of what was given
    `-- MissingExtraError [ImportError]     an optional dependency that is not installed

A damaged clip is not an exception but a :class:`Failure`: counted, shown, kept out of the scores.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


class OtoscopeError(Exception):
    """Root of the tree."""


class InputError(OtoscopeError, ValueError):
    """An argument, option or table that cannot be used."""


class UnknownNameError(InputError, LookupError):
    """A name that is in no table.

    Attributes
    ----------
    name : str
        The name that was asked for.
    known : tuple of str
        The names that exist.
    """

    name: str = ""
    known: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], advice: str = "") -> Self:
        """Return the error for ``name``, listing the closest and (up to 30) known names."""
        names = tuple(known)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        parts = [f"unknown {kind} {name!r}."]
        if close:
            parts.append(f"Did you mean {' or '.join(repr(one) for one in close)}?")
        shown = ", ".join(names[:30]) + (f", ... ({len(names)} in all)" if len(names) > 30 else "")
        parts.append(f"Known: {shown}." if names else "None is known here.")
        error = cls(" ".join([*parts, advice] if advice else parts))
        error.name, error.known = name, names
        return error


class LayerError(UnknownNameError):
    """A layer name or glob that matches nothing."""


class DataLayoutError(InputError):
    """A dataset folder or table that is not laid out as expected."""


class EmptyDataError(InputError):
    """Nothing left to work on."""


class AudioFileError(OtoscopeError, OSError):
    """A sound that cannot be read or must not be used."""


class FormatError(OtoscopeError, ValueError):
    """A file of a newer format version, or a broken one."""


class StoreError(OtoscopeError, OSError):
    """A run folder that cannot be written or read."""


class ModelError(OtoscopeError, RuntimeError):
    """A network that cannot be built, loaded or run."""


class HookError(ModelError):
    """A hook that never fired, or fired with something unusable."""


class ChatError(OtoscopeError, RuntimeError):
    """A chat model that gave no reply."""


class TransientChatError(ChatError):
    """Busy, slow or cut off: worth asking again.

    Attributes
    ----------
    retry_after_s : float or None
        Seconds that the server asks to wait, None where it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentChatError(ChatError):
    """Refused: the same question would be refused again.

    Attributes
    ----------
    every_question : bool
        No other question would fare better (a wrong key, a model that is not there).
    """

    def __init__(self, message: str, every_question: bool = False) -> None:
        super().__init__(message)
        self.every_question = every_question


class ReplyError(OtoscopeError, ValueError):
    """A chat model's reply that is not what was asked for."""


class StageError(OtoscopeError, RuntimeError):
    """A stage asked for before the one it needs."""


class MissingExtraError(OtoscopeError, ImportError):
    """An optional dependency that is not installed."""

    @classmethod
    def of(cls, extra: str, package: str) -> Self:
        """Return the error that names the exact installation command."""
        return cls(f"{package} is not installed. It comes with: pip install 'otoscope[{extra}]'")


@dataclass(frozen=True)
class Failure:
    """One clip that could not be used, and why.

    Attributes
    ----------
    row : int
        Row of the clip in its table.
    id : str
        The clip's id.
    stage : str
        What was being done: ``decode``, ``forward``, ``caption`` ...
    reason : str
        One sentence for a person.
    """

    row: int
    id: str
    stage: str
    reason: str


class WorkerError(OtoscopeError, RuntimeError):
    """A worker process that decodes sound was killed."""


class DownloadError(OtoscopeError, OSError):
    """A file that cannot be fetched or is not what its publisher describes."""


class NotHereError(OtoscopeError, RuntimeError):
    """An exhibit that cannot be made of what was given; the message says what is missing."""
