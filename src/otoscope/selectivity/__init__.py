"""Which neurons fire for which class, and how many would do so by chance? Sets of neurons per class of a label set.

Start at :mod:`otoscope.selectivity.stage` (a run folder in, tables out) or at :mod:`otoscope.selectivity.entropy` (the
published rule on counts). How selective a neuron is, is measured by a row of :data:`SELECTORS`; what chance gives
stands in :mod:`otoscope.selectivity.nulls`, what classes share in :mod:`otoscope.selectivity.sharing`.

A new selector is one file with a :class:`~otoscope.selectivity.selector.Selector` plus one line in :data:`SELECTORS`.
"""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.selectivity.stage:select")

SELECTORS: dict[str, str] = {
    "entropy": "otoscope.selectivity.aape:SELECTOR",
    "mean-difference": "otoscope.selectivity.mean_difference:SELECTOR",
    "contrastive": "otoscope.selectivity.contrastive:SELECTOR",
    "auroc": "otoscope.selectivity.auroc:SELECTOR",
    "mutual-information": "otoscope.selectivity.mutual_information:SELECTOR",
    "fisher": "otoscope.selectivity.fisher:SELECTOR",
    "property": "otoscope.selectivity.property_neurons:SELECTOR",
}
"""Selector -> :class:`~otoscope.selectivity.selector.Selector`."""

PRESETS: dict[str, str] = {
    "default": "otoscope.selectivity.presets:default",
    "aape-2026": "otoscope.selectivity.presets:aape_2026",
    "lape-2024": "otoscope.selectivity.presets:lape_2024",
}
"""Protocol -> function that returns its :class:`~otoscope.selectivity.config.SelectConfig`."""
