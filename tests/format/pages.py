"""Reads the pages of docs/format, and compares tables and JSON with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from tests.docs.pages import ROOT

PAGES = ROOT / "docs" / "format"
POLARS: dict[str, Any] = {
    "Int64": pl.Int64,
    "Float64": pl.Float64,
    "String": pl.String,
    "Boolean": pl.Boolean,
    "List(String)": pl.List(pl.String),
    "List(Boolean)": pl.List(pl.Boolean),
    "List(Int64)": pl.List(pl.Int64),
    "List(Float32)": pl.List(pl.Float32),
    "List(Float64)": pl.List(pl.Float64),
}
NESTED = {"List(Struct)": "List(Struct", "Array(Float32)": "Array(Float32"}
"""Types whose fields or width the page says elsewhere."""


class Ears:
    """Hears and reads what a seed says; enough for the form of the tables."""

    id, sample_rate = "ears:1", 16_000

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.stack([self._unit(len(text)) for text in texts])

    def encode_sounds(self, waveforms: list[np.ndarray]) -> np.ndarray:
        return np.stack([self._unit(int(1e4 * abs(float(one.sum())))) for one in waveforms])

    @staticmethod
    def _unit(seed: int) -> np.ndarray:
        vector = np.random.default_rng(seed).normal(size=8)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def section(page: str, heading: str, level: int = 0) -> str:
    """Return what stands under a heading, up to the next heading (of that level or above, where one is given)."""
    text = (PAGES / page).read_text(encoding="utf-8")
    end = rf"^#{{1,{level}}} " if level else r"^#+ "
    part = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    return re.split(end, part, flags=re.MULTILINE)[0]


def typed(page: str, heading: str) -> dict[str, str]:
    """Return column -> type of the first table under a heading."""
    tables = re.findall(r"^\| `.+?(?=^[^|]|\Z)", section(page, heading), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", tables[0], re.MULTILINE))


def same(table: pl.DataFrame, documented: dict[str, str]) -> None:
    """Compare names, order and types of a table's columns with its page."""
    assert table.columns == list(documented)
    for name, kind in documented.items():
        if kind in NESTED:
            assert str(table.schema[name]).startswith(NESTED[kind]), name
        else:
            assert table.schema[name] == POLARS[kind], f"{name}: {table.schema[name]}, the page says {kind}"


def keys(content: Any, maps: tuple[str, ...] = (), prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of JSON as the pages write them: ``a.b``, ``list[].b``, ``map.<name>``."""
    for name, value in content.items():
        path = f"{prefix}{name}"
        if path in maps:
            yield path
        elif isinstance(value, dict):
            yield from keys(value, maps, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from keys(value[0], maps, f"{path}[].")
        else:
            yield path


def without_maps(names: list[str]) -> set[str]:
    """Return documented names, those of a map (``notes.flags.<flag>``) as the map itself."""
    return {re.sub(r"\.<\w+>$", "", name) for name in names}
