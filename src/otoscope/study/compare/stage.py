"""Compare runs: everything that Otoscope measures of their neurons, side by side on the clips that they share.

Writes a folder: ``comparison.json`` (what was compared, how, and what could not be), tables as Parquet and CSV, and
``plots/``. Nothing is written into the runs. See ``docs/comparing.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.errors import FormatError, InputError, OtoscopeError
from otoscope.progress import track
from otoscope.store import manifest, tables
from otoscope.store.atomic import write_text
from otoscope.store.hashing import sha256_json
from otoscope.store.run import Run
from otoscope.study.compare import described, layers, probed, selected
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.sides import Shared, Side, aligned, corresponding, selecting

FORMAT_VERSION = 1
MANIFEST = "comparison.json"


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison.

    Attributes
    ----------
    content : dict
        Of ``comparison.json``.
    tables : dict of str to DataFrame
        Those that could be made; the others' reasons stand in ``content["not_made"]``.
    """

    content: dict[str, Any]
    tables: dict[str, pl.DataFrame]


def compare(
    given: Sequence[Run | Path | str],
    out: Path | str,
    config: CompareConfig | Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare runs, write the comparison to the folder ``out`` and return it.

    Parameters
    ----------
    given : sequence of Run or path
        Two or more; ``RUN@LAYER`` is one layer of a run.
    out : path
        New or empty folder, or one that holds a comparison, which is replaced.
    config : CompareConfig or dict, optional

    Raises
    ------
    InputError
        If fewer than two runs are given, a shared id stands for different things, or the folder holds something else.
    EmptyDataError
        If the runs share too few clips.
    UnknownNameError
        If a layer, label set or table is unknown.
    """
    config, where = CompareConfig.of(config), _folder(out)
    shared = aligned(given, config)
    found, not_made = _tables(shared, config)
    content = {
        "format_version": FORMAT_VERSION,
        "kind": "comparison",
        "runs": [_said(one) for one in shared.sides],
        "shared": {"clips": len(shared.ids), "hash": sha256_json(list(shared.ids))},
        "groups": len(np.unique(shared.groups)),
        "group_declared": shared.group_declared,
        "task": None if shared.task is None else shared.task.task,
        "config": config.model_dump(mode="json"),
        "selection": selecting(config).identity(),
        "not_made": not_made,
        "tables": sorted(found),
    }
    for name, table in found.items():
        tables.write(where / f"{name}.parquet", table)
        write_text(where / f"{name}.csv", table.write_csv())
    if config.plots:
        from otoscope.study.compare.plots import write_plots

        content["plots"] = [one.relative_to(where).as_posix() for one in write_plots(where / "plots", found)]
    manifest.write(where / MANIFEST, content)
    return Comparison(content, found)


def read(folder: Path | str) -> Comparison:
    """Return the comparison in a folder.

    Raises
    ------
    StageError
        If there is none.
    FormatError
        If it was written by a newer version.
    """
    where = Path(folder)
    content = manifest.read(where / MANIFEST)
    version = content.get("format_version")
    if content.get("kind") != "comparison" or not isinstance(version, int) or version > FORMAT_VERSION:
        raise FormatError(
            f"{where / MANIFEST} is no comparison of format {FORMAT_VERSION} or older (format_version {version!r})"
        )
    return Comparison(content, {name: tables.read(where / f"{name}.parquet") for name in content["tables"]})


def _folder(out: Path | str) -> Path:
    where = Path(out)
    if where.exists() and not where.is_dir():
        raise InputError(f"{where} is a file: choose a folder with --out")
    if where.is_dir() and any(where.iterdir()) and not (where / MANIFEST).is_file():
        raise InputError(f"{where} is not empty and holds no comparison: choose another folder with --out")
    return where


def _said(side: Side) -> dict[str, Any]:
    model, data = side.run.manifest["model"], side.run.manifest["data"]
    return {
        "name": side.name,
        "network": model["spec"],
        "weights_hash": model["weights_hash"],
        "data": data["spec"],
        "clips": data["n_clips"],
        "layers": [one.name for one in side.layers],
    }


def _tables(shared: Shared, config: CompareConfig) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    not_made: dict[str, str] = {}
    ckas = {
        (a.name, b.name): layers.cka_table(a, b, shared, config)
        for a, b in track(shared.pairs, len(shared.pairs), "comparing layers")
    }
    answering = {
        (a.name, b.name): corresponding(a, b, layers.values_of(ckas[a.name, b.name], a, b))
        for a, b in shared.pairs
    }
    aligned_layers, neurons = _aligned(shared, answering, config)
    found = {"cka": pl.concat(ckas.values()), "alignment": aligned_layers, "neurons": neurons}
    found |= _by_labels(shared, answering, config, not_made)
    found |= _by_words(shared, answering, neurons, config, not_made)
    return {name: _typed(table) for name, table in found.items() if table.width}, not_made


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose columns have their type also where nothing in them is known."""
    counts = pl.col("^(both|described)_(first|same_index|matched)$")
    return table.with_columns(pl.col(pl.Null).cast(pl.Float64)).with_columns(counts.cast(pl.Int64))


Answering = dict[tuple[str, str], list[tuple[int, int]]]


def _aligned(
    shared: Shared, answering: Answering, config: CompareConfig
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows, parts = [], []
    for a, b in shared.pairs:
        for one, two in track(answering[a.name, b.name], None, "matching neurons"):
            names = (a.layers[one].name, b.layers[two].name)
            couple = layers.couple_of(a, b, names, shared, config.splits)
            head = dict(
                zip(("first", "second", "layer_first", "layer_second"), (a.name, b.name, *names), strict=True)
            )
            rows.append(head | layers.alignment(couple, config))
            literals = [pl.lit(value).alias(key) for key, value in head.items()]
            parts.append(layers.neurons(couple).select(*literals, pl.all()))
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.with_columns(pl.col(pl.Float64).fill_nan(None)), pl.concat(parts)


def _by_labels(
    shared: Shared, answering: Answering, config: CompareConfig, not_made: dict[str, str]
) -> dict[str, pl.DataFrame]:
    if shared.task is None:
        not_made["selection"] = not_made["probe"] = str(shared.reason)
        return {}
    try:
        chosen = selected.selected(shared, shared.task, config)
    except OtoscopeError as error:
        not_made["selection"] = str(error)
        return {"probe": _probes(shared, answering, config, not_made)}
    rows, overlaps = [], []
    for a, b in shared.pairs:
        one, two = chosen[a.name], chosen[b.name]
        rows += list(selected.differences(one, two, answering[a.name, b.name]))
        overlaps.append(selected.shared_assignments(one, two))
    differences = pl.DataFrame(rows, infer_schema_length=None)
    return {
        "statistics": selected.statistics(chosen),
        "differences": differences.with_columns(pl.col(pl.Float64).fill_nan(None)),
        "overlap": pl.DataFrame([one for one in overlaps if one is not None], infer_schema_length=None),
        "probe": _probes(shared, answering, config, not_made),
    }


def _probes(
    shared: Shared, answering: Answering, config: CompareConfig, not_made: dict[str, str]
) -> pl.DataFrame:
    if not config.probe or shared.task is None:
        not_made["probe"] = "not asked for"
        return pl.DataFrame()
    found, reason = probed.reads(shared, shared.task, config)
    if reason is not None:
        not_made["probe"] = reason
        return pl.DataFrame()
    groups, n_classes = shared.groups[shared.task.rows], len(shared.task.classes)
    rows = []
    for a, b in shared.pairs:
        for one, two in answering[a.name, b.name]:
            x, y = a.layers[one].name, b.layers[two].name
            row = {"first": a.name, "second": b.name, "layer_first": x, "layer_second": y}
            rows.append(
                row | probed.compared((found[a.name], x), (found[b.name], y), groups, n_classes, config)
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _by_words(
    shared: Shared,
    answering: Answering,
    neurons: pl.DataFrame,
    config: CompareConfig,
    not_made: dict[str, str],
) -> dict[str, pl.DataFrame]:
    words = {one.name: described.words_of(one, config) for one in shared.sides}
    without = [name for name, one in words.items() if one is None]
    if without:
        not_made["descriptions"] = f"not described: {', '.join(without)}"
        return {}
    told: dict[str, described.Anew] = {}
    try:
        for side in shared.sides:
            told[side.name] = described.anew(side, words[side.name], config)  # type: ignore[arg-type]
    except OtoscopeError as error:
        not_made["descriptions on halves"] = described.reason(error)
        told = {}
    rows, parts = [], []
    for a, b in shared.pairs:
        for one, two in answering[a.name, b.name]:
            head, table, row = _described(shared, (a, one), (b, two), words, told, neurons, config)
            rows.append(head | row)
            literals = [pl.lit(value).alias(key) for key, value in head.items()]
            parts.append(table.select(*literals, pl.all()))
    return {
        "descriptions": pl.DataFrame(rows, infer_schema_length=None),
        "described_neurons": pl.concat(parts, how="diagonal"),
    }


def _described(
    shared: Shared,
    first: tuple[Side, int],
    second: tuple[Side, int],
    words: Mapping[str, described.Words | None],
    told: Mapping[str, described.Anew],
    neurons: pl.DataFrame,
    config: CompareConfig,
) -> tuple[dict[str, str], pl.DataFrame, dict[str, Any]]:
    (a, one), (b, two) = first, second
    x, y = a.layers[one], b.layers[two]
    head = {"first": a.name, "second": b.name, "layer_first": x.name, "layer_second": y.name}
    told_a, told_b = words[a.name], words[b.name]
    if told_a is None or told_b is None:
        raise InputError("both runs must be described")
    table = described.compared((told_a, x.name), (told_b, y.name), neurons.filter(**head))
    row = described.summary(table, x.n_neurons == y.n_neurons, config)
    if told:
        sides = (a, told[a.name], x.name), (b, told[b.name], y.name)
        row |= described.agreements(*sides, shared, config)
    return head, table, row
