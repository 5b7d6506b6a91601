"""What a paper shows, with its numbers, and what was made of it here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.errors import MissingExtraError, NotHereError, OtoscopeError
from otoscope.store import tables
from otoscope.store.atomic import write_text


@dataclass(frozen=True)
class Exhibit:
    """A published table or figure.

    Attributes
    ----------
    id, title : str
    published : polars.DataFrame or None
        Its numbers; None where they are not at hand.
    source : str
        How the numbers were read, with their error.
    ours : str
        Name of what makes it.
    note : str
        What to know when numbers are compared.
    """

    id: str
    title: str
    published: pl.DataFrame | None
    source: str
    ours: str
    note: str = ""

    @property
    def slug(self) -> str:
        """The id as a file name."""
        return self.id.lower().replace(" ", "-")


@dataclass(frozen=True)
class Made:
    """An exhibit and what was made of it.

    Attributes
    ----------
    exhibit : Exhibit
    table : polars.DataFrame or None
        Our numbers; None where it could not be made.
    commands : tuple of str
        What makes them one by one.
    reason : str
        Why not, else empty.
    seconds : float
    """

    exhibit: Exhibit
    table: pl.DataFrame | None
    commands: tuple[str, ...]
    reason: str
    seconds: float


Result = tuple[pl.DataFrame, Iterable[str]]


def exhibits(name: str) -> tuple[dict[str, str], list[Exhibit]]:
    """Return what the paper is, and its exhibits.

    Examples
    --------
    >>> about, shown = exhibits("and-2024")
    >>> shown[1].id, shown[1].published.height
    ('Table 2', 9)
    """
    content = json.loads((files("otoscope.study.published") / f"{name}.json").read_text(encoding="utf-8"))
    found = [Exhibit(**{**one, "published": _frame(one["published"])}) for one in content.pop("exhibits")]
    return content, found


def _frame(content: dict[str, Any] | None) -> pl.DataFrame | None:
    if content is None:
        return None
    rows, columns = content["rows"], content["columns"]
    return pl.DataFrame({name: [row[i] for row in rows] for i, name in enumerate(columns)}, strict=False)


def made(exhibit: Exhibit, make: Callable[[], Result]) -> Made:
    """Return what ``make`` gives, or the reason why it cannot: what is missing, or what failed and how."""
    started = time.perf_counter()
    try:
        table, commands = make()
    except NotHereError as error:
        return Made(exhibit, None, (), str(error), time.perf_counter() - started)
    except MissingExtraError as error:
        return Made(exhibit, None, (), f"a package is missing: {error}", time.perf_counter() - started)
    except OtoscopeError as error:
        return Made(exhibit, None, (), f"failed: {error}", time.perf_counter() - started)
    return Made(exhibit, table, tuple(commands), "", time.perf_counter() - started)


def write(folder: Path, about: dict[str, str], found: list[Made]) -> Path:
    """Write each exhibit's tables and the page that sets them side by side; return the page's path."""
    for one in found:
        if one.table is not None:
            tables.write(folder / f"{one.exhibit.slug}.parquet", one.table)
    page = folder / "reproduction.md"
    write_text(page, "\n".join(_page(about, found)) + "\n")
    return page


def _page(about: dict[str, str], found: list[Made]) -> Iterable[str]:
    yield f"# {about['preset']}: ours beside the published numbers"
    yield f"\n{about['paper']}. Published setting: {about['setting']}.\n"
    if "legend" in about:
        yield f"{about['legend']}\n"
    for one in found:
        shown = one.exhibit
        yield f"\n## {shown.id}. {shown.title}\n"
        if shown.note:
            yield f"{shown.note}\n"
        yield from _ours(one)
        if shown.published is None:
            yield f"\nPublished: {shown.source}."
        else:
            yield f"\nPublished ({shown.source}):\n"
            yield from markdown(shown.published)


def _ours(one: Made) -> Iterable[str]:
    """Yield our table, intervals in brackets; rows that have a reason in place of numbers are listed below it."""
    if one.table is None:
        yield f"**Not made**: {one.reason}\n"
        return
    table, missing = one.table, []
    if "reason" in table.columns:
        named = pl.col("reason").is_not_null()
        missing = [(row[0], row[1]) for row in table.filter(named).select(pl.first(), "reason").iter_rows()]
        table = table.filter(~named).drop("reason")
    yield "Ours:\n"
    yield from markdown(packed(table), most=400)
    yield ""
    yield from (f"- {name}: not made, {reason}" for name, reason in missing)
    yield from ["", *(f"    {command}" for command in one.commands)]


def packed(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with ``x``, ``x_low`` and ``x_high`` as one text, ``x_seeds_low`` and ``_high`` after them.

    Examples
    --------
    >>> packed(pl.DataFrame({"x": [1.0], "x_low": [0.5], "x_high": [2.0], "n": [3]})).row(0)
    ('1 (0.5 to 2)', 3)
    """
    known = set(table.columns)
    means = [one for one in table.columns if {f"{one}_low", f"{one}_high"} <= known]
    ends = {f"{one}{kind}_{end}" for one in means for kind in ("", "_seeds") for end in ("low", "high")}
    rows = list(table.iter_rows(named=True))
    texts = {one: pl.Series(one, [_with_ends(row, one) for row in rows], pl.String) for one in means}
    kept = [one for one in table.columns if one not in ends]
    return pl.DataFrame([texts.get(one, table[one]) for one in kept])


def _with_ends(row: dict[str, Any], name: str) -> str:
    pairs = [(row.get(f"{name}{kind}_low"), row.get(f"{name}{kind}_high")) for kind in ("", "_seeds")]
    inside = [f"{low:.3g} to {high:.3g}" for low, high in pairs if low is not None and high is not None]
    return f"{_cell(row[name])} ({'; '.join(inside)})" if inside else _cell(row[name])


def markdown(table: pl.DataFrame, most: int = 60) -> Iterable[str]:
    """Yield a table as Markdown, at most so many rows; texts are escaped."""
    yield "| " + " | ".join(table.columns) + " |"
    yield "|" + " --- |" * table.width
    for row in table.head(most).iter_rows():
        yield "| " + " | ".join(_cell(value) for value in row) + " |"
    if table.height > most:
        yield f"\n... {table.height - most} more rows in the Parquet file."


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
