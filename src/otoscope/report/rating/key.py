"""Which description stands behind which line of a rating page: chosen and shuffled by a seed, kept apart from the page.

For each neuron the page shows one line per *different* text: the description of every table, and as a control for
every table the description of another neuron of the same layer and pole. Where two of them say the same, one line
stands for both, so that no one is asked twice. The lines are shuffled; the page knows their text and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from otoscope.errors import EmptyDataError
from otoscope.report.descriptions import LayerTable, layer_table
from otoscope.report.reading import RunData

SCHEMA = {
    "item": pl.Int64,
    "option": pl.Int64,
    "text": pl.String,
    "table": pl.String,
    "control": pl.Boolean,
    "neuron": pl.Int64,
    "layer": pl.String,
    "index": pl.Int64,
    "pole": pl.String,
    "donor": pl.Int64,
}
"""Columns of a key: one row per line of the page and description behind it; ``donor`` is the neuron described."""


@dataclass(frozen=True)
class Place:
    """One pole of a neuron, with its words by table."""

    neuron: int
    layer: str
    index: int
    pole: str
    words: Mapping[str, str]


def make_key(
    data: RunData, tables: Sequence[str], layers: Sequence[str], n_neurons: int, *, controls: bool, seed: int
) -> pl.DataFrame:
    """Return the key of a rating page, items and options in the order shown.

    Parameters
    ----------
    data : RunData
    tables : sequence of str
        Tables of descriptions to be rated.
    layers : sequence of str
        Layers that neurons are drawn from, in equal parts as far as they last.
    n_neurons : int
        Poles of neurons to rate.
    controls : bool
        Whether each table's description of another neuron is rated, too.
    seed : int

    Raises
    ------
    EmptyDataError
        If no neuron of these layers is described in every table.
    """
    rng = np.random.default_rng(seed)
    found = {name: _places(data, tables, name) for name in layers}
    if not any(found.values()):
        raise EmptyDataError(f"no neuron of {', '.join(layers)} is described in all of {', '.join(tables)}")
    rows: list[dict[str, object]] = []
    for item, place in enumerate(_drawn(found, n_neurons, rng)):
        lines = _lines(place, found[place.layer], tables if controls else (), rng)
        shuffled = rng.permutation(list(lines)).tolist()
        same = {
            "item": item,
            "neuron": place.neuron,
            "layer": place.layer,
            "index": place.index,
            "pole": place.pole,
        }
        for option, text in enumerate(shuffled):
            rows += [same | {"option": option, "text": text} | behind for behind in lines[text]]
    return pl.DataFrame(rows, schema=SCHEMA)


def _places(data: RunData, tables: Sequence[str], layer: str) -> list[Place]:
    """Return the poles of a layer that every table has words for."""
    first = data.run.layer(layer).first_neuron
    words: dict[tuple[int, str], dict[str, str]] = {}
    for name in tables:
        table: LayerTable = layer_table(name, data.tables[name], layer)
        for index in table.rows:
            for one in table.views(index, alpha=0.05):
                words.setdefault((index, one.pole), {})[name] = one.words
    return [
        Place(first + index, layer, index, pole, said)
        for (index, pole), said in sorted(words.items())
        if len(said) == len(tables) and all(said.values())
    ]


def _drawn(found: Mapping[str, list[Place]], n: int, rng: np.random.Generator) -> list[Place]:
    """Return ``n`` places: layer by layer in turn, each layer's in random order, then shuffled together."""
    queues = [[places[i] for i in rng.permutation(len(places))] for places in found.values()]
    deepest = max(map(len, queues))
    turns = [queue[turn] for turn in range(deepest) for queue in queues if turn < len(queue)][:n]
    return [turns[i] for i in rng.permutation(len(turns))]


def _lines(
    place: Place, others: Sequence[Place], controls: Sequence[str], rng: np.random.Generator
) -> dict[str, list[dict[str, object]]]:
    """Return ``{text: [what stands behind it]}``."""
    lines: dict[str, list[dict[str, object]]] = {}
    for table, text in place.words.items():
        lines.setdefault(text, []).append({"table": table, "control": False, "donor": place.neuron})
    for table in controls:
        donors = [one for one in others if one.pole == place.pole and one.neuron != place.neuron]
        if donors:
            donor = donors[int(rng.integers(len(donors)))]
            behind = {"table": table, "control": True, "donor": donor.neuron}
            lines.setdefault(donor.words[table], []).append(behind)
    return lines
