"""Reads what raters saved (JSON or CSV, untrusted) and puts it together with the key.

A JSON file holds ``{"format": "otoscope-ratings", "version": 1, "page": ..., "rater": ..., "items": [{"item": 0,
"text": "...", "ratings": [4, null, 1]}]}``; a CSV file the same in lines ``page,rater,item,option,rating,text``, the
text in the line whose option is empty.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.errors import FormatError, InputError

FORMAT, VERSION = "otoscope-ratings", 1
_MOST_BYTES = 20_000_000
_ABOUT = ("item", "neuron", "layer", "index", "pole")


@dataclass(frozen=True)
class Answer:
    """What one rater said of one item: ratings by line (None: not rated), and words of their own."""

    rater: str
    item: int
    ratings: tuple[int | None, ...]
    text: str


@dataclass(frozen=True)
class Ratings:
    """Answers with what stood behind them.

    Attributes
    ----------
    ratings : polars.DataFrame
        One row per rater, line and description behind it: ``rater``, ``rating`` (1 to 5) and the columns of the key.
    texts : polars.DataFrame
        One row per rater and item: ``rater``, ``item``, ``neuron``, ``layer``, ``index``, ``pole``, ``own_words``.
    """

    ratings: pl.DataFrame
    texts: pl.DataFrame


def read_answers(path: Path, page: str) -> list[Answer]:
    """Return the answers in a file that a rater saved.

    Raises
    ------
    InputError
        If there is no such file, or it belongs to another page.
    FormatError
        If it is not what a rating page saves.
    """
    if not path.is_file():
        raise InputError(f"there is no {path}")
    if path.stat().st_size > _MOST_BYTES:
        raise FormatError(f"{path} is larger than {_MOST_BYTES // 10**6} MB: not what a rating page saves")
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = _from_csv(text) if path.suffix.lower() == ".csv" else json.loads(text)
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise FormatError(f"{path} is not a {FORMAT} file of version {VERSION}")
        answers = [_answer(str(content["rater"]), one) for one in content["items"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise (
            error
            if isinstance(error, FormatError)
            else FormatError(f"{path} is not what a rating page saves: {type(error).__name__}: {error}")
        ) from error
    if content["page"] != page:
        raise InputError(f"{path} holds ratings of page {content['page']!r}, this one is {page!r}")
    return answers


def _answer(rater: str, item: dict[str, Any]) -> Answer:
    ratings = tuple(item["ratings"])
    for one in ratings:
        if one is not None and (type(one) is not int or not 1 <= one <= 5):
            raise ValueError(f"a rating is 1 to 5 or nothing, got {one!r}")
    return Answer(rater, int(item["item"]), ratings, str(item.get("text") or ""))


def _from_csv(text: str) -> dict[str, Any]:
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise ValueError("no line in it")
    items: dict[int, dict[str, Any]] = {}
    for row in rows:
        own = items.setdefault(int(row["item"]), {"item": int(row["item"]), "ratings": {}, "text": ""})
        if row["option"] == "":
            own["text"] = _unguarded(row["text"])
        else:
            own["ratings"][int(row["option"])] = int(row["rating"]) if row["rating"] else None
    for own in items.values():
        own["ratings"] = [own["ratings"].get(i) for i in range(max(own["ratings"], default=-1) + 1)]
    first = rows[0]
    return {
        "format": FORMAT,
        "version": VERSION,
        "page": first["page"],
        "rater": _unguarded(first["rater"]),
        "items": items.values(),
    }


def _unguarded(cell: str) -> str:
    """Return a cell without the tick that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@", "\t", "\r") else cell


def unblinded(answers: Iterable[Answer], key: pl.DataFrame) -> Ratings:
    """Return the answers with what stood behind them.

    Raises
    ------
    InputError
        If one rater answered an item twice, or an answer is about an item or line that the page has not.
    """
    found = list(answers)
    seen: set[tuple[str, int]] = set()
    lines = dict(key.group_by("item").agg(pl.col("option").n_unique()).iter_rows())
    for one in found:
        if (one.rater, one.item) in seen:
            raise InputError(f"rater {one.rater!r} answered item {one.item} twice: two files under one name?")
        if one.item not in lines or len(one.ratings) > lines[one.item]:
            raise InputError(
                f"rater {one.rater!r} answered item {one.item} with {len(one.ratings)} ratings: no such lines"
            )
        seen.add((one.rater, one.item))
    rated = [
        {"rater": one.rater, "item": one.item, "option": option, "rating": rating}
        for one in found
        for option, rating in enumerate(one.ratings)
        if rating is not None
    ]
    own = [
        {"rater": one.rater, "item": one.item, "own_words": one.text.strip()}
        for one in found
        if one.text.strip()
    ]
    number = {"rater": pl.String, "item": pl.Int64}
    ratings = pl.DataFrame(rated, schema=number | {"option": pl.Int64, "rating": pl.Int64})
    texts = pl.DataFrame(own, schema=number | {"own_words": pl.String})
    about = key.select(_ABOUT).unique()
    return Ratings(
        ratings.join(key, on=["item", "option"], how="inner").sort(
            "rater", "item", "option", "table", "control"
        ),
        texts.join(about, on="item", how="inner").sort("rater", "item"),
    )
