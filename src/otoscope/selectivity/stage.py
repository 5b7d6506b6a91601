"""The select stage: which neurons of a recorded run belong to which class, beside what chance would have selected.

Leaves ``selectivity/<method>-<hash8>/`` with a table a question (Parquet; those for people as CSV, too), see
:mod:`otoscope.selectivity.tables`, the marker
``stages/select-<method>-<hash8>.json``, and ``stages/select.json`` that names the one asked for last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.selectivity import tables as made
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import counted, from_events, from_run, heard_events
from otoscope.selectivity.labels import Labelling, label, tasks
from otoscope.selectivity.measure import Measured, again, measure, selector_of, stability
from otoscope.store import event_counts, tables
from otoscope.store import run as runs
from otoscope.store.atomic import write_text
from otoscope.store.run import Run, open_run

STAGE, KIND, VERSION = "select", "selectivity", 3


def select(run: Run | Path | str, config: SelectConfig | Mapping[str, Any] | None = None) -> str:
    """Write which neurons of the run belong to which class, and return the name of the tables.

    Parameters
    ----------
    run : Run or path
        A recorded run with counts.
    config : SelectConfig or dict, optional
        Options; the defaults where not given.

    Returns
    -------
    str
        ``<method>-<hash8>``, for :func:`load`.

    Raises
    ------
    UnknownNameError
        If a label set, layer, column or method is unknown.
    InputError
        If clips carry several labels and ``multi`` refuses them, or a task has fewer than two classes.
    StageError
        If the run was not recorded, or without what the method needs.
    """
    opened, chosen = open_run(run.root if isinstance(run, Run) else run), SelectConfig.of(config)
    inputs, name = _inputs(opened), named(opened, chosen)
    outputs = [f"{KIND}/{name}/{one}.parquet" for one in made.NAMES]
    written, marker = [*outputs, *(f"{KIND}/{name}/{one}.csv" for one in made.AS_CSV)], f"{STAGE}-{name}"
    if not done(opened, chosen):
        started = time.perf_counter()
        found = _tables(opened, chosen)
        for output, one in zip(outputs, made.NAMES):
            tables.write(opened.root / output, found[one])
        for one in made.AS_CSV:
            write_text(opened.root / KIND / name / f"{one}.csv", found[one].write_csv())
        notes = made.notes(found)
        runs.commit_stage(opened, marker, VERSION, chosen.identity(), inputs, written, notes)
        opened.log(STAGE, name=name, seconds=time.perf_counter() - started, tasks=notes)
    runs.commit_stage(opened, STAGE, VERSION, {"name": name}, inputs, written)
    return name


def named(run: Run, config: SelectConfig) -> str:
    """Return the name that a selection has, whether it is made or not."""
    return f"{config.method}-{runs.hash8([VERSION, config.identity(), _inputs(run)])}"


def done(run: Run, config: SelectConfig) -> bool:
    """Return whether a selection has been made with these options and is there."""
    return runs.is_done(run, f"{STAGE}-{named(run, config)}", VERSION, config.identity(), _inputs(run))


def _inputs(run: Run) -> dict[str, Any]:
    return {"record": (runs.read_stage(run, "record") or {}).get("hash")}


def load(run: Run, name: str | None = None) -> tuple[str, dict[str, pl.DataFrame]]:
    """Return a selection's name and its tables by name.

    Parameters
    ----------
    run : Run
    name : str or None
        Its name or the beginning of one; None: the one asked for last.

    Raises
    ------
    StageError
        If the run holds none.
    UnknownNameError
        If the name fits none, or more than one.
    """
    known = sorted(one.name for one in (run.root / KIND).glob("*") if one.is_dir())
    if not known:
        raise StageError(f"{run.root} holds no selection yet: otoscope select {run.root} writes one")
    asked = name or (runs.read_stage(run, STAGE) or {}).get("config", {}).get("name", "")
    fits = [one for one in known if one == asked] or [one for one in known if one.startswith(asked)]
    if len(fits) != 1:
        raise UnknownNameError.of("selection", asked or "(none named)", known)
    folder = run.root / KIND / fits[0]
    there = [one for one in made.NAMES if one not in made.ADDED or (folder / f"{one}.parquet").is_file()]
    return fits[0], {one: tables.read(folder / f"{one}.parquet") for one in there}


def made_on(run: Run, folds: str | None, split: str | None, name: str = "") -> str:
    """Return the selection that was made on these folds and splits; of several the one asked for last.

    Parameters
    ----------
    run : Run
    folds, split : str or None
        As they were given to :func:`select`.
    name : str
        Beginning of its name.

    Raises
    ------
    InputError
        If there is none, or there are several and none of them was asked for last.
    """
    known = {one.name for one in (run.root / KIND).glob("*") if runs.read_stage(run, f"{STAGE}-{one.name}")}
    parts = {one: (own.folds, own.split) for one in sorted(known) for own in [config_of(run, one)]}
    fits = [one for one, part in parts.items() if part == (folds, split) and one.startswith(name)]
    last = (runs.read_stage(run, STAGE) or {}).get("config", {}).get("name")
    if len(fits) == 1 or last in fits:
        return str(last) if last in fits else fits[0]
    there = ", ".join(f"{one} on {_said(*part)}" for one, part in parts.items()) or "none"
    if fits:
        raise InputError(
            f"{run.root} holds several selections on {_said(folds, split)}, name one of {', '.join(fits)}"
        )
    asked = "".join(f" --{key} {one}" for key, one in (("folds", folds), ("split", split)) if one is not None)
    raise InputError(
        f"{run.root} holds no selection {name and name + ' '}on {_said(folds, split)}: "
        f"otoscope select {run.root}{asked} writes one. It has {there}"
    )


def _said(folds: str | None, split: str | None) -> str:
    parts = [f"{kind} {asked}" for kind, asked in (("folds", folds), ("split", split)) if asked is not None]
    return ", ".join(parts) or "all clips"


def config_of(run: Run, name: str) -> SelectConfig:
    """Return the options that a selection was made with."""
    marker = runs.read_stage(run, f"{STAGE}-{name}")
    if marker is None:
        raise StageError(
            f"{run.root} does not say how {name} was made: there is no stages/{STAGE}-{name}.json"
        )
    return SelectConfig.model_validate({**marker["config"], "labels": tuple(marker["config"]["labels"])})


def labelling(run: Run, task: str, config: SelectConfig) -> Labelling:
    """Return a task's labelling of the run by the options of a selection."""
    found = label(
        run,
        task,
        multi=config.multi,
        maps=config.maps,
        group=config.group,
        strata=config.strata,
        by=config.by,
        folds=config.folds,
        split=config.split,
    )
    if config.by == "clip":
        return found
    heard = heard_events(run, found.rows, layers_of(run, config))
    if not len(heard):
        raise EmptyDataError(
            f"no event of {run.root} that is labelled for {task!r} has a position in every layer"
        )
    return replace(found.taken(heard), left_out=len(found.rows) - len(heard))


def measured(run: Run, task: Labelling, config: SelectConfig) -> Measured:
    """Return a task of the run, measured."""
    heard = config.value == "activation" and selector_of(config).activations
    read = from_run if config.by == "clip" else from_events
    layers = read(run, task.rows, layers=layers_of(run, config), unit=config.unit, activations=heard)
    return measure(layers, task, config)


def layers_of(run: Run, config: SelectConfig) -> list[str]:
    """Return the recorded layers that names and globs fit, in forward order."""
    known = [one.name for one in run.layers]
    if config.by == "event":
        known = list(event_counts.layers(run))
    for asked in config.layers:
        if not any(one == asked or fnmatchcase(one, asked) for one in known):
            raise UnknownNameError.of("layer", asked, known)
    return [one for one in known if any(one == a or fnmatchcase(one, a) for a in config.layers or ("*",))]


def _tables(run: Run, config: SelectConfig) -> dict[str, pl.DataFrame]:
    parts: list[dict[str, pl.DataFrame]] = []
    first = {one.name: one.first_neuron for one in run.layers}
    declared = bool(run.manifest["data"].get("group_declared"))
    for name in config.labels or tasks(run, config.by):
        found = measured(run, labelling(run, name, config), config)
        chance, halved = list(again(found, config, config.n_chance)), stability(found, config)
        own = made.of_task(found, config, chance, halved, first, declared, counted(run))
        parts.append({**own, "clips": made.clips(name, _heard(run, found.task.rows, config))})
    return {one: pl.concat([part[one] for part in parts], how="vertical") for one in made.NAMES}


def _heard(run: Run, rows: NDArray[np.int64], config: SelectConfig) -> pl.DataFrame:
    """Return the clips of a task, or those that its events lie in."""
    if config.by == "event":
        rows = np.unique(event_counts.table(run)["row"].to_numpy()[rows])
    return run.clips().filter(pl.col("row").is_in(rows))
