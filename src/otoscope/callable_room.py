"""A package that can be called: ``otoscope.record(...)`` works, also while ``otoscope.record`` is the room itself.

Importing anything of the room ``otoscope.record`` makes Python set the attribute ``record`` of ``otoscope`` to that
package, whatever function stood there. So the package itself takes calls, and hands them to the function of its stage,
which is imported at the first call: a room stays as light as its table.
"""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

from otoscope.registry import load


class CallableRoom(types.ModuleType):
    """A package whose call is that of its stage's function, ``__stage__`` (``"module:function"``)."""

    __stage__: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return load(self.__stage__)(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's signature, for :func:`inspect.signature` and whoever asks it."""
        return inspect.signature(load(self.__stage__))


def callable_room(package: str, stage: str) -> None:
    """Let the package that is being imported be called as its stage.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    stage : str
        ``"module:function"``, imported when it is first called.

    Examples
    --------
    >>> import otoscope
    >>> callable(otoscope.record), otoscope.record.__name__
    (True, 'otoscope.record')
    """
    module: Any = sys.modules[package]
    module.__class__ = CallableRoom
    module.__stage__ = stage
