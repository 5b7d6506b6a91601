"""Do classes that ought to share neurons do so? Named comparisons within a task and between two tasks on one network.

Each task's neurons are selected from its own recording, then :mod:`otoscope.selectivity.share` compares the classes:
pair by pair, and by the contrasts that were fixed beforehand (:mod:`otoscope.study.class_sharing_studies`). The same is
done without a name by ``otoscope select`` and ``otoscope share``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.errors import InputError, UnknownNameError
from otoscope.selectivity import presets
from otoscope.selectivity.config import SelectConfig, ShareConfig
from otoscope.selectivity.labels import tasks as label_sets
from otoscope.selectivity.share import share
from otoscope.selectivity.stage import load, select
from otoscope.store import tables
from otoscope.store.run import Run, read_stage
from otoscope.study.class_sharing_studies import CROSS, WITHIN, SharingStudy, Task


@dataclass(frozen=True)
class Shared:
    """What a comparison gave.

    Attributes
    ----------
    name : str
        Of the table in the first run's ``sharing/``.
    selections : tuple of str
        One a side, in its run's ``selectivity/``.
    statistics : polars.DataFrame
        One row a side: neurons, coverage, chance.
    pairs : polars.DataFrame
        One row a pair of classes.
    contrasts : polars.DataFrame
        One row a contrast: pairs inside and outside, their mean Jaccard indices, what chance gives, p.
    """

    name: str
    selections: tuple[str, ...]
    statistics: pl.DataFrame
    pairs: pl.DataFrame
    contrasts: pl.DataFrame


def within_task(name: str, run: Run, **options: Any) -> Shared:
    """Return what the classes of one task share; options as :func:`compare`."""
    return compare(named(WITHIN, name), (run,), **options)


def cross_task(name: str, first: Run, second: Run | None = None, **options: Any) -> Shared:
    """Return what the classes of two tasks share; options as :func:`compare`.

    Parameters
    ----------
    name : str
        One of :data:`otoscope.study.class_sharing_studies.CROSS`.
    first, second : Run
        Recordings of one network; one where both label sets are of the same clips.
    """
    return compare(named(CROSS, name), (first, first if second is None else second), **options)


def compare(
    study: SharingStudy,
    runs: Sequence[Run],
    *,
    preset: str = "default",
    null: str = "margins",
    n_permutations: int = 999,
    alpha: float = 0.05,
    seed: int = 0,
    changes: dict[str, Any] | None = None,
) -> Shared:
    """Return what a study asks of one run, or of two.

    Parameters
    ----------
    study : SharingStudy
    runs : sequence of Run
        One a task.
    preset : str
        Of the selection; ``aape-2026`` takes each task's published share of neurons.
    null : {"margins", "labels"}
        See :mod:`otoscope.selectivity.sharing`; ``labels`` needs the published rule.
    n_permutations, seed : int
        Of the null of sharing.
    alpha : float
    changes : dict, optional
        Further settings of the selections (:class:`~otoscope.selectivity.config.SelectConfig`).

    Raises
    ------
    UnknownNameError
        If a run has none of a task's label sets.
    """
    chosen = [
        _settings(run, task, preset, changes or {}) for run, task in zip(runs, study.tasks, strict=True)
    ]
    selections = [select(run, config) for run, config in zip(runs, chosen)]
    classes = [_classes(run, one) for run, one in zip(runs, selections)]
    config = ShareConfig(
        selection=selections[0],
        other_selection=None if len(runs) == 1 else selections[1],
        tasks=tuple(one.labels[0] for one in chosen),
        null=null,
        contrasts=study.asked(classes[0], classes[-1]),
        n_permutations=n_permutations,
        alpha=alpha,
        seed=seed,
    )
    name = share(runs[0], config, other=None if len(runs) == 1 else runs[1])
    found = [load(run, one)[1]["statistics"] for run, one in zip(runs, selections)]
    answers = (read_stage(runs[0], f"share-{name}") or {})["notes"]["contrasts"]
    rows = [{"contrast": asked, **one} for asked, one in answers.items()]
    return Shared(
        name,
        tuple(selections),
        pl.concat(found),
        tables.read(runs[0].root / "sharing" / f"{name}.parquet"),
        pl.DataFrame(rows, infer_schema_length=None),
    )


def named(table: dict[str, SharingStudy], name: str) -> SharingStudy:
    """Return the study of a name; an unknown one lists those of the table."""
    if name not in table:
        raise UnknownNameError.of("study", name, table)
    return table[name]


def _settings(run: Run, task: Task, preset: str, changes: dict[str, Any]) -> SelectConfig:
    """Return the selection of one task, on the label set that the run has."""
    known = label_sets(run)
    labels, maps = _labels(task, known, run)
    rate = {} if preset == "default" else {"top_rate": task.top_rate}
    return presets.preset(
        preset, **{"labels": (labels,), "maps": maps, "group": task.group, **rate, **changes}
    )


def _labels(task: Task, known: Sequence[str], run: Run) -> tuple[str, dict[str, dict[str, str]]]:
    for one in task.labels:
        if all(part in known for part in one.split("+")):
            return one, {}
    for source in task.octave_of:
        if source in known:
            return "octave", {f"octave={source}": octaves_of(_of(run, source))}
    raise UnknownNameError.of("label set", " or ".join((*task.labels, *task.octave_of)), known)


def _of(run: Run, label_set: str) -> list[str]:
    sets = {one["name"]: one["classes"] for one in run.manifest["data"]["label_sets"]}
    return list(sets[label_set])


def octaves_of(notes: Sequence[str]) -> dict[str, str]:
    """Return MIDI number -> octave, middle C (60) beginning octave 4.

    Raises
    ------
    InputError
        If a class is no MIDI number.

    Examples
    --------
    >>> octaves_of(["21", "60", "108"])
    {'21': '0', '60': '4', '108': '8'}
    """
    wrong = [one for one in notes if not (one.isascii() and one.isdigit() and int(one) < 128)]
    if wrong:
        raise InputError(f"octaves are made of MIDI numbers from 0 to 127, got the class {wrong[0]!r}")
    return {one: str(int(one) // 12 - 1) for one in notes}


def _classes(run: Run, selection: str) -> list[str]:
    return load(run, selection)[1]["classes"]["class"].to_list()
