"""Which way of selecting finds the neurons that a class needs? The ablation matrix of every selector.

For each selector the class-selective neurons of a run are selected (with its options or its own), the best
``max_neurons`` of each class are ablated, so that sets are equally large, and the matrix of classes ablated x classes
tested is judged (:mod:`otoscope.ablate.matrix`) beside random sets matched on layer, firing rate and importance.
Selection and judgement should not share clips: select on some folds (``selection={"folds": "1-4"}``) and judge on the
others, or select in a run of other clips (``selected_in``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.stage import ablate, tables_of
from otoscope.data.clips import Clips
from otoscope.errors import OtoscopeError
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.stage import select
from otoscope.store.run import Run, open_run


def selectors_ablated(
    run: Run,
    model: AudioModel | str,
    config: AblateConfig | Mapping[str, Any],
    *,
    selection: Mapping[str, Any] | None = None,
    selectors: Iterable[str] = tuple(SELECTORS),
    clips: Clips | None = None,
) -> pl.DataFrame:
    """Return one row a selector and measure: the contrast of its matrix, with both tests; ``reason`` where none.

    Parameters
    ----------
    run : Run
    model : AudioModel or str
        The recorded network.
    config : AblateConfig or dict
        Everything but the strategy; ``selected_in`` names the run in which neurons are selected.
    selection : mapping, optional
        Options of :class:`~otoscope.selectivity.config.SelectConfig`, equal for all selectors.
    selectors : iterable of str
        Rows of :data:`otoscope.selectivity.SELECTORS`.
    clips : Clips, optional
        Only where the run's sounds have moved.

    Raises
    ------
    OtoscopeError
        If no selector can be judged; the last one's reason.
    """
    network, chosen = model_of(model), AblateConfig.of(config)
    home = run if chosen.selected_in is None else open_run(chosen.selected_in)
    rows: list[dict[str, Any]] = []
    last: OtoscopeError | None = None
    for name in selectors:
        options = SelectConfig.model_validate({**(selection or {}), "method": name})
        try:
            found = select(home, options)
            made = ablate(run, network, clips, chosen.model_copy(update={"strategy": f"selection:{found}"}))
        except OtoscopeError as error:  # a selector that selects nothing here is a result, not the end
            rows.append({"selector": name, "reason": str(error)})
            last = error
            continue
        table = tables_of(run, made)
        n = table["sets"].group_by("concept").len()["len"].mean()
        matrix = table.get("matrix", pl.DataFrame()).to_dicts()
        about = {"selector": name, "ablation": made, "mean_neurons": n}
        rows += [about | row for row in matrix] or [about | {"reason": "fewer than two classes have neurons"}]
    if last is not None and all("reason" in row and "ablation" not in row for row in rows):
        raise last  # none could be judged: what was asked for is at fault
    return pl.DataFrame(rows, infer_schema_length=None)
