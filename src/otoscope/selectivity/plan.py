"""What would a selection, or a comparison of classes, be made of? Nothing is permuted and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import tasks
from otoscope.selectivity.stage import done, labelling, layers_of, named
from otoscope.selectivity.units import attainable, exchangeable
from otoscope.store.run import Run, open_run


def plan(run: Run | Path | str, config: SelectConfig | Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what :func:`otoscope.selectivity.stage.select` would do, JSON-able.

    Parameters
    ----------
    run : Run or path
    config : SelectConfig or dict, optional

    Returns
    -------
    dict
        ``selection`` (its name), ``state`` (``new`` or ``done``), ``neurons``, ``layers``, ``tasks``: of each its clips
        (or events), classes, groups, units that are exchanged, the smallest p, and whether that can be significant.

    Raises
    ------
    OtoscopeError
        As the selection itself would.
    """
    opened, chosen = open_run(run.root if isinstance(run, Run) else run), SelectConfig.of(config)
    layers = layers_of(opened, chosen)
    return {
        "run": str(opened.root),
        "selection": named(opened, chosen),
        "state": "done" if done(opened, chosen) else "new",
        "layers": layers,
        "neurons": sum(opened.layer(one).n_neurons for one in layers),
        "tasks": {name: _task(opened, name, chosen) for name in chosen.labels or tasks(opened, chosen.by)},
    }


def _task(run: Run, name: str, config: SelectConfig) -> dict[str, Any]:
    task = labelling(run, name, config)
    smallest = attainable(task)
    return {
        f"{config.by}s": len(task.rows),
        "left_out": task.left_out,
        "classes": dict(zip(task.classes, (task.weights > 0).sum(axis=0).tolist(), strict=True)),
        "groups": len(np.unique(task.groups)),
        "exchanged_units": len(exchangeable(task).first),
        "smallest_p": smallest,
        "testable": smallest <= config.alpha,
    }
