"""The share stage: which classes of one task, or of two tasks on one network, have neurons in common?

Leaves ``sharing/<task>[-<task>]-<hash8>.parquet`` and the same as CSV: a row a pair of classes (see
:mod:`otoscope.selectivity.sharing`), with ``q`` over the rows and the place of both classes in the order that puts
alike ones side by side. Contrasts stand in the notes of its marker.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.metrics.multiple_testing import benjamini_hochberg
from otoscope.selectivity.config import SelectConfig, ShareConfig
from otoscope.selectivity.measure import again
from otoscope.selectivity.selector import Bools
from otoscope.selectivity.sharing import Sharing, clustering_order, curveball, jaccard, sharing
from otoscope.selectivity.stage import config_of, labelling, load, made_on, measured
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.atomic import write_text
from otoscope.store.run import Run, open_run

STAGE, VERSION = "share", 2
SAME = "same name"
"""The contrast of classes of equal names, between two tasks; unless another one asks of the same pairs."""


@dataclass(frozen=True)
class Side:
    """One of the two tasks.

    Attributes
    ----------
    run : Run
    selection, task : str
    classes : list of str
    assigned : array of bool (class, neuron)
    layer_of : array of int64 (neuron,)
    """

    run: Run
    selection: str
    task: str
    classes: list[str]
    assigned: Bools
    layer_of: Any


def share(
    run: Run | Path | str,
    config: ShareConfig | Mapping[str, Any] | None = None,
    *,
    other: Run | Path | str | None = None,
) -> str:
    """Write what the classes of one task, or of two, share, and return the name of the table.

    Parameters
    ----------
    run : Run or path
        A run with a selection.
    config : ShareConfig or dict, optional
    other : Run or path, optional
        Where the second task's selection lies: a run of the same network on other recordings.

    Raises
    ------
    StageError
        If a run holds no selection, or the two are of different networks or layers.
    UnknownNameError
        If a selection or task is unknown.
    """
    chosen = ShareConfig.of(config)
    here = open_run(run.root if isinstance(run, Run) else run)
    there = here if other is None else open_run(other.root if isinstance(other, Run) else other)
    first, second = _sides(here, there, chosen)
    inputs = [
        {
            "selection": one.selection,
            "task": one.task,
            "record": (runs.read_stage(one.run, "record") or {})["hash"],
        }
        for one in (first, second)
        if one
    ]
    names = [first.task] if second is None else [first.task, second.task]
    stem = "-".join(re.sub(r"[^\w+]+", "_", one) for one in names)
    name = f"{stem}-{runs.hash8([VERSION, chosen.model_dump(mode='json'), inputs])}"
    marker, outputs = f"{STAGE}-{name}", [f"sharing/{name}.parquet", f"sharing/{name}.csv"]
    if not runs.is_done(here, marker, VERSION, chosen.model_dump(mode="json"), inputs):
        started = time.perf_counter()
        held = None if second is None else second.assigned
        asked = contrasts_of(first, second, chosen)
        found = sharing(first.assigned, held, _null(first, second, chosen), asked)
        table = pairs(first, second, found)
        tables.write(here.root / outputs[0], table)
        write_text(here.root / outputs[1], table.write_csv())
        notes = {"pairs": table.height, "shared_more": int((table["q_more"] <= chosen.alpha).sum())}
        answers = {name: _plain(asdict(one)) for name, one in found.contrasts.items()}
        runs.commit_stage(
            here,
            marker,
            VERSION,
            chosen.model_dump(mode="json"),
            inputs,
            outputs,
            {**notes, "contrasts": answers},
        )
        here.log(STAGE, name=name, seconds=time.perf_counter() - started, **notes)
    return name


def plan(run: Run, config: ShareConfig, *, other: Run | Path | str | None = None) -> dict[str, Any]:
    """Return what :func:`share` would compare, JSON-able; it raises what that would of runs, selections and tasks."""
    there = run if other is None else open_run(other.root if isinstance(other, Run) else other)
    first, second = _sides(run, there, config)
    sides = [
        {
            "run": str(one.run.root),
            "selection": one.selection,
            "task": one.task,
            "classes": len(one.classes),
            "assignments": int(one.assigned.sum()),
        }
        for one in (first, second)
        if one
    ]
    asked = contrasts_of(first, second, config)
    n, m = len(first.classes), len((second or first).classes)
    pairs = n * m if second else n * (n - 1) // 2
    return {
        "sides": sides,
        "pairs": pairs,
        "contrasts": {name: int(one.sum()) for name, one in asked.items()},
    }


def contrasts_of(first: Side, second: Side | None, config: ShareConfig) -> dict[str, Bools]:
    """Return the pairs of every contrast ``(class, other class)``.

    Raises
    ------
    UnknownNameError
        If a pair names an unknown class.
    """
    other = second or first
    found = {name: _mask(pairs, first, other) for name, pairs in config.contrasts.items()}
    if second is not None and SAME not in found:
        plain = [[re.sub(r"[^a-z0-9]+", "", one.lower()) for one in side.classes] for side in (first, second)]
        same = np.array([[a == b for b in plain[1]] for a in plain[0]], dtype=np.bool_)
        asked = any(np.array_equal(same, one) for one in found.values())
        found |= {SAME: same} if same.any() and not asked else {}
    return found


def _mask(named: tuple[tuple[str, str], ...], first: Side, other: Side) -> Bools:
    mask = np.zeros((len(first.classes), len(other.classes)), dtype=np.bool_)
    for a, b in named:
        for one, side in ((a, first), (b, other)):
            if one not in side.classes:
                raise UnknownNameError.of(f"class of {side.task}", one, side.classes)
        mask[first.classes.index(a), other.classes.index(b)] = True
    return mask | mask.T if first is other else mask


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in values.items()}


def pairs(first: Side, second: Side | None, found: Sharing) -> pl.DataFrame:
    """Return a row a pair of classes; within a task each pair once."""
    other = second or first
    order_a, order_b = _orders(first, second)
    rows = [
        (a, b)
        for a in range(len(first.classes))
        for b in range(len(other.classes))
        if second is not None or a < b
    ]
    a, b = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    more, less = found.p_more[a, b], found.p_less[a, b]
    table = pl.DataFrame(
        {
            "task": [first.task] * len(rows),
            "other_task": [other.task] * len(rows),
            "class": [first.classes[one] for one in a],
            "other_class": [other.classes[one] for one in b],
            "n_neurons": first.assigned.sum(axis=1)[a],
            "n_other_neurons": other.assigned.sum(axis=1)[b],
            "shared": found.shared[a, b],
            "jaccard": found.jaccard[a, b],
            "expected": found.expected[a, b],
            "p_more": more,
            "q_more": benjamini_hochberg(more),
            "p_less": less,
            "q_less": benjamini_hochberg(less),
            "place": order_a[a],
            "other_place": order_b[b],
        }
    )
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def _orders(first: Side, second: Side | None) -> tuple[Any, Any]:
    """Return each class's place: by clustering within a task, by the best partner between two."""
    if second is None:
        place = np.argsort(clustering_order(jaccard(first.assigned)))
        return place, place
    table = jaccard(first.assigned, second.assigned)
    rows = np.argsort(clustering_order(jaccard(first.assigned)))
    centre = (table * rows[:, None]).sum(axis=0) / np.maximum(table.sum(axis=0), 1e-12)
    return rows, np.argsort(np.argsort(centre, kind="stable"))


def _null(first: Side, second: Side | None, config: ShareConfig) -> Iterable[Bools]:
    dealt = second or first
    if config.null == "margins":
        return curveball(dealt.assigned, dealt.layer_of, config.n_permutations, config.seed)
    options = config_of(dealt.run, dealt.selection)
    if options.rule == "fdr":
        raise InputError(
            "null='labels' selects again for permuted labels, and the rule 'fdr' then selects next to nothing, so that "
            "any overlap would look significant: use null='margins', or a selection with rule='published'"
        )
    bare = SelectConfig.model_validate({**options.model_dump(), "n_permutations": 0})
    task = measured(dealt.run, labelling(dealt.run, dealt.task, bare), bare)
    return (one.assigned for one in again(task, bare, config.n_permutations, config.seed))


def _sides(here: Run, there: Run, config: ShareConfig) -> tuple[Side, Side | None]:
    first = _side(here, _selection(here, config), config.tasks[0] if config.tasks else None)
    if here.root == there.root and len(config.tasks) < 2 and config.other_selection is None:
        return first, None
    same = here.root == there.root and config.other_selection is None
    asked = config.tasks[1] if len(config.tasks) > 1 else None
    second = _side(there, first.selection if same else config.other_selection, asked)
    hashes = [one.run.manifest["model"].get("weights_hash") for one in (first, second)]
    if hashes[0] != hashes[1] or not np.array_equal(first.layer_of, second.layer_of):
        raise StageError(
            f"{here.root} and {there.root} are not selections of one network's same layers: neurons can only be shared "
            "there. Record both with one model and select from the same layers"
        )
    return first, second


def _selection(run: Run, config: ShareConfig) -> str | None:
    if config.folds is None and config.split is None:
        return config.selection
    return made_on(run, config.folds, config.split, config.selection or "")


def _side(run: Run, selection: str | None, task: str | None) -> Side:
    name, found = load(run, selection)
    known = found["neurons"]["task"].unique(maintain_order=True).to_list()
    if task is not None and task not in known:
        raise UnknownNameError.of(f"task of {name}", task, known)
    chosen = task or known[0]
    classes = found["classes"].filter(pl.col("task") == chosen)["class"].to_list()
    rows = found["neurons"].filter(pl.col("task") == chosen)
    place = {one: number for number, one in enumerate(classes)}
    assigned = np.zeros((len(classes), rows.height), dtype=np.bool_)
    for neuron, own in enumerate(rows["classes"].to_list()):
        assigned[[place[one] for one in own], neuron] = True
    layers = {one.name: number for number, one in enumerate(run.layers)}
    layer_of = np.array([layers[one] for one in rows["layer"].to_list()], dtype=np.int64)
    return Side(run, name, chosen, classes, assigned, layer_of)
