"""Captions by any function of the user's own: ``py:module:function`` or ``py:path/to/file.py:function``.

The function takes ``(waveform, sample_rate, prompt)``, a mono waveform float32 (time,) at that rate, and returns a
text; so any network that hears (SALMONN and its kin) is a few lines away. What it raises is that clip's failure.
Options after ``?``:

=============== ============================================== ==================================================
``sample_rate`` the function's attribute of that name, 16000   hertz of the waveforms
``prompt``      see :data:`otoscope.caption.prompted.PROMPT`   handed on
``clean``       loops                                          ``loops``, ``and-2024``, ``keep``
=============== ============================================== ==================================================

The captioner's id holds a hash of the file that the function is written in: a change of that file makes another
table, a change of what it imports does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.caption.options import cleaning_of
from otoscope.caption.prompted import PROMPT, PromptedCaptioner
from otoscope.errors import InputError, UnknownNameError
from otoscope.language import pretrained
from otoscope.models.python import module_of
from otoscope.store.hashing import hash8, sha256_file

SCHEME = "py"
OPTIONS = ("sample_rate", "prompt", "clean")
DEFAULT_RATE = 16000

Function = Callable[[NDArray[np.float32], int, str], str]


class PythonListener:
    """A function that hears one waveform at a time.

    Attributes
    ----------
    id : str
        Its name, and a hash of its source file and the rate.
    sample_rate : int
        Hertz.
    """

    def __init__(self, function: Function, name: str, sample_rate: int) -> None:
        self._function, self.sample_rate = function, sample_rate
        self.id = f"py:{name}@{hash8([_source(function), sample_rate])}"

    def say(self, waveforms: Sequence[NDArray[np.float32]], prompt: str) -> list[str]:
        """Return one text a waveform float32 ``(time,)``."""
        return [self._function(one, self.sample_rate, prompt) for one in waveforms]


def load(rest: str = "") -> PromptedCaptioner:
    """Return the captioner ``module:function[?option=value&...]`` or ``path/to/file.py:function``.

    Raises
    ------
    InputError
        If the spec has another form, there is no such file or module, or what it names cannot be called.
    UnknownNameError
        If there is no such function or option.
    ModelError
        If the module fails as it is imported.
    """
    target, options = pretrained.named(SCHEME, rest, OPTIONS)
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise InputError(f"expected py:module:function or py:path/to/file.py:function, got 'py:{rest}'")
    module = module_of(place)
    if not hasattr(module, name):
        raise UnknownNameError.of(
            f"function in {place}", name, [one for one in vars(module) if not one.startswith("_")]
        )
    function = getattr(module, name)
    if not callable(function):
        raise InputError(
            f"py:{target} is {type(function).__name__}; expected (waveform, sample_rate, prompt) -> text"
        )
    default = getattr(function, "sample_rate", DEFAULT_RATE)
    rate = pretrained.whole_number(options, "sample_rate", default, least=1)
    shown = Path(place).name if place.endswith(".py") else place
    listener = PythonListener(function, f"{shown}:{name}", rate)
    return PromptedCaptioner(
        SCHEME, listener, options.get("prompt", PROMPT), cleaning_of(options), batch_size=1
    )


def _source(function: Any) -> str | None:
    """Return the sha256 of the file that the function (or the object's class) is written in; None where unknown."""
    written = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    try:
        file = inspect.getsourcefile(written)
    except TypeError:
        return None
    return None if file is None else sha256_file(Path(file))
