"""Options that captioners which answer a prompt have in common, read from ``?option=value``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from otoscope.caption.cleaning import Cleaning
from otoscope.errors import InputError, UnknownNameError


def cleaning_of(options: Mapping[str, str]) -> Cleaning:
    """Return what ``clean`` asks for, ``loops`` where it is not given; an unknown one raises."""
    asked = options.get("clean", "loops")
    for known in get_args(Cleaning):
        if asked == known:
            found: Cleaning = known
            return found
    raise UnknownNameError.of("cleaning", asked, get_args(Cleaning))


def temperature_of(options: Mapping[str, str]) -> float:
    """Return ``temperature``, 0 where it is not given.

    Raises
    ------
    InputError
        If it is no number of at least 0.
    """
    text = options.get("temperature", "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"temperature takes a number of at least 0, got {text!r}")
    return value
