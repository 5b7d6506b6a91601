"""What stands after the question mark of a model's name: ``beats:FILE?length_s=10``."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from otoscope.errors import InputError, UnknownNameError


def parse(scheme: str, rest: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the name (empty where there is none) and the options of ``NAME?option=value&...``.

    Raises
    ------
    UnknownNameError
        If an option is not one of ``known``.

    Examples
    --------
    >>> parse("panns", "cnn14.pth?length_s=10", ("length_s",))
    ('cnn14.pth', {'length_s': '10'})
    """
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in known:
            raise UnknownNameError.of(f"option of {scheme}:", option, known)
    return name, options


def with_length(scheme: str, rest: str) -> tuple[str, float | None]:
    """Return the name and the window length in seconds (None where none is given) of ``NAME?length_s=10``.

    Raises
    ------
    InputError
        If there is no name, or the length is no positive number.
    UnknownNameError
        If another option is given.
    """
    name, options = parse(scheme, rest, ("length_s",))
    if not name:
        raise InputError(f"{scheme}: needs a name: {scheme}:FILE_OR_FOLDER")
    if "length_s" not in options:
        return name, None
    try:
        length_s = float(options["length_s"])
    except ValueError:
        length_s = 0.0
    if not 0 < length_s < float("inf"):
        raise InputError(f"length_s takes seconds, got {options['length_s']!r}")
    return name, length_s
