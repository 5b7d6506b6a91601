"""Does selection hold what it promises on these clips? Size and power on simulated neurons, by selector.

:func:`otoscope.selectivity.calibrate.calibrate` on the labels and groups of a run, for several selectors: null neurons
carry group effects and are tested under the *true* labels; selective ones have, beside them, a shift for one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from otoscope.progress import track
from otoscope.registry import known
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.calibrate import calibrate
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import tasks
from otoscope.selectivity.stage import labelling
from otoscope.store.run import Run


def selectivity_calibration(
    run: Run,
    labels: str | None = None,
    *,
    methods: Sequence[str] = (),
    config: SelectConfig | None = None,
    **simulated: Any,
) -> pl.DataFrame:
    """Return one row per selector and group effect, see :func:`otoscope.selectivity.calibrate.calibrate`.

    Parameters
    ----------
    run : Run
        Its clips, labels and groups; no activation is read.
    labels : str, optional
        Task; the run's primary label set by default.
    methods : sequence of str
        Selectors; all by default.
    config : SelectConfig, optional
    **simulated
        ``group_sds``, ``n_null``, ``n_selective``, ``shift``, ``positions``.
    """
    chosen = config or SelectConfig()
    task = labelling(run, labels or tasks(run)[0], chosen)
    rows: list[dict[str, Any]] = []
    names = list(methods or known(SELECTORS, "selectors"))
    for method in track(names, len(names), "calibrating"):
        own = SelectConfig.model_validate({**chosen.model_dump(), "method": method})
        rows += [{"method": method, **one} for one in calibrate(task, own, **simulated)]
    return pl.DataFrame(rows)
