"""Which clips may judge neurons that were selected on clips of the same collection? Those that did not select them.

A class's neurons are found where they answered to its clips, so on the same clips they matter more than they would on
others. A selection says which clips it was made on (``selectivity/<name>/clips.parquet``); with what was selected on a
part of them (``otoscope select --folds`` or ``--split``)

- the others judge where no fold or split is named, and those of a saved probe's test clips that are among them;
- folds or splits that are named and share a clip with the selection are refused.

A selection on all clips, the published practice, leaves none to judge: that is allowed, and said.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.selected_sets import home_of, of_task, path_of, triples
from otoscope.errors import EmptyDataError, InputError
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import Run

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Selectors:
    """The clips on which neurons were selected.

    Attributes
    ----------
    name : str
        Of the selection.
    ids : frozenset of str
    groups : frozenset of str
    part : bool
        Whether folds or splits were named for it, so that other clips are left.
    """

    name: str
    ids: frozenset[str]
    groups: frozenset[str]
    part: bool

    def among(self, clips: pl.DataFrame, rows: Rows) -> Rows:
        """Return those of the rows that helped to select."""
        return np.asarray(rows[clips["id"][rows].is_in(list(self.ids)).to_numpy()], dtype=np.int64)


def selectors_of(run: Run, config: AblateConfig, classes: Sequence[str]) -> Selectors | None:
    """Return the clips that selected the neurons of a strategy ``selection``; None for any other strategy.

    Parameters
    ----------
    run : Run
    config : AblateConfig
    classes : sequence of str
        Those that are judged, which tell the task.
    """
    if config.strategy_name != "selection":
        return None
    path = path_of(run, config.strategy.partition(":")[2], config.selected_in)
    home, name = home_of(run, config.selected_in), path.parent.name
    if not (path.parent / "clips.parquet").is_file():  # made before selections said so: on all clips
        used = home.clips().filter(pl.col("status") == "ok")
    else:
        used = of_task(tables.read(path.parent / "clips.parquet"), _task(run, config, classes))
    chosen = (runs.read_stage(home, f"select-{name}") or {}).get("config", {})
    part = chosen.get("folds") is not None or chosen.get("split") is not None
    groups = frozenset(str(one) for one in used["group"].to_list())
    return Selectors(name, frozenset(used["id"].to_list()), groups, part)


def _task(run: Run, config: AblateConfig, classes: Sequence[str]) -> str:
    name = config.strategy.partition(":")[2]
    return str(of_task(triples(run, name, config.selected_in), config.task, classes)["task"][0])


def judging(clips: pl.DataFrame, rows: Rows, selected: Selectors, *, named: bool) -> Rows:
    """Return the rows that judge.

    Parameters
    ----------
    clips : polars.DataFrame
        ``id`` and ``group`` of every clip.
    rows : array of int64 (clip,)
        Those that would judge if nothing had been selected.
    selected : Selectors
    named : bool
        Whether folds or splits of the judges were named.

    Raises
    ------
    InputError
        If folds or splits were named for both, and share a clip.
    EmptyDataError
        If no clip is left.
    """
    used = selected.among(clips, rows)
    if selected.part and named and len(used):
        raise InputError(
            f"{len(used)} of the {len(rows)} clips to judge on are clips that {selected.name} was selected on: name "
            "other folds or another split than those of the selection, or none (the clips that did not select)"
        )
    left = np.setdiff1d(rows, used) if selected.part else rows
    if not len(left):
        raise EmptyDataError(
            f"all {len(rows)} clips to judge on are clips that {selected.name} was selected on: select on fewer "
            "(--folds, --split of otoscope select), or judge on others"
        )
    _warn(clips, left, used, selected)
    return left


def _warn(clips: pl.DataFrame, left: Rows, used: Rows, selected: Selectors) -> None:
    if not selected.part and len(used):
        logger.warning(
            "%d of the %d clips that judge have also selected the neurons (%s): what is found on them is too "
            "favourable. Select on others: otoscope select --folds or --split",
            len(used),
            len(left),
            selected.name,
        )
        return
    alike = clips["group"][left].cast(pl.String).is_in(list(selected.groups)).sum()
    if alike:
        logger.warning(
            "%d of the %d clips that judge are of groups that %s was selected on",
            alike,
            len(left),
            selected.name,
        )
