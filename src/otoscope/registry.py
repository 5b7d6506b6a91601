"""Find the object behind a name: each room keeps a literal table ``name -> "module:object"``.

The strings are imported on use, so a table costs nothing to read. Other packages add rows through the entry
point group ``otoscope.<room>`` (``otoscope.data``, ``otoscope.models``, ...); a row of ours is never overridden.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from otoscope.errors import InputError, UnknownNameError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9_-]+):(?![\\/]{2})(.*)$", re.DOTALL)


@cache
def _third_party(room: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=f"otoscope.{room}")}


def known(table: Mapping[str, str], room: str) -> tuple[str, ...]:
    """Return the names of a room's table, ours first, then other packages'."""
    return (*table, *(name for name in _third_party(room) if name not in table))


def load(target: str) -> Any:
    """Return the object named ``"module:object"``.

    Raises
    ------
    InputError
        If the target has another form, or the module or object does not exist.
    """
    module_name, _, object_name = target.partition(":")
    if not module_name or not object_name:
        raise InputError(f"expected 'module:object', got {target!r}")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise InputError(f"there is no module {module_name!r} (asked for as {target!r})") from error
        raise
    for part in object_name.split("."):
        if not hasattr(found, part):
            raise InputError(f"module {module_name!r} has no {object_name!r}")
        found = getattr(found, part)
    return found


def lookup(table: Mapping[str, str], name: str, *, room: str, kind: str) -> Any:
    """Return the object that a room's table gives for ``name``.

    Parameters
    ----------
    table : mapping of str to str
        The room's table, ``name -> "module:object"``.
    name : str
        The name to look up.
    room : str
        The room's name, for the entry point group ``otoscope.<room>``.
    kind : str
        What the names stand for, for the message (``"dataset"``).

    Raises
    ------
    UnknownNameError
        If neither the table nor an entry point has the name.
    """
    target = table.get(name) or _third_party(room).get(name)
    if target is None:
        raise UnknownNameError.of(kind, name, known(table, room))
    return load(target)


def split_spec(spec: str) -> tuple[str | None, str]:
    """Split ``scheme:rest``; the scheme is None where there is none (a plain path, also ``C:\\x``).

    Examples
    --------
    >>> split_spec("esc50:sounds/ESC-50")
    ('esc50', 'sounds/ESC-50')
    >>> split_spec("my/model")
    (None, 'my/model')
    """
    match = _SCHEME.match(spec)
    if match is None:
        return None, spec
    return match.group(1), match.group(2)
