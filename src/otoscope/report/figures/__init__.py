"""Charts of what the run folder holds beside descriptions: one file and one line per kind of table.

Each function takes a :class:`~otoscope.report.reading.RunData` and returns charts, none where the run has no such
table. Another package adds its own under the entry point group ``otoscope.figures``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otoscope import registry

if TYPE_CHECKING:
    from otoscope.report.charts import Chart
    from otoscope.report.reading import RunData

FIGURES: dict[str, str] = {
    "words": "otoscope.report.figures.words:charts",
    "interpretability": "otoscope.report.figures.interpretability:charts",
    "ordered-ablation": "otoscope.report.figures.ordered:charts",
    "ablation": "otoscope.report.figures.ablation:charts",
}
"""Kind -> ``"module:function"``, in the order of the page."""


def charts_of(data: RunData) -> tuple[Chart, ...]:
    """Return every chart that the run has tables for."""
    names = registry.known(FIGURES, "figures")
    makers = [registry.lookup(FIGURES, name, room="figures", kind="figure") for name in names]
    return tuple(chart for make in makers for chart in make(data))
