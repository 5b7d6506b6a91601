"""Strategy ``selection[:NAME]``: the class-selective neurons that ``otoscope select`` found.

The sets come from ``selectivity/<name>/triples.parquet`` (class, layer, index, score) of the run, or of another run of
the same network (``selected_in``), which is how neurons are selected on clips that judge nothing. A concept is a class
of the task, or several joined by ``&``: the neurons that they share,

    intersection  assigned to each of them, whatever else they are assigned to;
    exact         assigned to these classes and to no other of the task.

A shared neuron's score is the lowest of its scores for these classes.

Reference: T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307, section IV. Its 22 and 26 neurons of two classes are fewer
than the plain intersection of such sets can be expected to have, and its configurations name exact label sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from otoscope.ablate.sets import JOINT, NeuronSet, Request, key
from otoscope.ablate.table_sets import numbered
from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import Run, open_run

KIND = "selectivity"


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return one set a concept.

    Raises
    ------
    StageError
        If nothing was selected yet.
    UnknownNameError
        If there is no such selection or task, or a concept names a class that the task does not have.
    InputError
        If the other run is of another network.
    """
    config = request.config
    name = config.strategy.partition(":")[2]
    chosen = of_task(triples(request.run, name, config.selected_in), config.task, request.classes)
    table = numbered(chosen, request.run)
    classes_of = table.group_by("neuron").agg(pl.col("class").unique().alias("classes"))
    table = table.join(classes_of, on="neuron", how="left", maintain_order="left")
    _known_classes(
        request, chosen["task"][0], [*table["class"].unique(maintain_order=True), *request.classes]
    )
    return tuple(_made(request, one, table) for one in _concepts(request, table))


def _known_classes(request: Request, task: str, there: list[str]) -> None:
    """Raise if a class is asked for that the selection's task does not have, not even without neurons."""
    name = request.config.strategy.partition(":")[2]
    path = path_of(request.run, name, request.config.selected_in).with_name("classes.parquet")
    own = tables.read(path).filter(task=task)["class"].to_list() if path.is_file() else []
    known = list(dict.fromkeys([*own, *there]))
    keys = {key(one) for one in known}
    for concept in request.config.concepts:
        parts = [concept] if key(concept) in keys else concept.split(JOINT)
        for one in parts:
            if key(one) not in keys:
                raise UnknownNameError.of(f"class of the task {task!r}", one.strip(), known)


def _concepts(request: Request, table: pl.DataFrame) -> tuple[str, ...]:
    """Return what is ablated: the concepts asked for, the judged classes, or, of another task, its own classes."""
    there = table.sort("class_index")["class"].unique(maintain_order=True).to_list()
    judged = {key(one) for one in request.classes}
    if request.config.concepts or any(key(one) in judged for one in there):
        return request.concepts
    return tuple(there)


def path_of(run: Run, name: str, selected_in: str | None = None) -> Path:
    """Return the table of a selection: by name or its beginning; an empty name is the one asked for last.

    Parameters
    ----------
    run : Run
    name : str
    selected_in : str or None
        Folder of another run of the same network that holds the selection.
    """
    home = home_of(run, selected_in)
    known = sorted(one.parent.name for one in (home.root / KIND).glob("*/triples.parquet"))
    if not known:
        raise StageError(f"{home.root} holds no selection yet: otoscope select {home.root} writes one")
    asked = name or (runs.read_stage(home, "select") or {}).get("config", {}).get("name", "")
    fits = [one for one in known if one == asked] or [one for one in known if one.startswith(asked)]
    if len(fits) != 1:
        raise UnknownNameError.of("selection", asked or "(none named)", known)
    return home.root / KIND / fits[0] / "triples.parquet"


def home_of(run: Run, selected_in: str | None) -> Run:
    """Return the run that holds the selection.

    Raises
    ------
    InputError
        If it is of another network.
    """
    if selected_in is None:
        return run
    other = open_run(Path(selected_in).expanduser())
    here, there = (one.manifest["model"]["weights_hash"] for one in (run, other))
    if here != there:
        raise InputError(
            f"{other.root} is of another network than {run.root} (weights' hash {there[:8]}, not {here[:8]}): its "
            "selected neurons are not here"
        )
    return other


def triples(run: Run, name: str, selected_in: str | None = None) -> pl.DataFrame:
    """Return the assignments of a selection; without ``neuron`` where they come from another run."""
    path = path_of(run, name, selected_in)
    found = tables.read(path)
    if found.is_empty():
        raise InputError(f"{path.parent.name} assigned no neuron to any class: there is nothing to ablate")
    return found if selected_in is None else found.drop("neuron")


def of_task(table: pl.DataFrame, task: str | None, classes: Sequence[str] = ()) -> pl.DataFrame:
    """Return the rows of a task; None: of the only one, or of the only one with any of these classes.

    Raises
    ------
    UnknownNameError
        If there is no such task, or several and none is named.
    """
    known = table["task"].unique(maintain_order=True).to_list()
    if task is None:
        judged = {key(one) for one in classes}
        fits = [one for one in known if judged & {key(name) for name in table.filter(task=one)["class"]}]
        task = fits[0] if len(fits) == 1 else known[0] if len(known) == 1 else None
    if task not in known:
        raise UnknownNameError.of("task of the selection", task or "(none named)", known)
    return table.filter(task=task)


def _made(request: Request, concept: str, table: pl.DataFrame) -> NeuronSet:
    spoken = {key(one): one for one in table["class"].unique().to_list()}
    parts = [concept] if key(concept) in spoken or JOINT not in concept else concept.split(JOINT)
    asked = [spoken.get(key(one), one.strip()) for one in parts]
    rows = table.filter(pl.col("class").is_in(asked))
    exact = len(asked) > 1 and request.config.shared == "exact"
    found = (
        rows.filter(pl.col("classes").list.len() == len(asked)) if exact else rows
    )  # all of these classes and no other: as many as asked, and each of them below
    merged = found.group_by("neuron", maintain_order=True).agg(
        pl.col("class").n_unique().alias("n"), pl.col("score").min()
    )
    kept = merged.filter(pl.col("n") == len(asked))
    scores = kept["score"].to_numpy() if kept.height else np.array([])
    return request.made(concept, kept["neuron"].to_list(), scores.tolist())
