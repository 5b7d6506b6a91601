"""Strategy ``table:PATH``: neuron sets from a table of the user's, or of any other stage.

The table (Parquet or CSV; a path inside the run, or any path) has columns ``neuron``, or ``layer`` and ``index``; and
may have ``class`` (or ``concept``), a name or the number of a class, and ``score``, which orders each set. Without
``class`` the whole table is one set, judged against each concept that is named, or against none.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.ablate.sets import NeuronSet, Request, column, key
from otoscope.errors import FormatError, InputError
from otoscope.store import tables
from otoscope.store.run import Run


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return one set a concept.

    Raises
    ------
    InputError
        If no path is named, or there is no such file.
    UnknownNameError
        If a column or a layer is unknown.
    """
    path = request.config.strategy.partition(":")[2]
    table = numbered(read(request.run, path), request.run)
    by = next((one for one in ("class", "concept") if one in table.columns), None)
    if by is None:
        asked = request.concepts if request.config.concepts else (Path(path).stem,)
        return tuple(_made(request, concept, table) for concept in asked)
    names = table[by].to_list()
    if table[by].dtype.is_integer():
        names = [request.classes[one] if one < len(request.classes) else str(one) for one in names]
    table = table.with_columns(pl.Series("_key", [key(str(one)) for one in names]))
    return tuple(_made(request, one, table.filter(pl.col("_key") == key(one))) for one in request.concepts)


def read(run: Run, path: str) -> pl.DataFrame:
    """Return the table at ``path``, inside the run or anywhere."""
    if not path:
        raise InputError("expected table:PATH, got no path after 'table:'")
    candidates = [one for one in (run.root / path, Path(path).expanduser()) if one.is_file()]
    if not candidates:
        raise InputError(f"there is no table {path}, neither in {run.root} nor as a path of its own")
    if candidates[0].suffix == ".csv":
        try:
            return pl.read_csv(candidates[0])
        except pl.exceptions.PolarsError as error:
            raise FormatError(f"{candidates[0]} cannot be read as CSV: {error}") from error
    return tables.read(candidates[0])


def numbered(table: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Return the table with the column ``neuron``, from ``layer`` and ``index`` where it has none.

    Raises
    ------
    InputError
        If an index lies outside its layer.
    """
    if "neuron" in table.columns:
        return _checked(table, 0, run.neurons().height, "the run")
    column(table, "layer"), column(table, "index")
    parts = []
    for (name,), rows in table.group_by("layer", maintain_order=True):
        layer = run.layer(str(name))
        checked = _checked(rows.rename({"index": "neuron"}), 0, layer.n_neurons, f"layer {name}")
        parts.append(checked.with_columns(pl.col("neuron").cast(pl.Int64) + layer.first_neuron))
    return pl.concat(parts) if parts else table.rename({"index": "neuron"})


def _checked(table: pl.DataFrame, low: int, high: int, where: str) -> pl.DataFrame:
    outside = table.filter((pl.col("neuron") < low) | (pl.col("neuron") >= high))
    if outside.height:
        raise InputError(f"neurons of {where} lie in {low}..{high - 1}, the table has {outside['neuron'][0]}")
    return table


def _made(request: Request, concept: str, table: pl.DataFrame) -> NeuronSet:
    scores = table["score"].to_list() if "score" in table.columns else [None] * table.height
    return request.made(concept, table["neuron"].to_list(), scores)
