"""Can torch compute here, on the device that was asked for? Asked before anything is loaded onto it.

torch is imported when it is asked: rooms that only name a device stay light.
"""

from __future__ import annotations

import re

from otoscope.errors import InputError


def checked_device(name: str) -> str:
    """Return the name of a device after computing one number on it.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or whatever else this torch knows.

    Raises
    ------
    InputError
        If torch knows no such device, or this machine has none; the usable ones are listed.

    Examples
    --------
    >>> checked_device("cpu")
    'cpu'
    """
    import torch

    if not isinstance(name, str):
        raise InputError(f"a device is a text such as 'cpu', got {type(name).__name__} {name!r}")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"there is no device {name!r}. Usable here: {', '.join(usable())}") from error
    try:
        (torch.zeros(1, device=device) + 1).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = re.split(r"\.\s|\.$|\n", str(error), maxsplit=1)[0]
        raise InputError(
            f"the device {name!r} cannot be used here: {reason}. Usable here: {', '.join(usable())}"
        ) from error
    return name


def usable() -> tuple[str, ...]:
    """Return the devices of this machine that torch can use, ``cpu`` first."""
    import torch

    cards = [f"cuda:{at}" for at in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ("cpu", *cards, *(["mps"] if torch.backends.mps.is_available() else []))
