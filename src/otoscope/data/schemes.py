"""What can stand before the colon of DATA: each kind of collection, in one line, with its options."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from otoscope.data import DATASETS
from otoscope.registry import known, lookup


@dataclass(frozen=True)
class Scheme:
    """One row of :data:`otoscope.data.DATASETS`.

    Attributes
    ----------
    name : str
        What stands before the colon.
    about : str
        First sentence of the loader's docstring.
    options : dict
        Option -> its default; a text keeps its type.
    """

    name: str
    about: str
    options: dict[str, Any]


def schemes() -> tuple[Scheme, ...]:
    """Return every kind of collection that can be opened, other packages' included."""
    return tuple(_scheme(name) for name in known(DATASETS, "data"))


def _scheme(name: str) -> Scheme:
    loader = lookup(DATASETS, name, room="data", kind="dataset")
    about = (inspect.getdoc(loader) or "").partition("\n\n")[0].replace("\n", " ")
    parameters = inspect.signature(loader).parameters.values()
    options = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    return Scheme(name, about.removeprefix("Return ").rstrip("."), options)
