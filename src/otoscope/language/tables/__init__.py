"""Word lists that come with the package, each with its source in its first lines; see the files beside this one."""

from __future__ import annotations

from importlib.resources import files


def read_text(name: str) -> str:
    """Return the text of the table called ``name``."""
    return (files(__name__) / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """Return the rows of a tab-separated table, without comments and empty lines."""
    lines = read_text(name).splitlines()
    return [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
